"""An invitation on its way: its states, and when it is not sent at all."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from heardback.vocabulary import Channel


class State(StrEnum):
    """Where an invitation is. The last three are final."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    BOUNCED = "bounced"
    DROPPED = "dropped"


class DropReason(StrEnum):
    """Why an invitation is not sent."""

    NO_CHANNEL = "no_channel"
    NO_ADDRESS = "no_address"
    TOO_LATE = "too_late"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Whom we ask, about what, and until when. `email` is None when there is no usable address."""

    invitation_id: str
    customer_id: str
    program_id: str
    touchpoint: str
    survey_id: str
    segment: str | None
    channel: Channel
    email: str | None
    name: str | None
    occurred_at: datetime
    expires_at: datetime
    traceparent: str | None


def reason_to_drop(invitation: Invitation, *, now: datetime, suppressed: bool) -> DropReason | None:
    """Return why `invitation` must not be sent at `now`, or None: send it."""
    if suppressed:
        return DropReason.SUPPRESSED
    if invitation.channel is not Channel.EMAIL:
        return DropReason.NO_CHANNEL
    if invitation.email is None:
        return DropReason.NO_ADDRESS
    if now >= invitation.expires_at:
        return DropReason.TOO_LATE
    return None


class Outcome(StrEnum):
    """How one attempt to send ended."""

    SENT = "sent"
    BOUNCED = "bounced"  # the address refuses for good
    DEFERRED = "deferred"  # not now, said the provider about this mail
    AWAY = "away"  # the provider can't be talked to: nothing to do with this mail
    RELEASED = "released"  # not tried


STATE_AFTER: Final = {
    Outcome.SENT: State.SENT,
    Outcome.BOUNCED: State.BOUNCED,
    Outcome.DEFERRED: State.QUEUED,
    Outcome.AWAY: State.QUEUED,
    Outcome.RELEASED: State.QUEUED,
}
"""Where an invitation goes from `sending`. Nothing but its deadline makes us give up on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The committed intent to send: attempt `number` of an invitation.

    `again`: the attempt before ended without a word, so this may be a duplicate.
    """

    invitation: Invitation
    number: int
    claimed_at: datetime
    again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a claim. `retry_at` is set when it goes back to the queue."""

    claim: Claim
    outcome: Outcome
    detail: str
    finished_at: datetime
    retry_at: datetime | None = None

    @property
    def state(self) -> State:
        """Where the invitation is now."""
        return STATE_AFTER[self.outcome]
