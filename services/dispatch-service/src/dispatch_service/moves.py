"""Moves of conversations that more than one cause has, saved and published."""

from collections.abc import Collection, Iterable, Sequence

from dispatch_service import metrics, queue_store, store, telling
from dispatch_service.domain.conversation import Move, Step, WaitingFor, lose
from dispatch_service.domain.invitation import FINAL, Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message
from dispatch_service.domain.turn import Dropped, after_drop
from heardback.db import Transaction
from heardback.vocabulary import Channel


def bell_of(channel: Channel) -> str:
    """Return the name of the bell that wakes a channel's sending loop."""
    return f"sending_{channel}"


async def ring(tx: Transaction, channels: Iterable[Channel]) -> None:
    """Wake the sending loops of channels, in every replica."""
    for channel in sorted(set(channels)):
        await tx.ring(bell_of(channel))


async def say(tx: Transaction, messages: Sequence[Message]) -> None:
    """Queue messages to be sent from now on."""
    if messages:
        await store.queue(tx.connection, messages, now=tx.now)
        await ring(tx, (message.channel for message in messages))


async def bounce(tx: Transaction, reasons: Sequence[tuple[Message, str]]) -> None:
    """Go on without the channels in which messages bounced, which is recorded of them already."""
    conversations = await store.lock_conversations(
        tx.connection, {message.invitation_id for message, _ in reasons}
    )
    steps: list[Step] = []
    for message, reason in reasons:
        invitation = conversations[message.invitation_id]
        if message.kind is Kind.FOLLOW_UP:
            follow_up_fails(tx, message, invitation, why=reason)
            continue
        if message.channel not in invitation.channels:
            continue  # known already, by another message
        step = lose(invitation, message.channel, Move.BOUNCED)
        conversations[message.invitation_id] = step.invitation
        steps.append(step)
        if step.message is not None or step.invitation.state in FINAL:
            to = step.message.channel if step.message is not None else None
            telling.bounced(tx, invitation, message.channel, reason=reason, to=to)
    await save_steps(tx, steps)


async def drop_messages(tx: Transaction, drops: Sequence[tuple[Message, Dropped]]) -> None:
    """Don't send messages that wait; what was held up by them is due at once."""
    if not drops:
        return
    reasons = {message.message_id: dropped.reason for message, dropped in drops}
    await store.save_dropped(tx.connection, reasons, now=tx.now)
    conversations = await store.lock_conversations(
        tx.connection, {message.invitation_id for message, _ in drops}
    )
    steps: list[Step] = []
    for message, dropped in drops:
        metrics.DROPS.add(1, {"reason": dropped.reason.value})
        invitation = conversations[message.invitation_id]
        if message.kind is Kind.FOLLOW_UP:
            follow_up_fails(tx, message, invitation, why=dropped.reason.value)
            continue
        step = after_drop(message, invitation, dropped)
        conversations[message.invitation_id] = step.invitation
        steps.append(step)
        if step.invitation.state is InvitationState.DROPPED is not invitation.state:
            telling.dropped(tx, invitation, dropped.reason)
    await save_steps(tx, steps)
    customers = {message.customer_id for message, _ in drops}
    await ring(tx, await queue_store.wake(tx.connection, customers, now=tx.now))


def follow_up_fails(tx: Transaction, message: Message, invitation: Invitation, *, why: str) -> None:
    """Publish that a follow-up will not reach the customer."""
    follow_up = message.customer_id, message.invitation_id, message.message_id
    telling.follow_up_failed(tx, follow_up, why=why, traceparent=invitation.traceparent)


async def save_steps(tx: Transaction, steps: Sequence[Step]) -> None:
    """Save where conversations are now, say what comes next, and stop waiting where they left."""
    if not steps:
        return
    latest = {step.invitation.invitation_id: step.invitation for step in steps}
    await store.save_conversations(tx.connection, latest.values())
    left = [step.invitation.invitation_id for step in steps if _left(step)]
    await stop_waiting(tx, left, (WaitingFor.REMINDER, WaitingFor.FALLBACK))
    await say(tx, [step.message for step in steps if step.message is not None])


async def stop_waiting(
    tx: Transaction, invitation_ids: Collection[str], kinds: Iterable[WaitingFor]
) -> None:
    """Cancel timers of conversations."""
    if invitation_ids:
        for kind in kinds:
            await tx.cancel_timers(kind, invitation_ids)


def _left(step: Step) -> bool:
    opens = step.message is not None and step.message.kind is Kind.INVITATION
    return opens or step.invitation.state in FINAL
