"""The one small interface between what is to be sent and who carries it.

An adapter is one provider of one channel. It composes a parcel into what its provider takes, and
opens lines; a line sends one thing at a time and is used by one task.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar, runtime_checkable

from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.message import Message, Outcome
from heardback.surveys import Survey
from heardback.vocabulary import Channel

Load = TypeVar("Load")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Everything that is needed to say a message to a customer, and nothing that changes later.

    `now` is the time of this attempt; `number` counts from 1 those that got an answer, this one
    included. `is_test`: somebody tries out what it looks like; it is marked as such, and nothing of
    it is counted.
    """

    message: Message
    invitation: Invitation
    survey: Survey
    now: datetime
    number: int = 1
    is_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How an attempt ended.

    `in_doubt`: the provider may have taken it without our hearing so. `retry_after_seconds`: what
    the provider asked for, or what the channel's schedule says; None: the usual pause.
    `reference` is the provider's own id of what it took. `address_is_good`: what bounced is this
    message, not the address.
    """

    outcome: Outcome
    detail: str = ""
    in_doubt: bool = False
    retry_after_seconds: float | None = None
    reference: str | None = None
    address_is_good: bool = False


class Line(Protocol[Load]):  # type: ignore[misc]  # only taken, never given back
    """A way to the provider that is kept open from one thing to the next."""

    async def send(self, load: Load) -> Reply:
        """Send; every way in which it can end is a reply, none an exception."""

    async def close(self) -> None:
        """Say goodbye, within a second."""


HandOver = Callable[[], Awaitable[bool]]
"""Waits until one more thing may be on the wire without our knowing its fate; False: it is not to
be handed over any more."""


@runtime_checkable
class CarefulLine(Protocol[Load]):  # type: ignore[misc]  # only taken, never given back
    """A line with much to say before it hands something over: it asks only then."""

    async def send_after(self, load: Load, hand_over: HandOver) -> Reply:
        """Send as `send` does, but await `hand_over` right before the thing is out of our hands."""


class Adapter(Protocol, Generic[Load]):
    """One provider of one channel.

    `is_idempotent`: it takes the message's id as an idempotency key, so that sending again after a
    crash is harmless. `at_once` is how many lines are open at the same time. `at_most_seconds`: how
    long it may take from the handing over until the line says how it ended.
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

    @property
    def at_most_seconds(self) -> float:
        """How long one thing may be on the wire."""

    def compose(self, parcel: Parcel) -> Load:
        """Return what a line sends; pure, and the same for the same parcel."""

    def open_line(self) -> Line[Load]:
        """Return a line that is not connected yet."""
