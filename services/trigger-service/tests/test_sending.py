"""From the decision to the request, on a real Postgres: what may come in between."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EventType
from heardback.envelope import Event
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from heardback.timers import Timer
from trigger_service.handlers import on_send_due
from trigger_service.tables import CUSTOMER

DAY = timedelta(days=1)


def about_c1(event_type: EventType, **data: Any) -> Event[Payload]:
    return an_event(event_type, customer_id="c1", **data)


def a_bounce(invitation_id: str, *, next_channel: str | None = None) -> Event[Payload]:
    return about_c1(
        registry.INVITATION_BOUNCED,
        invitation_id=invitation_id,
        program_id="purchase",
        touchpoint="purchase",
        channel="email",
        next_channel=next_channel,
        reason="550 5.1.1 no such user",
        bounced_at=START,
    )


ERASED = about_c1(registry.CUSTOMER_ERASED, occurred_at=START)
CHURNED = about_c1(registry.CUSTOMER_CHURNED, occurred_at=START)


def unsubscribed(at: datetime = START, **scope: str) -> Event[Payload]:
    about: dict[str, Any] = {"invitation_id": "i0", "program_id": "purchase", **scope}
    return about_c1(registry.RECIPIENT_UNSUBSCRIBED, unsubscribed_at=at, **about)


def resubscribed(at: datetime, **scope: str) -> Event[Payload]:
    about: dict[str, Any] = {"invitation_id": "i0", "program_id": "purchase", **scope}
    return about_c1(registry.RECIPIENT_RESUBSCRIBED, resubscribed_at=at, **about)


UNSUBSCRIBED = unsubscribed()


async def set_state(trigger: Any, state: str) -> None:
    async with trigger.database.transaction() as tx:
        await tx.connection.execute(text("UPDATE program SET state = :state"), {"state": state})


async def send(trigger: Any, number: int = 1) -> str:
    """Bring one invitation to the point where it was requested; return its id."""
    await trigger.deliver(a_purchase(number, occurred_at=trigger.clock.now()))
    trigger.clock.advance(10 * DAY)
    await trigger.fire()
    return str((await trigger.published(registry.SURVEY_REQUESTED))[-1].invitation_id)


async def test_invitation_is_requested_once_when_its_time_comes(trigger: Any) -> None:
    await trigger.deliver(a_purchase())
    (scheduled,) = await trigger.published()
    trigger.clock.advance(scheduled.send_at - START - timedelta(microseconds=1))
    assert await trigger.fire() == 0
    trigger.clock.advance(timedelta(microseconds=1))
    assert await trigger.fire() == 1
    assert await trigger.fire() == 0
    (requested,) = await trigger.published(registry.SURVEY_REQUESTED)
    assert requested.invitation_id == scheduled.invitation_id
    assert requested.recipient.email == "c1@example.com"
    assert requested.expires_at == scheduled.send_at + 14 * DAY


async def test_nothing_is_sent_twice_when_a_timer_comes_back(trigger: Any) -> None:
    invitation_id = await send(trigger)
    async with trigger.database.transaction() as tx:
        timer = Timer(kind="send", key=invitation_id, due_at=START)
        await on_send_due(tx, [timer, Timer(kind="send", key="unknown", due_at=START)])
    assert len(await trigger.published(registry.SURVEY_REQUESTED)) == 1


async def test_mail_goes_to_the_new_address_when_it_changed_before(trigger: Any) -> None:
    await trigger.deliver(a_purchase())
    await trigger.deliver(
        about_c1(
            registry.CUSTOMER_UPDATED, occurred_at=START, customer={"email": "new@example.com"}
        )
    )
    trigger.clock.advance(10 * DAY)
    await trigger.fire()
    (requested,) = await trigger.published(registry.SURVEY_REQUESTED)
    assert requested.recipient.email == "new@example.com"


@pytest.mark.parametrize(
    ("event", "reason"),
    [(ERASED, "erased"), (CHURNED, "churned"), (UNSUBSCRIBED, "unsubscribed")],
)
async def test_pending_invitation_is_cancelled_when_the_customer_is_gone(
    trigger: Any, event: Event[Payload], reason: str
) -> None:
    await trigger.deliver(a_purchase(customer={"email": "c1@example.com", "segment": "smb"}))
    await trigger.deliver(event)
    await trigger.deliver(event)
    (cancelled,) = await trigger.published(registry.SURVEY_CANCELLED)
    assert (cancelled.reason, cancelled.segment) == (reason, "smb")
    trigger.clock.advance(30 * DAY)
    await trigger.fire()
    assert await trigger.published(registry.SURVEY_REQUESTED) == []
    trigger.clock.advance(10 * DAY)
    assert await trigger.fire() == 0


async def test_nothing_about_a_person_is_left_when_they_are_erased(trigger: Any) -> None:
    profile = {
        "email": "c1@example.com",
        "phone": "+4930123",
        "name": "Ada",
        "locale": "de",
        "timezone": "Europe/Berlin",
        "segment": "smb",
    }
    await trigger.deliver(a_purchase(customer=profile))
    await trigger.deliver(ERASED)
    await trigger.deliver(a_purchase(2, customer=profile))
    async with trigger.database.read() as connection:
        row = (await connection.execute(select(CUSTOMER))).mappings().one()
    assert {name for name, value in row.items() if value not in (None, {})} == {
        "customer_id",
        "bucket",
        "erased_at",
    }


@pytest.mark.parametrize("state", ["paused", "archived"])
async def test_invitation_is_cancelled_when_its_program_does_not_ask_any_more(
    trigger: Any, state: str
) -> None:
    await trigger.deliver(a_purchase())
    await set_state(trigger, state)
    trigger.clock.advance(10 * DAY)
    await trigger.fire()
    (cancelled,) = await trigger.published(registry.SURVEY_CANCELLED)
    assert cancelled.reason == state
    await set_state(trigger, "active")
    await trigger.deliver(a_purchase(2, occurred_at=trigger.clock.now()))
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 2


async def test_invitation_is_cancelled_when_it_is_due_after_its_expiry(trigger: Any) -> None:
    await trigger.deliver(a_purchase())
    trigger.clock.advance(24 * DAY)
    await trigger.fire()
    (cancelled,) = await trigger.published(registry.SURVEY_CANCELLED)
    assert cancelled.reason == "stale"


async def test_slot_is_kept_when_the_invitation_was_sent(trigger: Any) -> None:
    await send(trigger)
    await trigger.deliver(a_purchase(2, occurred_at=trigger.clock.now()))
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1


async def test_slot_comes_back_when_the_mail_bounced(trigger: Any) -> None:
    invitation_id = await send(trigger)
    await trigger.deliver(a_bounce(invitation_id), a_bounce(invitation_id), a_bounce("unknown"))
    await trigger.deliver(a_purchase(2, occurred_at=trigger.clock.now()))
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 2


async def test_slot_is_kept_when_a_bounce_leads_to_the_next_channel(trigger: Any) -> None:
    invitation_id = await send(trigger)
    await trigger.deliver(a_bounce(invitation_id, next_channel="sms"))
    await trigger.deliver(a_purchase(2, occurred_at=trigger.clock.now()))
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1
    await trigger.deliver(a_bounce(invitation_id))
    await trigger.deliver(a_purchase(3, occurred_at=trigger.clock.now()))
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 2


@pytest.mark.parametrize(
    "scope",
    [
        {"scope": "program", "scoped_to": "purchase"},
        {"scope": "type", "scoped_to": "transactional"},
        {"scope": "channel", "scoped_to": "email"},
    ],
)
async def test_customer_may_be_asked_when_only_a_part_is_unsubscribed(
    trigger: Any, scope: dict[str, str]
) -> None:
    await trigger.deliver(unsubscribed(**scope))
    await trigger.deliver(a_purchase())
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1


@pytest.mark.parametrize("is_late", [False, True])
async def test_customer_may_be_asked_again_when_the_way_out_is_taken_back(
    trigger: Any, is_late: bool
) -> None:
    events = [UNSUBSCRIBED, resubscribed(START + DAY)]
    await trigger.deliver(*(reversed(events) if is_late else events))
    await trigger.deliver(a_purchase())
    assert len(await trigger.published(registry.SURVEY_SCHEDULED)) == 1


async def test_customer_stays_out_when_only_a_part_is_taken_back(trigger: Any) -> None:
    part = resubscribed(START + DAY, scope="program", scoped_to="purchase")
    await trigger.deliver(UNSUBSCRIBED, part)
    await trigger.deliver(a_purchase())
    (suppressed,) = await trigger.suppressions()
    assert suppressed.reasons == ("unsubscribed",)


async def test_sent_invitation_is_not_cancelled_when_the_customer_churns(trigger: Any) -> None:
    await send(trigger)
    await trigger.deliver(CHURNED)
    assert await trigger.published(registry.SURVEY_CANCELLED) == []
