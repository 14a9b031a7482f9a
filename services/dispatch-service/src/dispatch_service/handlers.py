"""What dispatch-service does: one function per event, timer and command, within a transaction."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from dispatch_service import endpoints, metrics, moves, queries, store, surveys, telling
from dispatch_service.cards import CHANGED as CARDS
from dispatch_service.domain.conversation import (
    FOLLOW_UP_LIFETIME,
    Step,
    WaitingFor,
    answered,
    channel_for_follow_up,
    fall_back,
    following,
    opened,
    remind,
    way_out,
    within,
)
from dispatch_service.domain.invitation import DropReason, Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message
from dispatch_service.domain.planning import Plan, address_in, plan
from dispatch_service.domain.turn import Dropped, permitted_from
from dispatch_service.requests import invitation_of
from heardback.contracts import registry
from heardback.contracts.payloads import (
    FollowUpRequested,
    InvitationOpened,
    ReplyReceived,
    ResponseRecorded,
    SurveyCancelled,
    SurveyRequested,
    SurveyVersionPublished,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.timers import Timer
from heardback.vocabulary import Channel

ALL_CHANNELS: Final = frozenset(Channel) - {Channel.DIRECT}


async def on_survey_events(
    tx: Transaction, events: Sequence[Event[Any]], *, served: Collection[Channel] = ALL_CHANNELS
) -> None:
    """Begin the conversations that are requested, drop those that are cancelled in time.

    `served` are the channels that have a provider here.
    """
    asked = [invitation_of(event) for event in events if isinstance(event.data, SurveyRequested)]
    if asked:
        await _begin(tx, await _pin(tx, asked), served)
    cancelled = [e.data.invitation_id for e in events if isinstance(e.data, SurveyCancelled)]
    if cancelled:
        await _cancel(tx, cancelled)


async def on_follow_up_events(
    tx: Transaction, events: Sequence[Event[Any]], *, served: Collection[Channel] = ALL_CHANNELS
) -> None:
    """Queue what owners write to customers, in the channel of the conversation."""
    asked = [event for event in events if isinstance(event.data, FollowUpRequested)]
    known = await store.lock_conversations(tx.connection, {e.data.invitation_id for e in asked})
    messages = []
    for event in asked:
        invitation = known.get(event.data.invitation_id)
        channel = channel_for_follow_up(invitation, served) if invitation else None
        if invitation and channel:
            messages.append(_follow_up(event.data, invitation, channel))
            continue
        request = event.data
        ids = request.customer_id, request.invitation_id, request.follow_up_id
        why = "no_channel" if invitation else "unknown_invitation"
        telling.follow_up_failed(tx, ids, why=why, traceparent=event.traceparent)
    await moves.say(tx, messages)


async def on_response_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Say nothing more to customers who have opened or answered what they were asked."""
    told = [e.data for e in events if isinstance(e.data, InvitationOpened | ResponseRecorded)]
    if not told:
        return
    # Timers are locked before their conversation, here as where they fire.
    ids = {data.invitation_id for data in told}
    over = {data.invitation_id for data in told if isinstance(data, ResponseRecorded)}
    await moves.stop_waiting(tx, ids, [WaitingFor.FALLBACK])
    await moves.stop_waiting(tx, over, [WaitingFor.REMINDER])
    known = await store.lock_conversations(tx.connection, ids)
    counts: Counter[tuple[str, Channel]] = Counter()
    for data in told:
        before = known.get(data.invitation_id)
        if before is None:
            continue
        if isinstance(data, InvitationOpened):
            known[data.invitation_id] = opened(before, data.opened_at)
            continue
        known[data.invitation_id] = answered(before, data.answered_at)
        if before.learn_channels and before.answered_at is None:
            counts[before.segment or "", before.channel or data.channel] += 1
    await store.save_conversations(tx.connection, known.values())
    await store.count_channels(tx.connection, {key: (0, n) for key, n in counts.items()})
    if any(Channel.IN_APP in invitation.channels for invitation in known.values()):
        await tx.ring(CARDS)


async def on_survey_version_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Keep what is published: messages are written from it."""
    published = [e.data for e in events if isinstance(e.data, SurveyVersionPublished)]
    await surveys.save_versions(tx.connection, published)


async def on_reminders_due(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Remind those who have not answered, once their hours permit it."""
    await _decide(tx, timers, remind, channel_of=lambda invitation: invitation.channel)


async def on_fallbacks_due(
    tx: Transaction, timers: Sequence[Timer], *, served: Collection[Channel] = ALL_CHANNELS
) -> None:
    """Try the next channel where nothing was opened, once its hours permit it."""

    def next_one(invitation: Invitation, now: datetime) -> Step:
        return fall_back(within(invitation, served), now)

    await _decide(tx, timers, next_one, channel_of=lambda i: following(within(i, served)))


async def bounce(tx: Transaction, message_ids: Collection[str], reason: str) -> int:
    """Go on without the channels of messages that did not arrive; return how many that was news of.

    Their providers had taken them: this is what a callback says later.
    """
    messages = await store.save_bounced(tx.connection, message_ids, now=tx.now)
    await moves.bounce(tx, [(message, reason) for message in messages])
    return len(messages)


