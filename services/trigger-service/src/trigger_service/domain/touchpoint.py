"""A touchpoint: what happened to a customer."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from heardback.contracts.payloads import Profile

_NAMESPACE: Final = uuid.UUID("6f0c6f0e-5c1b-5d0e-9f43-1d2d3f1f7a11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Touchpoint:
    """What happened. `source` and `event_id` are its natural key, `touchpoint_id` their hash."""

    touchpoint_id: str
    source: str
    event_id: str
    customer_id: str
    name: str
    occurred_at: datetime
    closed_by: str | None = None
    profile: Profile | None = None
    traceparent: str | None = None


def touchpoint_id(source: str, event_id: str) -> str:
    """Return the one id of the event `event_id` from `source`, whenever it is asked."""
    return str(uuid.uuid5(_NAMESPACE, f"{source}\0{event_id}"))
