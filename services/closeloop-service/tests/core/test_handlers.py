"""Alerts, answers, timers and commands on a real Postgres."""

from datetime import timedelta

import pytest

from closeloop_service.domain.commands import Acknowledge, Contact, Resolve
from closeloop_service.domain.errors import MoveNotAllowed, TaskChanged, TaskNotFound
from heardback.testing.builders import TRACEPARENT
from heardback.testing.clock import START

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
    assert await closeloop.timer_keys(*kinds) == {(kind, key) for kind in kinds for key in clocks}


async def test_warning_breach_and_escalations_are_said_once_when_nobody_comes(closeloop, an_alert):
    await opened(closeloop, an_alert)
    await closeloop.pass_time(hours=3)
    assert await closeloop.families() == ["task.opened", "task.sla_warned"]
    await closeloop.pass_time(hours=1)
    for _ in range(30):
        await closeloop.pass_time(hours=12)
    said = [
        (e.type.family, getattr(e.data, "clock", None), getattr(e.data, "level", None))
        for e in await closeloop.said()
    ]
    first, resolution = "first_response", "resolution"
    assert said == [
        ("task.opened", None, None),
        ("task.sla_warned", first, None),
        ("task.sla_breached", first, None),
        ("task.escalated", first, 1),
        ("task.escalated", first, 2),
        ("task.escalated", first, 3),
        ("task.sla_warned", resolution, None),
        ("task.sla_breached", resolution, None),
        ("task.escalated", resolution, 1),
        ("task.escalated", resolution, 2),
        ("task.escalated", resolution, 3),
    ]
    assert await closeloop.timer_keys("sla_warning", "sla_breach", "escalation") == set()


async def test_first_response_stops_when_the_customer_is_contacted(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    await closeloop.move(task_id, CALL)
    keys = {key for _, key in await closeloop.timer_keys("sla_warning", "sla_breach")}
    assert keys == {f"{task_id}/resolution"}
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
    assert await closeloop.timer_keys("sla_warning", "sla_breach", "escalation") == set()
    assert await closeloop.families() == [
        "task.opened", "task.acknowledged", "task.contacted", "task.resolved",
    ]  # fmt: skip


async def test_history_holds_every_move_when_a_task_is_closed(closeloop, an_alert):
    task_id = await opened(closeloop, an_alert)
    await closeloop.pass_time(hours=3)
    for command in (CALL, FIX):
        await closeloop.move(task_id, command)
    lines = [(line.what, line.actor, line.note) for line in await closeloop.history()]
    assert [line for line in lines if line[0] not in {"queued", "unrouted"}] == [
        ("opened", None, ""),
        ("sla_warned", None, ""),
        ("contacted", "Ana", "Called."),
        ("resolved", "Ana", "Refunded."),
    ]


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