async def way_out_seen(tx: Transaction, invitation_id: str) -> None:
    """Say nothing more to a customer who looked for the way out."""
    await moves.stop_waiting(tx, [invitation_id], WaitingFor)
    known = await store.lock_conversations(tx.connection, [invitation_id])
    await store.save_conversations(tx.connection, [way_out(i, tx.now) for i in known.values()])


async def reply(tx: Transaction, phone: str, text: str, reply_id: str) -> str | None:
    """Publish what a customer answered in the channel itself; return the invitation's id.

    None: nothing was asked of this phone that can still be answered.
    """
    invitation = await queries.latest_texted(tx.connection, phone, now=tx.now)
    if invitation is None:
        return None
    received = ReplyReceived(
        customer_id=invitation.customer_id,
        invitation_id=invitation.invitation_id,
        reply_id=reply_id,
        channel=Channel.SMS,
        text=text,
        received_at=tx.now,
    )
    tx.emit(registry.REPLY_RECEIVED, received, traceparent=invitation.traceparent)
    return invitation.invitation_id


async def _pin(tx: Transaction, asked: Sequence[Invitation]) -> list[Invitation]:
    """Return the invitations with the survey version that they are about, once for all."""
    open_ids = {i.survey_id for i in asked if i.survey_version is None}
    newest = await surveys.newest_versions(tx.connection, open_ids)
    return [
        replace(i, survey_version=newest[i.survey_id])
        if i.survey_version is None and i.survey_id in newest
        else i
        for i in asked
    ]


async def _begin(tx: Transaction, asked: Sequence[Invitation], served: Collection[Channel]) -> None:
    segments = {i.segment or "" for i in asked if i.learn_channels}
    records = await queries.channel_records(tx.connection, segments)
    hooked = {i.program_id for i in asked if Channel.WEBHOOK in i.channels}
    fitting = await endpoints.served(tx.connection, sorted(hooked)) if hooked else set()
    plans: dict[str, Plan] = {}
    for invitation in asked:
        closed = set() if invitation.program_id in fitting else {Channel.WEBHOOK}
        plans[invitation.invitation_id] = plan(
            invitation,
            open_channels=set(served) - closed,
            records=records.get(invitation.segment or "", {}),
            beta=random.Random(invitation.invitation_id).betavariate,  # noqa: S311  # no secret
        )
    await _save_plans(tx, list(plans.values()))


async def _save_plans(tx: Transaction, plans: Sequence[Plan]) -> None:
    new = await store.insert_new(tx.connection, [plan.invitation for plan in plans])
    is_new = {invitation.invitation_id for invitation in new}
    fresh = [plan for plan in plans if plan.invitation.invitation_id in is_new]
    await moves.say(tx, [plan.message for plan in fresh if plan.message is not None])
    for made in fresh:
        reason = made.invitation.drop_reason
        if reason is not None:
            metrics.DROPS.add(1, {"reason": reason.value})
            telling.dropped(tx, made.invitation, reason)


async def _cancel(tx: Transaction, invitation_ids: Sequence[str]) -> None:
    """Drop what waits, and say nothing more where something was sent.

    What is on the wire may still arrive, but is not sent a second time.
    """
    await moves.stop_waiting(tx, invitation_ids, WaitingFor)
    waiting = await store.lock_queued(tx.connection, invitation_ids)
    known = await store.lock_conversations(tx.connection, invitation_ids)
    dropped = Dropped(reason=DropReason.CANCELLED)
    idle = {message.invitation_id for message in waiting}
    begun = [
        replace(invitation, drop_reason=DropReason.CANCELLED)
        for key, invitation in known.items()
        if invitation.state is InvitationState.SENT
        or (invitation.state is InvitationState.WAITING and key not in idle)
    ]
    await store.save_conversations(tx.connection, begun)
    await moves.drop_messages(tx, [(message, dropped) for message in waiting])
    if any(Channel.IN_APP in invitation.channels for invitation in begun):
        await tx.ring(CARDS)


async def _decide(
    tx: Transaction,
    timers: Sequence[Timer],
    decide: Callable[[Invitation, datetime], Step],
    *,
    channel_of: Callable[[Invitation], Channel | None],
) -> None:
    known = await store.lock_conversations(tx.connection, {timer.key for timer in timers})
    steps = []
    for timer in timers:
        invitation = known.get(timer.key)
        channel = channel_of(invitation) if invitation else None
        if invitation is None or channel is None:
            continue
        opens_at = permitted_from(invitation, channel, tx.now)
        if opens_at is not None and opens_at <= tx.now:
            steps.append(decide(invitation, tx.now))
        elif opens_at is not None and opens_at < invitation.expires_at:
            tx.set_timer(timer.put_off(opens_at))
    await moves.save_steps(tx, [step for step in steps if step.message is not None])


def _follow_up(asked: FollowUpRequested, invitation: Invitation, channel: Channel) -> Message:
    return Message(
        message_id=asked.follow_up_id,
        invitation_id=asked.invitation_id,
        customer_id=asked.customer_id,
        kind=Kind.FOLLOW_UP,
        channel=channel,
        address=address_in(invitation, channel) or "",
        deadline_at=asked.expires_at or asked.requested_at + FOLLOW_UP_LIFETIME,
        content={"subject": asked.subject, "text": asked.text},
    )
