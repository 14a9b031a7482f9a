"""What providers tell us later about what they took, in one shape; pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from heardback.vocabulary import Channel


class EventKind(StrEnum):
    """What happened, as far as we act on it."""

    DELIVERED = "delivered"
    SOFT = "soft"  # not yet, or nobody knows why: the provider goes on by itself
    UNDELIVERED = "undelivered"  # it will not arrive, and that says nothing about the address
    HARD = "hard"  # the address refuses for good
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"


NOT_ARRIVED: Final = frozenset({EventKind.HARD, EventKind.UNDELIVERED})
"""After these the next channel is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """One thing that a provider says about one message to one address.

    `event_id` is the same when it is said again. `message_ids`: ours, as it may stand there;
    `reference`: the provider's own id of what it took. `detail`: why, in the provider's words.
    """

    event_id: str
    kind: EventKind
    channel: Channel = Channel.EMAIL
    message_ids: tuple[str, ...] = ()
    reference: str | None = None
    address: str | None = None
    detail: str = ""


def our_ids(*texts: str | None) -> tuple[str, ...]:
    """Return the message ids that may be meant by a `Message-ID`, or by an id that we passed along.

    Shapes: `<018f….r1@example.com>` is the mail of the message `018f…:r1`.
    """
    found: dict[str, None] = {}
    for text in texts:
        local = unquote((text or "").strip().strip("<>").partition("@")[0].strip())
        if local:
            found[local] = None
            found[local.replace(".", ":", 1)] = None
    return tuple(found)
