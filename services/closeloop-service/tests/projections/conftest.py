"""What other services say of customers, and what is kept of it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Table, select

from closeloop_service.handlers.conversations import on_answers, on_deliveries, on_surveys
from closeloop_service.handlers.customers import on_customers
from heardback.contracts import registry, topics
from heardback.contracts.registry import EventType
from heardback.db import Database
from heardback.envelope import Event
from heardback.testing.builders import an_event
from heardback.testing.clock import START

Hear = Callable[..., Awaitable[None]]
_HANDLERS = {
    topics.CUSTOMER: on_customers,
    topics.SURVEY: on_surveys,
    topics.DELIVERY: on_deliveries,
    topics.RESPONSE: on_answers,
}
_ABOUT = {"program_id": "after-purchase", "touchpoint": "purchase"}
_FIELDS: dict[EventType, dict[str, Any]] = {
    registry.SURVEY_SCHEDULED: {
        "decision_id": "decision-1",
        "touchpoint_id": "touchpoint-1",
        "survey_id": "nps",
        "send_at": START,
        "decided_at": START,
    },
    registry.SURVEY_SUPPRESSED: {
        "touchpoint_id": "touchpoint-1",
        "suppressions": [{"program_id": "after-purchase", "reasons": ["cooldown"]}],
        "decided_at": START,
    },
    registry.SURVEY_SUPPRESSED_V1: {
        "decision_id": "decision-2",
        "touchpoint_id": "touchpoint-1",
        "reasons": ("cooldown",),
        "decided_at": START,
    },
    registry.SURVEY_REQUESTED: {
        "survey_id": "nps",
        "channel": "email",
        "recipient": {"email": "ada@example.com", "name": "Ada", "locale": "de"},
        "occurred_at": START,
        "requested_at": START,
        "expires_at": START,
    },
    registry.INVITATION_SENT: {
        "channel": "email",
        "provider": "main",
        "message_id": "m1",
        "sent_at": START,
    },
    registry.INVITATION_BOUNCED: {
        "channel": "email",
        "next_channel": "sms",
        "reason": "no_mailbox",
        "bounced_at": START,
    },
    registry.INVITATION_DROPPED: {"reason": "suppressed", "dropped_at": START},
    registry.RECIPIENT_UNSUBSCRIBED: {"unsubscribed_at": START},
    registry.FOLLOW_UP_SENT: {
        "follow_up_id": "follow-up-1",
        "channel": "email",
        "provider": "main",
        "message_id": "m2",
        "sent_at": START,
    },
    registry.RESPONSE_RECORDED: {
        "response_id": "response-1",
        "survey_id": "nps",
        "channel": "email",
        "revision": 1,
        "score": 2,
        "category": "detractor",
        "comment": "It came late.",
        "answered_at": START,
    },
    registry.RESPONSE_QUARANTINED: {
        "response_id": "response-1",
        "survey_id": "nps",
        "channel": "email",
        "revision": 1,
        "category": "detractor",
        "reasons": ("scanner",),
        "quarantined_at": START,
    },
    registry.CUSTOMER_UPDATED: {"occurred_at": START, "customer": {"name": "Ada"}},
    registry.CUSTOMER_CHURNED: {"occurred_at": START},
    registry.CUSTOMER_RETURNED: {"occurred_at": START},
    registry.CUSTOMER_ERASED: {"occurred_at": START},
}


def said(event_type: EventType, customer_id: str = "c1", **data: Any) -> Event[Any]:
    """Return an event about customer `customer_id` and invitation `i1`, unless `data` says else."""
    names = event_type.payload.model_fields
    fields = {name: value for name, value in _ABOUT.items() if name in names}
    if "invitation_id" in names:
        fields["invitation_id"] = "i1"
    fields |= {"customer_id": customer_id, **_FIELDS[event_type], **data}
    return an_event(event_type, **fields)


def profile(*, at: datetime = START, version: int | None = None, **known: Any) -> Event[Any]:
    """Return what the product system knows of customer `c1`."""
    return said(registry.CUSTOMER_UPDATED, occurred_at=at, version=version, customer=known)


@pytest.fixture
def hear(database: Database) -> Hear:
    """Handle one batch; its first event tells the topic."""

    async def hear(*events: Event[Any]) -> None:
        async with database.transaction() as tx:
            await _HANDLERS[events[0].type.topic](tx, events)

    return hear


@pytest.fixture
def rows(database: Database) -> Callable[[Table], Awaitable[Sequence[Any]]]:
    """Return all rows of a table, in the order of its key."""

    async def rows(table: Table) -> Sequence[Any]:
        async with database.read() as connection:
            found = await connection.execute(select(table).order_by(*table.primary_key))
            return found.all()

    return rows
