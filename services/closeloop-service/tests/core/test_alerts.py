"""Alerts and answers on a real Postgres: whose task they open, join, change or close."""

import asyncio
from dataclasses import replace

import pytest

from closeloop_service.domain.commands import Cancel, Contact, Resolve, Verify
from closeloop_service.domain.rules import Member, SlaPolicy, Target
from closeloop_service.domain.task import TaskState
from closeloop_service.domain.writing import has_conversation
from heardback.contracts import registry
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.vocabulary import Category, Channel, Outcome, Scale, SlaClock

from .cases import HOUR

CALL = Contact(actor="Ana", channel="phone")
FIX = Resolve(actor="Ana", root_cause="late delivery")
ABOUT = {"customer_id": "c1", "program_id": "after-purchase", "touchpoint": "purchase"}


def asked(number: int, task_id: str | None = None):
    """Return the events by which customer `c1` was asked, perhaps about a resolved task."""
    fields = {**ABOUT, "invitation_id": f"invitation-{number}"}
    if task_id is not None:
        fields["touchpoint"] = "task-resolved"
    scheduled = {
        "decision_id": f"d{number}",
        "touchpoint_id": f"touchpoint-{number}",
        "subject": None if task_id is None else f"task:{task_id}",
        "survey_id": "nps",
        "send_at": START,
        "decided_at": START,
    }
    requested = {
        "survey_id": "nps",
        "channel": "sms",
        "recipient": {"phone": "+491701234567", "locale": "de"},
        "occurred_at": START,
        "requested_at": START,
        "expires_at": START,
    }
    return (
        an_event(registry.SURVEY_SCHEDULED, **fields, **scheduled),
        an_event(registry.SURVEY_REQUESTED, **fields, **requested),
    )


async def test_second_alert_joins_the_task_that_waits_whatever_its_program(closeloop, an_alert):
    await closeloop.hear(an_alert(1))
    await closeloop.hear(an_alert(2, customer_id="c1", program_id="nps", score=0))
    task = await closeloop.task()
    assert (task.answers, task.answer.score) == (2, 0)
    assert await closeloop.families() == ["task.opened", "task.joined"]


async def test_two_alerts_of_one_customer_are_one_task_when_in_one_batch(closeloop, an_alert):
    second = an_alert(2, customer_id="c1")
    await closeloop.hear(an_alert(1), second, an_alert(1), second, an_alert(3))
    await closeloop.hear(second)
    assert [task.answers for task in await closeloop.tasks()] == [2, 1]
    assert await closeloop.families() == ["task.opened", "task.joined", "task.opened"]


async def test_two_alerts_of_one_customer_are_one_task_when_two_replicas_hear_them(
    closeloop, an_alert
):
    for number in range(0, 20, 2):
        alerts = [an_alert(number + n, customer_id=f"c{number}") for n in (0, 1)]
        await asyncio.gather(*(closeloop.hear(alert) for alert in alerts))
    assert {task.answers for task in await closeloop.tasks()} == {2}
    assert len(await closeloop.tasks()) == 10


async def test_new_task_is_opened_when_the_one_before_is_closed(closeloop, an_alert):
    await closeloop.hear(an_alert(1))
    task = await closeloop.task()
    for command in (CALL, FIX):
        await closeloop.move(task.task_id, command)
    await closeloop.hear(an_alert(2, customer_id="c1"))
    assert [task.state for task in await closeloop.tasks()] == ["resolved", "open"]


@pytest.mark.parametrize("verified", [False, True])
async def test_task_is_opened_again_when_its_recovery_question_says_so(
    closeloop, an_alert, verified
):
    await closeloop.hear(an_alert(1))
    task = await closeloop.task()
    for command in (CALL, FIX, *([Verify(outcome=Outcome.UNANSWERED)] if verified else [])):
        await closeloop.move(task.task_id, command)
    await closeloop.hear(*asked(2, task.task_id))
    await closeloop.hear(an_alert(2, customer_id="c1", touchpoint="task-resolved", score=0))
    task = await closeloop.task()
    assert (task.state, task.answers, task.owner) == (TaskState.REOPENED, 2, "Ana")
    keys = await closeloop.timer_keys("sla_breach")
    assert keys == {
        ("sla_breach", f"{task.task_id}/{which}") for which in ("next_response", "resolution")
    }


async def test_task_knows_what_closeloop_knows_of_its_customer(closeloop, an_alert):
    profile = {
        "segment": "enterprise",
        "locale": "fr",
        "phone": "+33123456789",
        "attributes": {"annual_value": 12_000},
    }
    updated = an_event(
        registry.CUSTOMER_UPDATED, customer_id="c1", occurred_at=START, customer=profile
    )
    await closeloop.hear(updated)
    await closeloop.hear(*asked(1))
    await closeloop.hear(an_alert(1))
    task = await closeloop.task()
    assert (task.segment, task.locale, task.value) == ("enterprise", "de", 12_000)
    assert (task.recipient.email, task.recipient.phone) == ("c1@example.com", "+33123456789")
    assert (task.invitation_id, task.channel) == ("invitation-1", Channel.SMS)


async def test_customer_can_be_written_to_when_the_alert_comes_before_the_invitation(
    closeloop, an_alert
):
    await closeloop.hear(an_alert(1, channel="email"))
    await closeloop.hear(*asked(1))
    task = await closeloop.task()
    assert task.channel is Channel.EMAIL
    assert has_conversation(task)


