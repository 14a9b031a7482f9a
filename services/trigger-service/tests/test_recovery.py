"""Whether a problem was solved is asked after its owner task was resolved, once."""

from datetime import timedelta
from typing import Any

import pytest

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EventType
from heardback.envelope import Event
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from trigger_service.domain.reason import Reason

DAY = timedelta(days=1)
ABOUT = {"task_id": "t1", "program_id": "purchase", "touchpoint": "purchase"}


def a_task_event(event_type: EventType, *, after: timedelta, **data: Any) -> Event[Payload]:
    return an_event(
        event_type,
        id=f"{event_type}-{after}",
        customer_id="c1",
        occurred_at=START + after,
        **{**ABOUT, **data},
    )


def resolved(*, after: timedelta = DAY, **data: Any) -> Event[Payload]:
    fields = {"owner": "Ana", "root_cause": "late delivery", "resolution_seconds": 3_600.0}
    return a_task_event(registry.TASK_RESOLVED, after=after, **{**fields, **data})


async def the_customer_was_asked(trigger: Any) -> None:
    """Have c1 asked about a purchase, and a day pass."""
    await trigger.deliver(a_purchase(customer_id="c1"))
    trigger.clock.advance(DAY)


async def reasons(trigger: Any) -> list[tuple[str, ...]]:
    return [p.reasons for p in await trigger.suppressions()]


async def test_customer_is_asked_again_when_their_task_is_resolved(trigger: Any) -> None:
    await the_customer_was_asked(trigger)
    await trigger.deliver(resolved())
    *_, question = await trigger.published(registry.SURVEY_SCHEDULED)
    assert (question.program_id, question.survey_id) == ("recovery", "recovery-nps")
    assert question.subject == "task:t1"
    assert timedelta(days=2) <= question.send_at - (START + DAY) <= timedelta(days=6)


@pytest.mark.parametrize(
    ("undone", "reason"),
    [
        (a_task_event(registry.TASK_REOPENED, after=2 * DAY, reason="called again"), "reopened"),
        (a_task_event(registry.TASK_CANCELLED, after=2 * DAY, reason="a test"), "revoked"),
    ],
)
async def test_question_is_taken_back_when_the_task_is_not_done_after_all(
    trigger: Any, undone: Event[Payload], reason: str
) -> None:
    await the_customer_was_asked(trigger)
    await trigger.deliver(resolved())
    trigger.clock.advance(DAY)
    await trigger.deliver(undone)
    (cancelled,) = await trigger.published(registry.SURVEY_CANCELLED)
    assert (cancelled.program_id, cancelled.reason) == ("recovery", reason)
    await trigger.deliver(resolved(after=3 * DAY))
    *_, question = await trigger.published(registry.SURVEY_SCHEDULED)
    assert question.send_at > START + 3 * DAY


async def test_promoter_is_not_asked_when_a_thank_you_is_done(trigger: Any) -> None:
    await the_customer_was_asked(trigger)
    await trigger.deliver(resolved(category="promoter"))
    assert await reasons(trigger) == [(Reason.NOT_ELIGIBLE,)]


async def test_customer_is_asked_once_when_the_event_is_repeated(trigger: Any) -> None:
    await the_customer_was_asked(trigger)
    await trigger.deliver(resolved(), resolved())
    await trigger.deliver(resolved())
    asked = await trigger.published(registry.SURVEY_SCHEDULED)
    assert [p.program_id for p in asked] == ["purchase", "recovery"]


async def test_nothing_happens_when_a_task_is_only_opened(trigger: Any) -> None:
    acknowledged = a_task_event(registry.TASK_ACKNOWLEDGED, after=DAY, owner="Ana")
    await trigger.deliver(acknowledged)
    assert await trigger.published() == []
