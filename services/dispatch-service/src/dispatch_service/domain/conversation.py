"""The conversation about an invitation: what comes next, and what must not be said any more.

At most one channel is used at a time. It is left when it does not reach the customer, or when
nothing was opened in it for too long; a channel that was left is not written in again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from dispatch_service.domain.invitation import DropReason, Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message
from dispatch_service.domain.planning import address_in, opening
from heardback.errors import Permanent
from heardback.vocabulary import Channel

FOLLOW_UP_LIFETIME: Final = timedelta(days=7)
"""How long a follow-up without a deadline of its own is worth sending."""


class Move(StrEnum):
    """What can happen to a conversation as a whole."""

    TAKEN = "taken"  # a provider took the first message in a channel
    MOVED = "moved"  # it goes on in another channel
    BOUNCED = "bounced"  # the last channel does not reach the customer
    DROPPED = "dropped"  # nothing was sent, and nothing will be


class WaitingFor(StrEnum):
    """The timers of a conversation."""

    REMINDER = "reminder"
    FALLBACK = "fallback"


class ImpossibleMove(Permanent):
    """A conversation can't do that from where it is."""

    invitation_id: str
    state: str
    move: str


_NEXT: Final[Mapping[tuple[InvitationState, Move], InvitationState]] = {
    (InvitationState.WAITING, Move.TAKEN): InvitationState.SENT,
    (InvitationState.WAITING, Move.MOVED): InvitationState.WAITING,
    (InvitationState.WAITING, Move.BOUNCED): InvitationState.BOUNCED,
    (InvitationState.WAITING, Move.DROPPED): InvitationState.DROPPED,
    (InvitationState.SENT, Move.TAKEN): InvitationState.SENT,
    (InvitationState.SENT, Move.MOVED): InvitationState.SENT,
    (InvitationState.SENT, Move.BOUNCED): InvitationState.BOUNCED,
    (InvitationState.SENT, Move.DROPPED): InvitationState.DROPPED,
}
"""Every move that there is. `sent` becomes `dropped` when what was sent turns out not to have
arrived, and the channel after it may not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A conversation after something happened, and what is said because of it."""

    invitation: Invitation
    message: Message | None = None


def moved_to(invitation: Invitation, move: Move) -> InvitationState:
    """Return the state after a move.

    Raises: ImpossibleMove.
    """
    state = _NEXT.get((invitation.state, move))
    if state is None:
        raise ImpossibleMove(
            invitation_id=invitation.invitation_id, state=invitation.state, move=move
        )
    return state


def taken(invitation: Invitation, message: Message) -> Invitation:
    """Return the conversation after a provider took `message`."""
    if message.kind is not Kind.INVITATION:
        return invitation
    return replace(invitation, state=moved_to(invitation, Move.TAKEN))


def opened(invitation: Invitation, at: datetime) -> Invitation:
    """Return the conversation after the customer looked at the survey."""
    return replace(invitation, opened_at=_earlier(invitation.opened_at, at))


def answered(invitation: Invitation, at: datetime) -> Invitation:
    """Return the conversation after the customer answered."""
    return replace(invitation, answered_at=_earlier(invitation.answered_at, at))


def way_out(invitation: Invitation, at: datetime) -> Invitation:
    """Return the conversation after the customer looked for the way out."""
    return replace(invitation, way_out_seen_at=_earlier(invitation.way_out_seen_at, at))


def timers_after(
    invitation: Invitation, message: Message, at: datetime
) -> dict[WaitingFor, datetime]:
    """Return what is waited for once a provider took `message` at that time, and until when."""
    if message.kind is Kind.FOLLOW_UP or message.channel is not invitation.channel:
        return {}
    waits = {}
    if may_remind(invitation) and invitation.reminder_after_seconds is not None:
        waits[WaitingFor.REMINDER] = at + timedelta(seconds=invitation.reminder_after_seconds)
    first = message.kind is Kind.INVITATION
    if first and may_fall_back(invitation) and invitation.fallback_after_seconds is not None:
        waits[WaitingFor.FALLBACK] = at + timedelta(seconds=invitation.fallback_after_seconds)
    return {kind: due_at for kind, due_at in waits.items() if due_at < invitation.expires_at}


def may_remind(invitation: Invitation) -> bool:
    """Tell whether one more reminder may be sent."""
    return _is_open(invitation) and invitation.reminders_sent < invitation.reminders


def may_fall_back(invitation: Invitation) -> bool:
    """Tell whether the next channel may be tried because nothing was opened in this one."""
    return (
        _is_open(invitation) and invitation.opened_at is None and following(invitation) is not None
    )


