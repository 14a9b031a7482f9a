"""Answers that count no more, and those that count at last."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from closeloop_service.domain.commands import Contact
from closeloop_service.domain.task import TaskState
from heardback.contracts import registry
from heardback.testing.builders import an_event
from heardback.testing.clock import START

CALL = Contact(actor="Ana", channel="phone")
ABOUT = {"customer_id": "c1", "program_id": "after-purchase", "touchpoint": "purchase"}


def suspect(revision: int | None = 1, number: int = 1, **data):
    fields = {
        **ABOUT,
        "response_id": f"response-{number}",
        "invitation_id": f"invitation-{number}",
        "survey_id": "nps",
        "channel": "email",
        "revision": revision,
        "category": "detractor",
        "reasons": ("scanner",),
        "quarantined_at": START,
    }
    return an_event(registry.RESPONSE_QUARANTINED, **{**fields, **data})


async def test_task_is_cancelled_while_its_answer_does_not_count(closeloop, an_alert, a_revision):
    await closeloop.hear(an_alert(1))
    await closeloop.hear(suspect())
    await closeloop.hear(suspect())
    task = await closeloop.task()
    assert task.state is TaskState.CANCELLED
    assert await closeloop.timer_keys("sla_warning", "sla_breach") == set()
    assert await closeloop.families() == ["task.opened", "task.cancelled"]
    await closeloop.hear(a_revision(1, revision=2, score=2))
    task = await closeloop.task()
    assert task.state is TaskState.REOPENED
    await closeloop.hear(suspect(revision=2))
    assert (await closeloop.task()).state is TaskState.CANCELLED


async def test_task_stays_when_the_customer_was_contacted_though_the_answer_is_taken_back(
    closeloop, an_alert
):
    await closeloop.hear(an_alert(1))
    task_id = (await closeloop.task()).task_id
    await closeloop.move(task_id, CALL)
    before = await closeloop.timer_keys()
    await closeloop.hear(suspect(), suspect())
    assert (await closeloop.task()).state is TaskState.CONTACTED
    assert await closeloop.timer_keys() == before
    assert [line.what for line in await closeloop.history()].count("taken_back") == 1


async def test_what_else_is_said_of_responses_passes(closeloop, an_alert):
    await closeloop.hear(an_alert(1))
    opened = an_event(
        registry.INVITATION_OPENED, **ABOUT, invitation_id="invitation-1", opened_at=START
    )
    never_counted = suspect(revision=None, category=None)
    unknown = suspect(number=7, customer_id="c7")
    await closeloop.hear(opened, never_counted, unknown)
    assert (await closeloop.task()).version <= 2


@pytest.mark.parametrize("event", [suspect(), suspect(revision=None, category=None)])
async def test_clocks_go_on_when_a_suspect_answer_changes_nothing(closeloop, an_alert, event):
    await closeloop.hear(an_alert(1))
    task_id = (await closeloop.task()).task_id
    await closeloop.move(task_id, CALL)
    await closeloop.hear(suspect())
    before = await closeloop.timer_keys()
    assert ("sla_breach", f"{task_id}/resolution") in before
    await closeloop.hear(event)
    assert await closeloop.timer_keys() == before


async def test_clocks_run_from_the_release_when_the_answer_was_held_as_suspect(
    closeloop, an_answer
):
    closeloop.clock.advance(timedelta(days=3))
    released_at = closeloop.clock.now()
    await closeloop.hear(replace(an_answer(1), time=released_at))
    assert (await closeloop.task()).opened_at == released_at
