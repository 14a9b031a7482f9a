"""The one small interface between what is to be sent and who carries it.

An adapter is one provider of one channel. It composes a parcel into what its provider takes, and
opens lines; a line sends one thing at a time and is used by one task.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.message import Message, Outcome
from heardback.surveys import Survey
from heardback.vocabulary import Channel

Load = TypeVar("Load")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Everything that is needed to say a message to a customer, and nothing that changes later.

    `now` is the time of this attempt; `number` counts the attempts from 1.
    """

    message: Message
    invitation: Invitation
    survey: Survey
    now: datetime
    number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How an attempt ended.

    `in_doubt`: the provider may have taken it without our hearing so. `retry_after_seconds`: what
    the provider asked for, or what the channel's schedule says; None: the usual pause.
    `reference` is the provider's own id of what it took.
    """

    outcome: Outcome
    detail: str = ""
    in_doubt: bool = False
    retry_after_seconds: float | None = None
    reference: str | None = None


class Line(Protocol[Load]):  # type: ignore[misc]  # only taken, never given back
    """A way to the provider that is kept open from one thing to the next."""

    async def send(self, load: Load) -> Reply:
        """Send; every way in which it can end is a reply, none an exception."""

    async def close(self) -> None:
        """Say goodbye, within a second."""


class Adapter(Protocol, Generic[Load]):
    """One provider of one channel.

    `is_idempotent`: it takes the message's id as an idempotency key, so that sending again after a
    crash is harmless. `at_once` is how many lines are open at the same time.
    """

    @property
    def name(self) -> str:
        """The provider's name, as operators know it."""

    @property
    def channel(self) -> Channel:
        """The channel that it serves."""

    @property
    def is_idempotent(self) -> bool:
        """Whether the provider drops what it has already taken."""

    @property
    def at_once(self) -> int:
        """How many lines it takes."""

    def compose(self, parcel: Parcel) -> Load:
        """Return what a line sends; pure, and the same for the same parcel."""

    def open_line(self) -> Line[Load]:
        """Return a line that is not connected yet."""
