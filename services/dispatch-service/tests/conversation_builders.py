"""An invitation and what is said about it, in one line each."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from dispatch_service.domain.invitation import Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message
from dispatch_service.domain.planning import opening
from heardback.testing.clock import START
from heardback.vocabulary import Channel, ProgramType

INVITATION_ID: Final = "00000000-0000-7000-8000-000000000001"
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
EXPIRES_AT: Final = START + 14 * DAY


def an_invitation(**fields: Any) -> Invitation:
    """Return an invitation that waits to be sent by mail, and may go on by text."""
    known: dict[str, Any] = {
        "invitation_id": INVITATION_ID,
        "customer_id": "c1",
        "program_id": "post-purchase",
        "program_type": ProgramType.TRANSACTIONAL,
        "touchpoint": "purchase",
        "survey_id": "nps",
        "channels": (Channel.EMAIL, Channel.SMS),
        "channel": Channel.EMAIL,
        "email": "ada@example.com",
        "phone": "+12025550123",
        "name": "Ada",
        "reminders": 2,
        "reminder_after_seconds": 3 * 86_400,
        "fallback_after_seconds": 5 * 86_400,
        "occurred_at": START - 7 * DAY,
        "requested_at": START,
        "expires_at": EXPIRES_AT,
    }
    return Invitation(**{**known, **fields})


def a_sent_one(**fields: Any) -> Invitation:
    """Return an invitation that a provider took."""
    return an_invitation(**{"state": InvitationState.SENT, **fields})


def a_message(invitation: Invitation | None = None, **fields: Any) -> Message:
    """Return what is said first about an invitation."""
    about = invitation or an_invitation()
    return replace(opening(about, about.invitation_id), **fields)


def a_reminder(number: int = 1, **fields: Any) -> Message:
    """Return a reminder."""
    known = {
        "message_id": f"{INVITATION_ID}:r{number}",
        "kind": Kind.REMINDER,
        "number": number,
    }
    return a_message(a_sent_one(), **{**known, **fields})
