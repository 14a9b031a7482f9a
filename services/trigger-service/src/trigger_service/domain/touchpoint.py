"""A touchpoint: what happened to a customer; and a revocation: it did not last."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct
from uuid_utils import UUID, uuid5

from heardback.contracts.payloads import Profile, Scalar

_NAMESPACE: Final = UUID("6f0c6f0e-5c1b-5d0e-9f43-1d2d3f1f7a11")


class Touchpoint(Struct, frozen=True, kw_only=True):
    """What happened. `source` and `event_id` are its natural key, `touchpoint_id` their hash.

    `subject`: what it is about, as `order:1001`. `facts`: what eligibility can look at.
    `share` places it within the time that a program has for asking, from 0 to 1.
    """

    touchpoint_id: str
    source: str
    event_id: str
    customer_id: str
    name: str
    occurred_at: datetime
    subject: str | None = None
    closed_by: str | None = None
    facts: Mapping[str, Scalar] = {}
    profile: Profile | None = None
    traceparent: str | None = None
    share: float | None = None


class Revocation(Struct, frozen=True, kw_only=True):
    """What `subject` stands for was undone at `revoked_at`: `reason` says how."""

    customer_id: str
    subject: str
    revoked_at: datetime
    reason: str

    def revokes(self, subject: str | None, occurred_at: datetime) -> bool:
        """Tell whether this undoes what happened to `subject` at `occurred_at`.

        By event time, whichever event came first: a ticket that is closed again later counts.
        """
        return subject == self.subject and occurred_at <= self.revoked_at


def touchpoint_id(source: str, event_id: str) -> str:
    """Return the one id of the event `event_id` from `source`, whenever it is asked."""
    return str(uuid5(_NAMESPACE, f"{source}\0{event_id}"))
