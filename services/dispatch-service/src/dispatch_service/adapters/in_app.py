"""In-app: what is sent is there at once, for the customer's own app to show.

Nobody is called: a card is in our own table, and whoever looks (`in_app_api`) finds it as soon as
it is noted that it was sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from dispatch_service.adapters.interface import Parcel, Reply
from dispatch_service.domain.message import Outcome
from heardback.vocabulary import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the customer's app will show."""

    message_id: str
    content: Mapping[str, Any]


class InAppLine:
    """Leads to ourselves."""

    async def send(self, load: Card) -> Reply:
        """Say that it is there."""
        return Reply(outcome=Outcome.SENT, detail="there to be shown")

    async def close(self) -> None:
        """Do nothing: nothing was opened."""


class InAppAdapter:
    """The channel that leads into the customer's own app."""

    name: Final = "in-app"
    channel: Final = Channel.IN_APP
    is_idempotent: Final = True
    at_once: Final = 1
    at_most_seconds: Final = 1.0

    def __init__(self, *, compose: Callable[[Parcel], Mapping[str, Any]]) -> None:
        """`compose` makes a parcel's card, and so tells early of one that can't be made."""
        self._compose = compose

    def compose(self, parcel: Parcel) -> Card:
        """Return what a line sends; pure, and the same for the same parcel."""
        return Card(message_id=parcel.message.message_id, content=self._compose(parcel))

    def open_line(self) -> InAppLine:
        """Return a line, which needs no connection."""
        return InAppLine()
