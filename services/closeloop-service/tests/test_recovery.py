"""What came of a task once it was resolved."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from closeloop_service.api import recovery as api
from closeloop_service.domain.commands import Contact, Reopen, Resolve
from closeloop_service.domain.recovery import outcome_of, share_of
from closeloop_service.domain.task import Task, TaskState
from heardback.contracts import registry
from heardback.contracts.registry import EventType
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.vocabulary import Category, Outcome

CALL = Contact(actor="Ana", channel="phone", note="Called.")
FIX = Resolve(actor="Ana", root_cause="late delivery", note="Refunded.")
ABOUT = {"program_id": "recovery", "touchpoint": "task-resolved"}


def a_question(task_id: str, number: int = 1) -> Event[Any]:
    """Return how the recovery question of customer `number` is scheduled."""
    return an_event(
        registry.SURVEY_SCHEDULED,
        id=f"question-{number}",
        customer_id=f"c{number}",
        **ABOUT,
        decision_id=f"recovery-{number}",
        invitation_id=f"recovery-{number}",
        touchpoint_id=f"resolved-{number}",
        survey_id="recovery-nps",
        subject=f"task:{task_id}",
        send_at=START,
        decided_at=START,
    )


def about_recovery(number: int = 1, score: int = 9) -> dict[str, Any]:
    """Return what an answer to the recovery question says."""
    group = "promoter" if score > 8 else "passive" if score > 6 else "detractor"
    return {
        **ABOUT,
        "response_id": f"recovery-{number}",
        "invitation_id": f"recovery-{number}",
        "survey_id": "recovery-nps",
        "score": score,
        "category": group,
        "comment": None,
    }


def of_customer(event_type: EventType, number: int = 1, at: datetime = START) -> Event[Any]:
    return an_event(
        event_type, id=f"{event_type}-{number}", customer_id=f"c{number}", occurred_at=at
    )


@pytest.fixture
def resolved(closeloop, an_alert):
    """Have customer `number` unhappy, and their task resolved; return its id."""

    async def resolved(number: int = 1, *, alert: Event[Any] | None = None) -> str:
        known = {task.task_id for task in await closeloop.tasks()}
        await closeloop.hear(alert or an_alert(number))
        (task_id,) = {task.task_id for task in await closeloop.tasks()} - known
        await closeloop.move(task_id, CALL)
        await closeloop.move(task_id, FIX)
        return task_id

    return resolved


async def groups(database, **query: str) -> Mapping[str, Any]:
    """Return what the API says a second later came of each group."""
    database.clock.advance(timedelta(seconds=1))
    app = build_app(name="closeloop", database=database, health=Health(), routers=[api.router])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://closeloop") as client:
        answer = (await client.get("/recovery", params=query)).raise_for_status()
    return {group["category"]: group for group in answer.json()["groups"]}


def states(tasks: list[Task]) -> list[tuple[TaskState, Outcome | None]]:
    return [(task.state, task.outcome) for task in tasks]


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        (Category.DETRACTOR, Category.DETRACTOR, Outcome.UNCHANGED),
        (Category.DETRACTOR, Category.PASSIVE, Outcome.RECOVERED),
        (Category.DETRACTOR, Category.PROMOTER, Outcome.RECOVERED),
        (Category.PASSIVE, Category.DETRACTOR, Outcome.UNCHANGED),
        (Category.PASSIVE, Category.PASSIVE, Outcome.UNCHANGED),
        (Category.PASSIVE, Category.PROMOTER, Outcome.RECOVERED),
    ],
)
def test_customer_is_recovered_when_they_come_into_a_better_group(before, after, outcome):
    assert outcome_of(before, after) is outcome


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_interval_is_wilsons_when_a_share_is_given(count, of, low, high):
    share = share_of(count, of)
    assert share.share == count / of
    assert (share.low, share.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_share_is_none_when_it_is_of_nothing():
    share = share_of(0, 0)
    assert (share.share, share.low, share.high) == (None, None, None)


@pytest.mark.parametrize(
    ("score", "outcome"), [(9, Outcome.RECOVERED), (7, Outcome.RECOVERED), (4, Outcome.UNCHANGED)]
)
async def test_row_46_task_is_verified_when_its_recovery_question_is_answered(
    closeloop, resolved, an_answer, score, outcome
):
    task_id = await resolved()
    await closeloop.hear(a_question(task_id))
    await closeloop.hear(an_answer(**about_recovery(score=score)))
    assert states(await closeloop.tasks()) == [(TaskState.VERIFIED, outcome)]
    verified = (await closeloop.said())[-1]
    assert verified.type is registry.TASK_VERIFIED
    assert (verified.data.outcome, verified.data.score) == (outcome, score)
    line = (await closeloop.history())[-1]
    assert (line.what, line.details["number"], line.details["category"]) == (
        "verified",
        1,
        "detractor",
    )


async def test_answer_verifies_the_task_when_its_question_was_not_heard_of_yet(
    closeloop, resolved, an_answer
):
    await resolved()
    await closeloop.hear(an_answer(**about_recovery()))
    assert states(await closeloop.tasks()) == [(TaskState.VERIFIED, Outcome.RECOVERED)]


async def test_answer_verifies_once_when_it_comes_twice(closeloop, resolved, an_answer):
    task_id = await resolved()
    await closeloop.hear(a_question(task_id))
    answer = an_answer(**about_recovery())
    await closeloop.hear(answer, answer)
    await closeloop.hear(answer)
    assert (await closeloop.families()).count("task.verified") == 1


async def test_newest_revision_counts_when_both_are_in_one_batch(closeloop, resolved, an_answer):
    task_id = await resolved()
    await closeloop.hear(a_question(task_id))
    first = an_answer(**about_recovery(score=6))
    await closeloop.hear(first, an_answer(revision=2, **about_recovery(score=9)))
    assert (await closeloop.task()).outcome is Outcome.RECOVERED


async def test_answers_about_anything_else_verify_nothing(closeloop, resolved, an_answer):
    await resolved()
    other = {"response_id": "r9", "invitation_id": "i9", "score": 9, "category": "promoter"}
    await closeloop.hear(an_answer(**other))
    assert states(await closeloop.tasks()) == [(TaskState.RESOLVED, None)]


@pytest.mark.parametrize("answer_first", [True, False])
async def test_task_is_unchanged_and_open_again_when_the_answer_is_a_detractors(
    closeloop, resolved, an_alert, an_answer, answer_first
):
    task_id = await resolved()
    await closeloop.hear(a_question(task_id))
    about = about_recovery(score=3)
    answer = an_answer(**about)
    alert = an_alert(alert_id="still", **{k: about[k] for k in about if k not in _OF_ANSWERS})
    for event in (answer, alert) if answer_first else (alert, answer):
        await closeloop.hear(event)
    task = await closeloop.task()
    assert (task.state, task.outcome, task.answer.score) == (TaskState.REOPENED, None, 3)
    assert (await closeloop.families())[-3:] == ["task.verified", "task.joined", "task.reopened"]
    assert await closeloop.timer_keys("outcome") <= {("outcome", task_id)}


_OF_ANSWERS = ("survey_id", "category")


async def test_row_46_customer_is_lost_when_they_leave_after_the_fix(closeloop, resolved):
    await resolved()
    await closeloop.hear(of_customer(registry.CUSTOMER_CHURNED))
    assert states(await closeloop.tasks()) == [(TaskState.VERIFIED, Outcome.LOST)]


async def test_active_task_keeps_its_timers_when_its_customer_leaves(closeloop, an_alert):
    await closeloop.hear(an_alert())
    before = await closeloop.timer_keys()
    await closeloop.hear(of_customer(registry.CUSTOMER_CHURNED))
    assert (await closeloop.task()).active
    assert await closeloop.timer_keys() == before


async def test_nothing_is_known_when_nobody_answers_for_a_month(closeloop, resolved):
    await resolved()
    await closeloop.pass_time(days=29)
    assert (await closeloop.task()).state is TaskState.RESOLVED
    await closeloop.pass_time(days=1)
    assert states(await closeloop.tasks()) == [(TaskState.VERIFIED, Outcome.UNANSWERED)]
    assert await closeloop.timer_keys("outcome") == set()


async def test_customer_is_lost_after_a_month_when_they_had_left_before_the_fix(
    closeloop, resolved
):
    await closeloop.hear(of_customer(registry.CUSTOMER_CHURNED))
    await resolved()
    await closeloop.pass_time(days=30)
    assert states(await closeloop.tasks()) == [(TaskState.VERIFIED, Outcome.LOST)]


async def test_month_begins_anew_when_a_task_is_resolved_again(closeloop, resolved):
    task_id = await resolved()
    await closeloop.pass_time(days=20)
    await closeloop.move(task_id, Reopen(actor="Ana", reason="It broke again."))
    assert await closeloop.timer_keys("outcome") == set()
    await closeloop.move(task_id, CALL)
    await closeloop.move(task_id, FIX)
    await closeloop.pass_time(days=20)
    assert (await closeloop.task()).state is TaskState.RESOLVED
    await closeloop.pass_time(days=10)
    assert (await closeloop.task()).outcome is Outcome.UNANSWERED


async def test_row_46_shares_are_told_by_group_when_tasks_were_resolved(
    closeloop, database, resolved, an_answer
):
    scores = {1: 9, 2: 7, 3: 2}
    for number, score in scores.items():
        await closeloop.hear(a_question(await resolved(number), number))
        await closeloop.hear(an_answer(number, **about_recovery(number, score)))
    await resolved(4)
    await resolved(5)
    await closeloop.hear(of_customer(registry.CUSTOMER_CHURNED, 5))
    found = (await groups(database))["detractor"]
    outcomes = {"recovered": 2, "unchanged": 1, "lost": 1}
    assert (found["resolved"], found["open"], found["outcomes"]) == (5, 1, outcomes)
    assert found["recovered"]["share"] == pytest.approx(2 / 3)
    assert (found["lost"]["share"], found["saved"]["share"]) == (0.2, 0.8)


async def test_row_46_conversion_is_told_when_a_passive_becomes_a_promoter(
    closeloop, database, resolved, an_answer
):
    for number, score in ((1, 9), (2, 8)):
        task_id = await resolved(number, alert=an_answer(number))
        await closeloop.hear(a_question(task_id, number))
        await closeloop.hear(an_answer(number, **about_recovery(number, score)))
    found = await groups(database)
    assert found["passive"]["recovered"]["share"] == 0.5
    assert found["detractor"]["resolved"] == 0


async def test_both_times_count_when_a_task_was_resolved_twice(
    closeloop, database, resolved, an_alert, an_answer
):
    task_id = await resolved()
    await closeloop.hear(a_question(task_id))
    about = about_recovery(score=3)
    await closeloop.hear(an_answer(**about))
    await closeloop.hear(
        an_alert(alert_id="still", **{k: about[k] for k in about if k not in _OF_ANSWERS})
    )
    await closeloop.move(task_id, CALL)
    await closeloop.move(task_id, FIX)
    again = {**about_recovery(score=10), "invitation_id": "recovery-2", "response_id": "recovery-2"}
    await closeloop.hear(an_answer(**again))
    found = (await groups(database))["detractor"]
    assert (found["resolved"], found["outcomes"]) == (2, {"recovered": 1, "unchanged": 1})


async def test_customer_who_came_back_is_saved_when_they_had_left(closeloop, database, resolved):
    await resolved()
    await closeloop.hear(of_customer(registry.CUSTOMER_CHURNED))
    closeloop.clock.advance(timedelta(days=1))
    await closeloop.hear(of_customer(registry.CUSTOMER_RETURNED, at=START + timedelta(days=1)))
    found = (await groups(database))["detractor"]
    assert (found["lost"]["count"], found["saved"]["count"]) == (0, 1)


async def test_only_those_asked_for_count_when_filtered(closeloop, database, resolved, an_alert):
    await resolved(1, alert=an_alert(1, segment="enterprise"))
    await closeloop.pass_time(days=7)
    await resolved(2)
    assert (await groups(database, segment="enterprise"))["detractor"]["resolved"] == 1
    assert (await groups(database, touchpoint="renewal"))["detractor"]["resolved"] == 0
    since = (START + timedelta(days=1)).isoformat()
    assert (await groups(database, since=since))["detractor"]["resolved"] == 1
    assert (await groups(database, until=since))["detractor"]["resolved"] == 1
