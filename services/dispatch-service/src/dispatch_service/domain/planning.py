"""What is done with a request to ask: over which channels, in which order, and what comes first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from dispatch_service.domain.invitation import DropReason, Invitation, InvitationState
from dispatch_service.domain.learning import Beta, Record, learnt_order
from dispatch_service.domain.message import Kind, Message
from heardback.vocabulary import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An invitation with what is said first; without it, the invitation is dropped."""

    invitation: Invitation
    message: Message | None = None


def plan(
    asked: Invitation,
    *,
    open_channels: Collection[Channel],
    records: Mapping[Channel, Record],
    beta: Beta,
) -> Plan:
    """Decide how a customer is reached.

    `asked.channels` are those that the program names. `open_channels` lead out of the house for
    this program; `records` say how often each was answered in the customer's segment.
    """
    named = [channel for channel in asked.channels if channel in open_channels]
    usable = [channel for channel in named if address_in(asked, channel)]
    if not usable:
        reason = DropReason.NO_ADDRESS if named else DropReason.NO_CHANNEL
        state = InvitationState.DROPPED
        return Plan(invitation=replace(asked, channels=(), state=state, drop_reason=reason))
    if asked.learn_channels:
        usable = learnt_order(usable, records, beta=beta)
    invitation = replace(asked, channels=tuple(usable), channel=usable[0])
    return Plan(invitation=invitation, message=opening(invitation, asked.invitation_id))


def opening(invitation: Invitation, message_id: str) -> Message:
    """Return what is said first in the channel in which the conversation is now."""
    assert invitation.channel is not None, "a conversation is in a channel"
    return Message(
        message_id=message_id,
        invitation_id=invitation.invitation_id,
        customer_id=invitation.customer_id,
        kind=Kind.INVITATION,
        channel=invitation.channel,
        address=address_in(invitation, invitation.channel) or "",
        deadline_at=invitation.expires_at,
    )


def address_in(invitation: Invitation, channel: Channel) -> str | None:
    """Return where a channel reaches a customer; None: it does not."""
    if channel is Channel.EMAIL:
        return invitation.email
    if channel is Channel.SMS:
        return invitation.phone
    return None if channel is Channel.DIRECT else invitation.customer_id
