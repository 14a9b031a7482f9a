"""One thing that is said to a customer in a channel: an invitation, a reminder or a follow-up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from dispatch_service.domain.invitation import Invitation
from heardback.vocabulary import Channel


class Kind(StrEnum):
    """What a message is for."""

    INVITATION = "invitation"
    REMINDER = "reminder"
    FOLLOW_UP = "follow_up"


class MessageState(StrEnum):
    """Where a message is. The last three are final, but a bounce may still follow a `sent`."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    BOUNCED = "bounced"
    DROPPED = "dropped"


class Outcome(StrEnum):
    """How one attempt to send ended."""

    SENT = "sent"
    BOUNCED = "bounced"  # the address refuses for good
    DEFERRED = "deferred"  # not now, said the provider about this message
    AWAY = "away"  # the provider can't be talked to: nothing to do with this message
    RELEASED = "released"  # not tried


STATE_AFTER: Final = {
    Outcome.SENT: MessageState.SENT,
    Outcome.BOUNCED: MessageState.BOUNCED,
    Outcome.DEFERRED: MessageState.QUEUED,
    Outcome.AWAY: MessageState.QUEUED,
    Outcome.RELEASED: MessageState.QUEUED,
}
"""Where a message goes from `sending`. Nothing but its deadline makes us give up on it."""
_LONGEST_DETAIL: Final = 300
_LONGEST_REFERENCE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing to say, to one address, in one channel.

    `message_id` is its idempotency key everywhere: the invitation's id for the first message,
    `<invitation>:<channel>` for a fallback, `<invitation>:r<n>` for a reminder, and a follow-up's
    own id. `number` is a reminder's, 0 otherwise. `address`: an email, a phone (E.164), or the
    customer's id where the channel has no other. `content`: a follow-up's `subject` and `text`.
    """

    message_id: str
    invitation_id: str
    customer_id: str
    kind: Kind
    channel: Channel
    address: str
    deadline_at: datetime
    number: int = 0
    content: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The committed intent to send: attempt `number` of a message through `provider`.

    `invitation` is as it was then. `again`: the attempt before ended without a word, so this may
    be a duplicate. Of the attempts before, `tries` were answered by the provider, and `doubts` may
    have been taken without our hearing so.
    """

    message: Message
    invitation: Invitation
    provider: str
    number: int
    claimed_at: datetime
    again: bool
    tries: int = 0
    doubts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a claim. `retry_at` is set when it goes back to the queue.

    `address_is_good`: it bounced, and that says nothing about its address.
    `in_doubt`: the provider may have taken it without our hearing so. What providers said is cut,
    and of what can't be stored nothing is left.
    """

    claim: Claim
    outcome: Outcome
    detail: str
    finished_at: datetime
    retry_at: datetime | None = None
    reference: str | None = None
    address_is_good: bool = False
    in_doubt: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", _storable(self.detail, _LONGEST_DETAIL))
        if self.reference is not None:
            object.__setattr__(self, "reference", _storable(self.reference, _LONGEST_REFERENCE))

    @property
    def state(self) -> MessageState:
        """Where the message is now."""
        return STATE_AFTER[self.outcome]


def _storable(said: str, longest: int) -> str:
    return said.encode(errors="replace").decode().replace("\0", "")[:longest]
