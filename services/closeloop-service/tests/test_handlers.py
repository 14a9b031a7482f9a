"""Alerts, revisions, timers and commands on a real Postgres."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from closeloop_service.domain.decisions import Acknowledge, Contact, Resolve
from closeloop_service.domain.errors import MoveNotAllowed, TaskChanged, TaskNotFound
from heardback.contracts import registry
from heardback.testing.builders import TRACEPARENT, an_event
from heardback.testing.clock import START
from heardback.vocabulary import Scale

ANA = Acknowledge(actor="Ana")
CALL = Contact(actor="Ana", channel="phone", note="Called.")
FIX = Resolve(actor="Ana", root_cause="late delivery", note="Refunded.")


async def opened(closeloop, an_alert, number: int = 1) -> str:
    await closeloop.hear(an_alert(number))
    return (await closeloop.tasks())[-1].task_id


async def test_one_task_is_opened_when_the_alert_comes_twice_in_a_batch_and_again(
    closeloop, an_alert
):
    await closeloop.hear(an_alert(), an_alert())
    await closeloop.hear(an_alert())
    assert len(await closeloop.tasks()) == 1
    assert await closeloop.families() == ["task.opened"]


async def test_both_clocks_are_set_when_a_task_is_opened(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    (said,) = await closeloop.said()
    assert said.data.first_response_due_at == START + timedelta(hours=4)
    assert said.data.resolution_due_at == START + timedelta(hours=48)
    assert said.traceparent == TRACEPARENT
    clocks = [f"{task_id}/first_response", f"{task_id}/resolution"]
    kinds = ["sla_warning", "sla_breach"]
    assert await closeloop.timer_keys() == {(kind, key) for kind in kinds for key in clocks}


async def test_warning_and_breach_are_said_once_when_nobody_comes(closeloop, an_alert):
    await opened(closeloop, an_alert)
    await closeloop.pass_time(hours=3)
    assert await closeloop.families() == ["task.opened", "task.sla_warned"]
    await closeloop.pass_time(hours=1)
    await closeloop.pass_time(hours=100)
    said = [(e.type.family, getattr(e.data, "clock", None)) for e in await closeloop.said()]
    assert said == [
        ("task.opened", None),
        ("task.sla_warned", "first_response"),
        ("task.sla_breached", "first_response"),
        ("task.sla_warned", "resolution"),
        ("task.sla_breached", "resolution"),
    ]
    assert await closeloop.timer_keys() == set()


async def test_first_response_stops_when_the_customer_is_contacted(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    await closeloop.move(task_id, CALL)
    assert {key for _, key in await closeloop.timer_keys()} == {f"{task_id}/resolution"}
    await closeloop.pass_time(hours=5)
    assert await closeloop.families() == ["task.opened", "task.contacted"]


async def test_first_response_is_breached_when_the_task_is_only_acknowledged(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    await closeloop.move(task_id, ANA)
    await closeloop.pass_time(hours=4)
    assert "task.sla_breached" in await closeloop.families()


async def test_nothing_waits_when_the_task_is_resolved(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    for command in (ANA, CALL, FIX):
        await closeloop.move(task_id, command)
    assert await closeloop.timer_keys() == set()
    assert await closeloop.families() == [
        "task.opened", "task.acknowledged", "task.contacted", "task.resolved",
    ]  # fmt: skip


async def test_history_holds_every_move_when_a_task_is_closed(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    await closeloop.pass_time(hours=3)
    for command in (CALL, FIX):
        await closeloop.move(task_id, command)
    async with closeloop.database.read() as connection:
        lines = await connection.execute(
            text("SELECT what, actor, note FROM task_history ORDER BY seq")
        )
        assert [tuple(line) for line in lines] == [
            ("opened", None, ""),
            ("sla_warned", None, ""),
            ("contacted", "Ana", "Called."),
            ("resolved", "Ana", "Refunded."),
        ]


async def test_second_owner_is_refused_when_two_press_at_once(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    both = [closeloop.move(task_id, Acknowledge(actor=name)) for name in ("Ana", "Ben")]
    results = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["MoveNotAllowed", "Task"]
    assert (await closeloop.families()).count("task.acknowledged") == 1


async def test_clock_goes_on_when_a_move_is_refused(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    before = await closeloop.timer_keys()
    with pytest.raises(MoveNotAllowed):
        await closeloop.move(task_id, FIX)
    with pytest.raises(TaskChanged):
        await closeloop.move(task_id, CALL, version=7)
    assert await closeloop.timer_keys() == before


async def test_unknown_task_is_said_to_be_when_moved(closeloop):
    with pytest.raises(TaskNotFound):
        await closeloop.move("nobody", ANA)


async def test_no_move_deadlocks_when_timers_fire_meanwhile(closeloop, an_alert):
    await closeloop.hear(*(an_alert(number) for number in range(40)))
    task_ids = [task.task_id for task in await closeloop.tasks()]
    closeloop.clock.advance(timedelta(hours=4))
    moves = (closeloop.move(task_id, CALL) for task_id in reversed(task_ids))
    await asyncio.gather(closeloop.timers.fire(), *moves, closeloop.timers.fire())
    while await closeloop.timers.fire():
        pass
    families = await closeloop.families()
    assert families.count("task.sla_breached") == families.count("task.contacted") == 40


async def test_task_shows_the_newest_answer_when_revisions_come_out_of_order(
    closeloop, an_alert, a_revision
):
    await opened(closeloop, an_alert)
    await closeloop.hear(a_revision(revision=3, score=6), a_revision(revision=2, score=4))
    await closeloop.hear(a_revision(revision=2, score=4))
    (task,) = await closeloop.tasks()
    assert (task.answer.score, task.answer.revision, task.version) == (6, 3, 2)


async def test_task_shows_the_newest_answer_when_the_revision_comes_before_the_alert(
    closeloop, an_alert, a_revision
):
    await closeloop.hear(a_revision(revision=2, score=5))
    await closeloop.hear(an_alert(score=1))
    (task,) = await closeloop.tasks()
    assert task.answer.score == 5


async def test_what_else_is_said_of_responses_passes(closeloop, an_alert, a_revision):
    await opened(closeloop, an_alert)
    about = {
        "customer_id": "c1",
        "invitation_id": "invitation-1",
        "program_id": "after-purchase",
        "touchpoint": "purchase",
    }
    answer = {"response_id": "response-1", "survey_id": "nps", "channel": "email"}
    suspect = {"reasons": ["every_link"], "quarantined_at": START}
    await closeloop.hear(
        an_event(registry.INVITATION_OPENED, **about, opened_at=START),
        an_event(registry.RESPONSE_QUARANTINED, **about, **answer, **suspect),
        a_revision(score=5, scale="ces"),
    )
    (task,) = await closeloop.tasks()
    assert (task.answer.score, task.answer.scale) == (5, Scale.CES)


async def test_answer_stays_when_the_task_is_resolved(closeloop, an_alert, a_revision):
    task_id = await opened(closeloop, an_alert)
    for command in (CALL, FIX):
        await closeloop.move(task_id, command)
    await closeloop.hear(a_revision(score=6))
    assert (await closeloop.tasks())[0].answer.score == 2


async def test_later_alert_joins_the_task_when_it_is_open(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    again = an_alert(alert_id="alert-1b", revision=3, score=5)
    await closeloop.hear(again, again)
    await closeloop.hear(an_alert(), again)
    (task,) = await closeloop.tasks()
    assert (task.task_id, task.answer.score, task.answer.revision) == (task_id, 5, 3)
    assert await closeloop.families() == ["task.opened"]


async def test_later_alert_opens_one_task_when_the_first_is_resolved(
    closeloop, an_alert, a_revision
):
    task_id = await opened(closeloop, an_alert)
    for command in (CALL, FIX):
        await closeloop.move(task_id, command)
    again = an_alert(alert_id="alert-1b", revision=3, score=5)
    await closeloop.hear(a_revision(revision=3, score=5))
    await closeloop.hear(an_alert(), again)
    await closeloop.hear(again, an_alert())
    first, second = await closeloop.tasks()
    assert (first.state, first.answer.score) == ("resolved", 2)
    assert (second.state, second.answer.score, second.alert_id) == ("open", 5, "alert-1b")
    assert (await closeloop.families()).count("task.opened") == 2
    await closeloop.pass_time(hours=4)
    assert (await closeloop.families()).count("task.sla_breached") == 1


async def test_one_task_is_opened_when_both_alerts_of_a_response_come_at_once(closeloop, an_alert):
    await closeloop.hear(an_alert(), an_alert(alert_id="alert-1b", revision=3, score=5))
    (task,) = await closeloop.tasks()
    assert (task.alert_id, task.answer.score, task.version) == ("alert-1", 5, 1)
