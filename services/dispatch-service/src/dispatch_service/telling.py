"""What dispatch-service publishes about invitations and follow-ups."""

from typing import Any, Final

from dispatch_service.domain.invitation import DropReason, Invitation
from dispatch_service.domain.message import Kind, Result
from heardback.contracts import registry
from heardback.contracts.payloads import FollowUpFailed, InvitationBounced, InvitationDropped
from heardback.db import Transaction
from heardback.vocabulary import Channel

_LONGEST_REASON: Final = 200

FollowUp = tuple[str, str, str]
"""A follow-up: the ids of its customer, of its invitation, and its own."""


def sent(tx: Transaction, result: Result) -> None:
    """Publish that a provider took a message. Most of what is published goes through here."""
    claim = result.claim
    message, invitation = claim.message, claim.invitation
    common = {
        "customer_id": message.customer_id,
        "invitation_id": message.invitation_id,
        "channel": message.channel,
        "provider": claim.provider,
        "message_id": result.reference or message.message_id,
        "sent_at": result.finished_at,
    }
    trace = invitation.traceparent
    if message.kind is Kind.FOLLOW_UP:
        told = {**common, "follow_up_id": message.message_id}
        tx.emit_fields(registry.FOLLOW_UP_SENT, told, traceparent=trace)
    elif message.kind is Kind.REMINDER:
        told = {**_story(invitation), **common, "number": message.number}
        tx.emit_fields(registry.INVITATION_REMINDED, told, traceparent=trace)
    else:
        tx.emit_fields(
            registry.INVITATION_SENT, {**_story(invitation), **common}, traceparent=trace
        )


def bounced(
    tx: Transaction, invitation: Invitation, channel: Channel, *, reason: str, to: Channel | None
) -> None:
    """Publish that a channel does not reach the customer; `to` is where the conversation is now."""
    payload = InvitationBounced(
        **_story(invitation),
        channel=channel,
        next_channel=to,
        reason=reason[:_LONGEST_REASON],
        bounced_at=tx.now,
    )
    tx.emit(registry.INVITATION_BOUNCED, payload, traceparent=invitation.traceparent)


def dropped(tx: Transaction, invitation: Invitation, reason: DropReason) -> None:
    """Publish that an invitation was not sent and will not be."""
    payload = InvitationDropped(**_story(invitation), reason=reason.value, dropped_at=tx.now)
    tx.emit(registry.INVITATION_DROPPED, payload, traceparent=invitation.traceparent)


def follow_up_failed(
    tx: Transaction, asked: FollowUp, *, why: str, traceparent: str | None
) -> None:
    """Publish that a follow-up will not reach the customer."""
    customer_id, invitation_id, follow_up_id = asked
    payload = FollowUpFailed(
        customer_id=customer_id,
        follow_up_id=follow_up_id,
        invitation_id=invitation_id,
        reason=why[:_LONGEST_REASON],
        failed_at=tx.now,
    )
    tx.emit(registry.FOLLOW_UP_FAILED, payload, traceparent=traceparent)


def _story(invitation: Invitation) -> dict[str, Any]:
    """Return what every event about an invitation says."""
    return {
        "customer_id": invitation.customer_id,
        "invitation_id": invitation.invitation_id,
        "program_id": invitation.program_id,
        "touchpoint": invitation.touchpoint,
        "segment": invitation.segment,
    }
