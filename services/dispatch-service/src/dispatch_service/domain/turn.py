"""What becomes of a message whose time has come: it is sent, put off, or not sent at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zlib import crc32
from zoneinfo import ZoneInfo

import orjson

from dispatch_service.domain.conversation import Move, Step, drop, lose, reason_to_drop
from dispatch_service.domain.invitation import DropReason, Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message
from dispatch_service.domain.suppression import Reason, Suppression, Target, covers
from heardback.hours import Hours, hours_of, next_permitted
from heardback.vocabulary import Channel, Scope

LOOK_AGAIN: Final = timedelta(seconds=5)
"""How long something waits that is woken by what it waits for, in case that went unheard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A message whose time has come. `held_up`: one to the same customer must go out before it.

    For the others see `Claim`.
    """

    message: Message
    invitation: Invitation
    attempts: int = 0
    tries: int = 0
    doubts: int = 0
    interrupted: bool = False
    held_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """It is not sent. `here_only`: another channel may do."""

    reason: DropReason
    here_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PutOff:
    """It waits. `for_hours`: it may not be sent before; otherwise it is only looked at again."""

    until: datetime
    for_hours: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """It is not sent again: nobody heard what became of it, and the customer has come by it."""


_SHOWN_BY: Final = (DropReason.ANSWERED, DropReason.WAY_OUT_SEEN)
"""What nobody can do to an invitation before they have it."""

SEND: Final = None
"""It is its turn."""


def turn(
    due: Due, *, now: datetime, suppressions: Sequence[Suppression], has_survey: bool
) -> Arrived | Dropped | PutOff | None:
    """Decide about a message whose time has come; None: it is sent.

    `suppressions` may be about others too.
    """
    reason = reason_to_drop(due.message, due.invitation, now=now)
    if reason in _SHOWN_BY and _is_in_doubt(due):
        return Arrived()
    if reason is not None:
        return Dropped(reason=reason)
    suppressed = _suppressed(due, suppressions)
    if suppressed is not None:
        return suppressed
    if due.held_up or not has_survey:
        return PutOff(until=now + LOOK_AGAIN)
    if due.message.kind is Kind.FOLLOW_UP:
        return SEND
    opens_at = permitted_from(due.invitation, due.message.channel, now)
    if opens_at is None or opens_at >= due.message.deadline_at:
        return Dropped(reason=DropReason.TOO_LATE)
    return SEND if opens_at <= now else PutOff(until=opens_at, for_hours=True)


def after_drop(message: Message, invitation: Invitation, dropped: Dropped) -> Step:
    """Return the conversation after a message of it was dropped."""
    if dropped.here_only:
        return lose(invitation, message.channel, Move.DROPPED)
    if message.kind is Kind.INVITATION and invitation.state is InvitationState.WAITING:
        return Step(invitation=drop(invitation, dropped.reason))
    return Step(invitation=invitation)


def permitted_from(invitation: Invitation, channel: Channel, at: datetime) -> datetime | None:
    """Return `at` when the channel may be used then, else when it may next; None: never.

    All that waits for one customer waits for the same instant, so that its order stays.
    """
    if invitation.hours is None:
        return at
    hours, zone = permitted_hours(orjson.dumps(invitation.hours), channel)
    fraction = crc32(invitation.customer_id.encode()) / 2**32
    return next_permitted(at, hours, zone, fraction=fraction)


@lru_cache(maxsize=4096)
def permitted_hours(hours: bytes, channel: Channel) -> tuple[Hours, ZoneInfo]:
    """Return a channel's hours as they were requested, in JSON.

    Raises: ValueError when they are none.
    """
    return hours_of(orjson.loads(hours), channel)


def _is_in_doubt(due: Due) -> bool:
    """Tell whether this opens the conversation, and an attempt ended without the provider's word.

    It may be any attempt before: what was interrupted long ago may have been taken all the same.
    """
    opens = due.message.kind is Kind.INVITATION and due.invitation.state is InvitationState.WAITING
    return opens and (due.doubts > 0 or due.attempts > due.tries)


def _suppressed(due: Due, suppressions: Sequence[Suppression]) -> Dropped | None:
    if not suppressions:
        return None
    target = Target(
        kind=due.message.kind,
        customer_id=due.message.customer_id,
        address=due.message.address,
        channel=due.message.channel,
        program_id=due.invitation.program_id,
        program_type=due.invitation.program_type,
    )
    hits = [entry for entry in suppressions if covers(entry, target)]
    if not hits:
        return None
    here_only = all(hit.reason is Reason.BOUNCE or hit.scope is Scope.CHANNEL for hit in hits)
    return Dropped(reason=DropReason.SUPPRESSED, here_only=here_only)
