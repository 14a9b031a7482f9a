"""The ready-made programs keep the timings of the field, once they are active."""

import itertools
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest

from heardback.contracts import registry
from heardback.contracts.registry import EventType
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from trigger_service.domain.program import ProgramState
from trigger_service.rules import set_state

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
BERLIN: Final = ZoneInfo("Europe/Berlin")
CUSTOMER: Final = {"email": "c1@example.com", "timezone": "Europe/Berlin"}
TICKET: Final = {"ticket_id": "t1"}
ORDER: Final = {"order_id": "o1"}


def happened(event_type: EventType, number: int = 1, **data: Any) -> Any:
    data = {"customer_id": "c1", "occurred_at": START, "customer": CUSTOMER, **data}
    return an_event(event_type, id=f"e{number}", **data)


def a_touchpoint(name: str, number: int = 1, **data: Any) -> Any:
    return happened(registry.TOUCHPOINT_RECORDED, number, touchpoint=name, **data)


async def become(trigger: Any, program_id: str, state: ProgramState) -> None:
    async with trigger.database.transaction() as tx:
        await set_state(tx, program_id, state)


async def asked(trigger: Any) -> list[Any]:
    return list(await trigger.published(registry.SURVEY_SCHEDULED))


@pytest.mark.parametrize(
    ("program_id", "event", "earliest", "latest"),
    [
        ("purchase", happened(registry.PURCHASE_COMPLETED, **ORDER), 7 * DAY, 10 * DAY),
        ("delivery-confirmed", a_touchpoint("delivery-confirmed"), 7 * DAY, 14 * DAY),
        ("ticket-closed", happened(registry.TICKET_CLOSED, **TICKET), 1 * HOUR, 24 * HOUR),
        ("onboarding-complete", happened(registry.ONBOARDING_COMPLETED), 90 * DAY, 92 * DAY),
        ("service-completed", a_touchpoint("service-completed"), 24 * HOUR, 72 * HOUR),
    ],
)
async def test_time_is_the_fields_when_a_ready_made_program_asks(
    trigger: Any, program_id: str, event: Any, earliest: timedelta, latest: timedelta
) -> None:
    await become(trigger, program_id, ProgramState.ACTIVE)
    await trigger.deliver(event)
    (scheduled,) = await asked(trigger)
    assert scheduled.program_id == program_id
    assert START + earliest <= scheduled.send_at <= START + latest
    assert 8 <= scheduled.send_at.astimezone(BERLIN).hour < 20


async def test_third_use_of_the_core_feature_asks_when_the_first_came_before_activation(
    trigger: Any,
) -> None:
    def use(number: int, feature: str = "export") -> Any:
        return a_touchpoint("feature-used", number, attributes={"feature": feature})

    await trigger.deliver(use(1), use(1), use(2, "search"))
    await become(trigger, "feature-used", ProgramState.ACTIVE)
    await trigger.deliver(use(3), use(4, "search"))
    assert await asked(trigger) == []
    await trigger.deliver(use(5))
    (scheduled,) = await asked(trigger)
    assert scheduled.survey_id == "feature-nps"


async def test_nobody_is_asked_without_an_event_when_nothing_was_activated(trigger: Any) -> None:
    profile = {**CUSTOMER, "attributes": {"signed_up_at": "2020-01-01T00:00:00Z"}}
    await trigger.deliver(happened(registry.CUSTOMER_UPDATED, customer=profile))
    for _ in range(12):
        trigger.clock.advance(30 * DAY)
        assert await trigger.fire() == 0
    assert await trigger.published() == []


async def test_question_comes_twice_a_year_when_onboarding_is_over(trigger: Any) -> None:
    await become(trigger, "relationship-twice-yearly", ProgramState.ACTIVE)
    profile = {**CUSTOMER, "attributes": {"signed_up_at": "2026-03-02T00:00:00Z"}}
    await trigger.deliver(happened(registry.ONBOARDING_COMPLETED, customer=profile))
    for _ in range(3 * 365 + 100):
        trigger.clock.advance(DAY)
        await trigger.fire()
    sent = [r.requested_at for r in await trigger.published(registry.SURVEY_REQUESTED)]
    gaps = [after - before for before, after in itertools.pairwise(sent)]
    assert 90 * DAY <= sent[0] - START <= 93 * DAY
    assert len(sent) in (6, 7)
    assert min(gaps) >= 90 * DAY
    assert all(170 * DAY <= gap <= 195 * DAY for gap in gaps[1:])