async def test_nothing_is_kept_of_how_to_reach_a_customer_who_is_forgotten(closeloop, an_alert):
    erased = an_event(registry.CUSTOMER_ERASED, customer_id="c1", occurred_at=START)
    await closeloop.hear(erased)
    await closeloop.hear(an_alert(1))
    task = await closeloop.task()
    assert dict(task.recipient) == dict.fromkeys(dict(task.recipient))


async def test_task_finds_its_owner_when_it_is_opened(closeloop, an_alert):
    rules = await closeloop.change_rules()
    care = rules.routing.teams["care"]
    team = replace(care, members=(Member(name="Ana", capacity=1), Member(name="Ben", capacity=1)))
    await closeloop.change_rules(routing=replace(rules.routing, teams={"care": team}))
    await closeloop.hear(*(an_alert(number) for number in (1, 2, 3)))
    tasks = await closeloop.tasks()
    assert sorted(task.owner or "" for task in tasks) == ["", "Ana", "Ben"]
    (waits,) = (task for task in tasks if task.owner is None)
    assert (waits.state, waits.team) == (TaskState.OPEN, "care")
    # Who closes one has room for the next.
    mine = next(task for task in tasks if task.owner == "Ana")
    await closeloop.move(mine.task_id, Cancel(actor="Ana", reason="A test."))
    await closeloop.pass_time(seconds=1)
    assert {t.task_id: t.owner for t in await closeloop.tasks()}[waits.task_id] == "Ana"


async def test_task_is_shown_with_the_newest_answer_when_revisions_come_out_of_order(
    closeloop, an_alert, a_revision
):
    await closeloop.hear(an_alert(1))
    await closeloop.hear(a_revision(revision=3, score=6), a_revision(revision=2, score=4))
    await closeloop.hear(a_revision(revision=2, score=4))
    task = await closeloop.task()
    assert (task.answer.score, task.answer.revision) == (6, 3)
    assert [line.what for line in await closeloop.history()].count("revised") == 1


async def test_task_is_shown_with_the_newest_answer_when_the_revision_comes_before_the_alert(
    closeloop, an_alert, a_revision
):
    await closeloop.hear(a_revision(revision=2, score=5))
    await closeloop.hear(an_alert(1, score=1))
    assert (await closeloop.task()).answer.score == 5


async def test_scale_stays_with_the_score_when_it_is_not_the_nps(closeloop, an_alert):
    await closeloop.hear(an_alert(1, score=1, scale="ces"))
    assert (await closeloop.task()).answer.scale is Scale.CES


async def test_passive_with_words_opens_a_lighter_task_and_a_promoter_does_not(
    closeloop, an_answer
):
    promoter = an_answer(2, score=10, category="promoter")
    silent = an_answer(3, comment=None)
    await closeloop.hear(an_answer(1), promoter, silent, an_answer(1))
    task = await closeloop.task()
    assert (task.category, task.alert_id) == (Category.PASSIVE, "response-1")
    # The words come later, as a revision.
    await closeloop.hear(an_answer(3, revision=2, comment="Now I can tell."))
    assert len(await closeloop.tasks()) == 2
    assert await closeloop.families() == ["task.opened", "task.opened"]


async def test_passive_answer_is_noted_on_the_task_that_waits(closeloop, an_alert, an_answer):
    await closeloop.hear(an_alert(1))
    answer = an_answer(2, customer_id="c1")
    await closeloop.hear(answer, answer)
    await closeloop.hear(answer)
    await closeloop.task()
    lines = [line.what for line in await closeloop.history()]
    assert lines.count("answered_elsewhere") == 1


async def test_detractor_of_now_gets_a_task_of_their_own_when_a_lighter_one_waits(
    closeloop, an_alert, an_answer, a_revision
):
    await closeloop.hear(an_answer(1))
    await closeloop.hear(a_revision(1, revision=2, score=1))
    await closeloop.hear(an_alert(1, revision=2, score=1))
    assert [task.category for task in await closeloop.tasks()] == ["passive", "detractor"]


async def test_alerts_are_planned_by_the_policy_that_fits(closeloop, an_alert):
    rules = await closeloop.change_rules()
    quick = SlaPolicy(
        policy_id="quick",
        calendar_id="always",
        targets={which: Target(business=HOUR) for which in SlaClock},
        when=replace(rules.policies[0].when, max_score=0),
    )
    await closeloop.change_rules(policies=(quick, *rules.policies))
    await closeloop.hear(an_alert(1, score=0), an_alert(2, score=3))
    assert [task.policy_id for task in await closeloop.tasks()] == ["quick", "default"]


async def test_tasks_survive_the_way_through_their_rows(closeloop, an_alert):
    await closeloop.hear(an_alert(1))
    task = await closeloop.task()
    for command in (CALL, FIX):
        task = await closeloop.move(task.task_id, command)
        assert await closeloop.task() == task


async def test_alert_joins_when_its_answer_was_only_noted_on_the_task_before(
    closeloop, an_alert, an_answer
):
    await closeloop.hear(an_alert(1))
    await closeloop.hear(an_answer(2, customer_id="c1"))
    worse = an_alert(2, customer_id="c1", revision=2, score=0, comment="Worse now.")
    await closeloop.hear(worse, worse)
    await closeloop.hear(worse)
    task = await closeloop.task()
    assert (task.answers, task.answer.score) == (2, 0)
    assert await closeloop.families() == ["task.opened", "task.joined"]