def remind(invitation: Invitation, now: datetime) -> Step:
    """Decide on a reminder when its time has come."""
    if not may_remind(invitation) or now >= invitation.expires_at or invitation.channel is None:
        return Step(invitation=invitation)
    number = invitation.reminders_sent + 1
    first = opening(invitation, f"{invitation.invitation_id}:r{number}")
    return Step(
        invitation=replace(invitation, reminders_sent=number),
        message=replace(first, kind=Kind.REMINDER, number=number),
    )


def fall_back(invitation: Invitation, now: datetime) -> Step:
    """Decide on the next channel when nothing was opened for long enough."""
    channel = following(invitation)
    if channel is None or not may_fall_back(invitation) or now >= invitation.expires_at:
        return Step(invitation=invitation)
    return _move(invitation, channel)


def lose(invitation: Invitation, channel: Channel, move: Move) -> Step:
    """Go on without a channel that does not reach the customer.

    The next one is tried, unless nobody is to be asked any more; otherwise the conversation is back
    in the channel before it, where something was sent. `move` ends it where no channel is left. A
    channel that was lost before changes nothing: two messages in it may bounce.
    """
    if channel not in invitation.channels:
        return Step(invitation=invitation)
    next_one = following(invitation)
    rest = tuple(other for other in invitation.channels if other is not channel)
    left = replace(invitation, channels=rest)
    if channel is not invitation.channel:
        return Step(invitation=left)
    if next_one is not None and _is_wanted(invitation):
        return _move(left, next_one)
    if rest and invitation.state is InvitationState.SENT:
        before = invitation.channels[: invitation.channels.index(channel)]
        return Step(invitation=replace(left, channel=before[-1] if before else channel))
    return Step(invitation=replace(left, state=moved_to(invitation, move)))


def drop(invitation: Invitation, reason: DropReason) -> Invitation:
    """Return a conversation that ended before anything of it was sent."""
    return replace(invitation, state=moved_to(invitation, Move.DROPPED), drop_reason=reason)


def reason_to_drop(message: Message, invitation: Invitation, *, now: datetime) -> DropReason | None:
    """Return why a message that is due must not be sent, or None when it may be."""
    if now >= message.deadline_at:
        return DropReason.TOO_LATE
    if not message.address:
        return DropReason.NO_ADDRESS
    if message.kind is Kind.FOLLOW_UP:
        return None
    if invitation.drop_reason is not None:
        return invitation.drop_reason
    if invitation.answered_at is not None:
        return DropReason.ANSWERED
    if invitation.way_out_seen_at is not None:
        return DropReason.WAY_OUT_SEEN
    still_here = message.channel is invitation.channel and message.channel in invitation.channels
    return None if still_here else DropReason.MOVED


def following(invitation: Invitation) -> Channel | None:
    """Return the channel that comes after the one in which the conversation is."""
    if invitation.channel not in invitation.channels:
        return None
    place = invitation.channels.index(invitation.channel) + 1
    return invitation.channels[place] if place < len(invitation.channels) else None


def within(invitation: Invitation, served: Collection[Channel]) -> Invitation:
    """Return a conversation without the channels ahead that lead nowhere from here."""
    here = invitation.channel
    ahead = tuple(c for c in invitation.channels if c is here or c in served)
    return replace(invitation, channels=ahead)


def channel_for_follow_up(invitation: Invitation, served: Collection[Channel]) -> Channel | None:
    """Return where a person writes to the customer: in the channel of the conversation."""
    named = [channel for channel in invitation.channels if channel in served]
    reach = [channel for channel in named if address_in(invitation, channel)]
    return invitation.channel if invitation.channel in reach else next(iter(reach), None)


def _is_open(invitation: Invitation) -> bool:
    """Tell whether more may be said where something was said already."""
    return invitation.state is InvitationState.SENT and _is_wanted(invitation)


def _is_wanted(invitation: Invitation) -> bool:
    """Tell whether the customer has neither answered nor looked for the way out."""
    return (
        invitation.answered_at is None
        and invitation.way_out_seen_at is None
        and invitation.drop_reason is None
    )


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)


def _move(invitation: Invitation, channel: Channel) -> Step:
    state = moved_to(invitation, Move.MOVED)
    moved = replace(invitation, channel=channel, state=state)
    message = opening(moved, f"{invitation.invitation_id}:{channel}")
    return Step(invitation=moved, message=message)
