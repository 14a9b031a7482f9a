"""An invitation and the conversation that it began."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from heardback.vocabulary import Channel, ProgramType


class InvitationState(StrEnum):
    """Where an invitation is.

    `waiting`: nothing of it has reached the customer; `sent`: a provider took it; the last two are
    final: no channel is left, or it must not be sent.
    """

    WAITING = "waiting"
    SENT = "sent"
    BOUNCED = "bounced"
    DROPPED = "dropped"


FINAL: Final = (InvitationState.BOUNCED, InvitationState.DROPPED)


class DropReason(StrEnum):
    """Why something is not sent."""

    NO_CHANNEL = "no_channel"
    NO_ADDRESS = "no_address"
    TOO_LATE = "too_late"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    ANSWERED = "answered"
    WAY_OUT_SEEN = "way_out_seen"
    MOVED = "moved"  # a reminder where the conversation no longer is


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Whom we ask, about what, until when, and how far the conversation has come.

    `channels`: those that reach the customer, in the order in which they are tried; one that turns
    out not to reach them is taken off. `channel`: the one in which the conversation is.
    `hours`: see `payloads.PermittedHours`. `reminders_sent` counts those that were decided on.
    `drop_reason` may be there before the state is `dropped`: what is on the wire is not sent again.
    """

    invitation_id: str
    customer_id: str
    program_id: str
    program_type: ProgramType | None = None
    touchpoint: str
    survey_id: str
    survey_version: int | None = None
    variant: str | None = None
    segment: str | None = None
    channels: tuple[Channel, ...]
    learn_channels: bool = False
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    locale: str | None = None
    hours: dict[str, Any] | None = None
    reminders: int = 0
    reminder_after_seconds: int | None = None
    fallback_after_seconds: int | None = None
    occurred_at: datetime
    requested_at: datetime
    expires_at: datetime
    traceparent: str | None = None
    state: InvitationState = InvitationState.WAITING
    channel: Channel | None = None
    reminders_sent: int = 0
    opened_at: datetime | None = None
    answered_at: datetime | None = None
    way_out_seen_at: datetime | None = None
    drop_reason: DropReason | None = None
