"""Builders: a valid event in one line; a test names only what it is about."""

from datetime import datetime
from typing import Any

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EventType
from heardback.envelope import Event
from heardback.testing.clock import START

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def an_event(
    event_type: EventType,
    *,
    id: str = "event-1",  # noqa: A002  # the attribute's own name
    source: str = "/shop",
    time: datetime = START,
    traceparent: str | None = TRACEPARENT,
    **data: Any,
) -> Event[Payload]:
    """Return an event of `event_type` with the payload fields `data`."""
    payload = event_type.payload(**data)
    return Event(
        id=id, source=source, type=event_type, data=payload, time=time, traceparent=traceparent
    )


def a_purchase(number: int = 1, *, customer_id: str = "c1", **data: Any) -> Event[Payload]:
    """Return the purchase event number `number`, of a customer who has an address."""
    fields = {
        "order_id": f"order-{number}",
        "occurred_at": START,
        "customer": {"email": f"{customer_id}@example.com", "name": "Ada"},
    }
    return an_event(
        registry.PURCHASE_COMPLETED,
        id=f"purchase-{number}",
        customer_id=customer_id,
        **{**fields, **data},
    )
