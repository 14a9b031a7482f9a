"""What a tracker does for us, whichever it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.ticket import TicketText


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketRef:
    """A ticket: what the tracker's API knows it by for good, its name, and where it is."""

    ticket: str
    name: str
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A ticket as it is now. `ref` may differ from the one that was asked for: it was moved.

    `etag`: by which the tracker says next time that nothing changed.
    """

    ref: TicketRef
    status: TicketStatus
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """The ticket is as it was when it was last read."""


class FaultKind(StrEnum):
    """Why a tracker did not do it."""

    AWAY = "away"
    BUSY = "busy"
    KEY_REFUSED = "key_refused"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The tracker did not do it. `in_doubt`: or it did, and we were not told."""

    kind: FaultKind
    detail: str
    retry_after_seconds: float | None = None
    in_doubt: bool = False


class TrackerClient(Protocol):
    """One tracker, over its API. Nothing raises: what went wrong is a `Fault`."""

    async def create(self, text: TicketText) -> TicketRef | Fault:
        """Make a ticket that `find` knows by the text's key."""
        ...

    async def find(self, key: str, since: datetime) -> TicketRef | Fault | None:
        """Return the ticket that was made under `key`, not before `since`; None: there is none."""
        ...

    async def update(self, ref: TicketRef, text: TicketText) -> Fault | None:
        """Write the description anew. The title and all else is the product team's."""
        ...

    async def read(self, ref: TicketRef, etag: str | None) -> Reading | Unchanged | Fault:
        """Return the ticket as it is."""
        ...
