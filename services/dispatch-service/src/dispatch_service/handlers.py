"""What dispatch-service does: one function per event and command, each within a transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dispatch_service import store
from dispatch_service.addresses import is_canonical_uuid, usable_address
from dispatch_service.domain.invitation import (
    Claim,
    DropReason,
    Invitation,
    Outcome,
    Result,
    reason_to_drop,
)
from heardback.contracts import registry
from heardback.contracts.payloads import (
    InvitationBounced,
    InvitationDropped,
    InvitationSent,
    RecipientUnsubscribed,
    SurveyCancelled,
    SurveyRequested,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.errors import NotFound, Permanent

SENDING = "sending"
"""The channel that wakes the sending loop."""

MessageId = Callable[[str], str]


class UnusableInvitationId(Permanent):
    """An invitation's id must be a UUID, lower case with hyphens: links carry it."""

    invitation_id: str


class UnknownInvitation(NotFound):
    """There is no such invitation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What one look at the queue gave: what to send, and what will not be sent."""

    claims: Sequence[Claim]
    dropped: Sequence[tuple[Invitation, DropReason]]


async def on_survey_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Queue the invitations that are requested, drop those that are cancelled in time."""
    requested = [_requested(e) for e in events if isinstance(e.data, SurveyRequested)]
    cancelled = [e.data.invitation_id for e in events if isinstance(e.data, SurveyCancelled)]
    if requested:
        await store.insert_queued(tx.connection, requested, now=tx.now)
        await tx.ring(SENDING)
    if cancelled:
        waiting = await store.lock_queued(tx.connection, cancelled)
        await _drop(tx, [(invitation, DropReason.CANCELLED) for invitation in waiting])


async def claim(tx: Transaction, *, limit: int, lease: timedelta) -> Claimed:
    """Take the invitations that are due: once this is committed, they may be sent."""
    claims: list[Claim] = []
    dropped: list[tuple[Invitation, DropReason]] = []
    for due, suppressed in await store.lock_due(tx.connection, now=tx.now, limit=limit):
        reason = reason_to_drop(due.invitation, now=tx.now, suppressed=suppressed)
        if reason is None:
            claims.append(due)
        else:
            dropped.append((due.invitation, reason))
    await store.save_claims(tx.connection, claims, lease_until=tx.now + lease)
    await _drop(tx, dropped)
    return Claimed(claims=claims, dropped=dropped)


async def settle(
    tx: Transaction, results: Sequence[Result], *, provider: str, message_id: MessageId
) -> None:
    """Record what became of attempts, and publish what is final."""
    held = await store.save_results(tx.connection, results)
    for result in results:
        invitation = result.claim.invitation
        if invitation.invitation_id not in held:
            continue
        if result.outcome is Outcome.SENT:
            sent = InvitationSent(
                **_story(invitation),
                channel=invitation.channel,
                provider=provider,
                message_id=message_id(invitation.invitation_id),
                sent_at=result.finished_at,
            )
            tx.emit(registry.INVITATION_SENT, sent, traceparent=invitation.traceparent)
        elif result.outcome is Outcome.BOUNCED:
            bounced = InvitationBounced(
                **_story(invitation),
                channel=invitation.channel,
                reason=result.detail[:200],
                bounced_at=result.finished_at,
            )
            tx.emit(registry.INVITATION_BOUNCED, bounced, traceparent=invitation.traceparent)


async def unsubscribe(tx: Transaction, invitation_id: str) -> bool:
    """Ask the recipient of an invitation nothing more; False: that was so already.

    Raises: UnknownInvitation.
    """
    invitation = await store.load_invitation(tx.connection, invitation_id)
    if invitation is None:
        raise UnknownInvitation
    new = await store.suppress(tx.connection, invitation, now=tx.now)
    if new:
        left = RecipientUnsubscribed(
            customer_id=invitation.customer_id,
            invitation_id=invitation.invitation_id,
            program_id=invitation.program_id,
            unsubscribed_at=tx.now,
        )
        tx.emit(registry.RECIPIENT_UNSUBSCRIBED, left, traceparent=invitation.traceparent)
    return new


async def _drop(tx: Transaction, dropped: Sequence[tuple[Invitation, DropReason]]) -> None:
    await store.save_dropped(tx.connection, dropped, now=tx.now)
    for invitation, reason in dropped:
        payload = InvitationDropped(**_story(invitation), reason=reason.value, dropped_at=tx.now)
        tx.emit(registry.INVITATION_DROPPED, payload, traceparent=invitation.traceparent)


def _requested(event: Event[SurveyRequested]) -> Invitation:
    asked = event.data
    if not is_canonical_uuid(asked.invitation_id):
        raise UnusableInvitationId(invitation_id=asked.invitation_id)
    return Invitation(
        invitation_id=asked.invitation_id,
        customer_id=asked.customer_id,
        program_id=asked.program_id,
        touchpoint=asked.touchpoint,
        survey_id=asked.survey_id,
        segment=asked.segment,
        channel=asked.channel,
        email=usable_address(asked.recipient.email),
        name=asked.recipient.name,
        occurred_at=asked.occurred_at,
        expires_at=asked.expires_at,
        traceparent=event.traceparent,
    )


def _story(invitation: Invitation) -> dict[str, Any]:
    """Return what every event about an invitation says."""
    return {
        "customer_id": invitation.customer_id,
        "invitation_id": invitation.invitation_id,
        "program_id": invitation.program_id,
        "touchpoint": invitation.touchpoint,
        "segment": invitation.segment,
    }
