"""What the sending loops do to the database: claim what is due, settle what became of it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatch_service import moves, queue_store, store, suppression, telling
from dispatch_service.cards import CHANGED as CARDS
from dispatch_service.domain.conversation import reason_to_drop, taken, timers_after
from dispatch_service.domain.invitation import DropReason, Invitation
from dispatch_service.domain.message import Claim, Kind, Message, Outcome, Result
from dispatch_service.domain.suppression import Reason, Suppression, canonical
from dispatch_service.domain.turn import Arrived, Dropped, Due, PutOff, turn
from dispatch_service.surveys import Surveys
from heardback.db import Transaction
from heardback.timers import Timer
from heardback.vocabulary import Channel

_HAVE_ADDRESSES: Final = (Channel.EMAIL, Channel.SMS)
_LEFT_TO_OTHERS: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """How much a loop takes, for whom, and for how long it is its own."""

    channel: Channel
    provider: str
    limit: int
    lease: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What one look at the queue gave: what to send, and how much it has looked at."""

    claims: Sequence[Claim]
    seen: int


async def claim(tx: Transaction, ask: Ask, surveys: Surveys) -> Claimed:
    """Take the messages that are due: once this is committed, they may be sent."""
    found = await queue_store.lock_due(tx.connection, ask.channel, now=tx.now, limit=ask.limit)
    if not found:
        return Claimed(claims=(), seen=0)
    claims: list[Claim] = []
    arrived: list[Claim] = []
    waits, drops = [], []
    for due, verdict in await _verdicts(tx, found, surveys):
        if isinstance(verdict, Dropped):
            drops.append((due.message, verdict))
        elif isinstance(verdict, PutOff):
            waits.append((due.message, verdict))
        else:
            (arrived if verdict else claims).append(_claim(due, ask, tx.now))
    await queue_store.save_claims(
        tx.connection, [*claims, *arrived], lease_until=tx.now + ask.lease
    )
    await _arrive(tx, arrived)
    await queue_store.put_off(tx.connection, waits)
    free = {message.customer_id for message, wait in waits if wait.for_hours}
    await moves.ring(tx, await queue_store.wake(tx.connection, free, now=tx.now))
    await moves.drop_messages(tx, drops)
    return Claimed(claims=claims, seen=len(found))


async def _arrive(tx: Transaction, claims: Sequence[Claim]) -> None:
    """Record as sent what customers have come by; the attempt says so, and sends nothing."""
    shown = "the customer has come by it"
    results = [
        Result(claim=claim, outcome=Outcome.SENT, detail=shown, finished_at=tx.now)
        for claim in claims
    ]
    if results:
        await settle(tx, results)


async def turn_away(tx: Transaction, channel: Channel, *, limit: int) -> int:
    """Drop what has been due for a while in a channel that leads nowhere from here.

    Return how many that were. Another replica may still lead out, or already do.
    """
    found = await queue_store.lock_due(
        tx.connection, channel, now=tx.now - _LEFT_TO_OTHERS, limit=limit
    )
    drops = []
    for due in found:
        reason = reason_to_drop(due.message, due.invitation, now=tx.now)
        nowhere = Dropped(reason=DropReason.NO_CHANNEL, here_only=True)
        drops.append((due.message, Dropped(reason=reason) if reason else nowhere))
    await moves.drop_messages(tx, drops)
    return len(found)


async def settle(tx: Transaction, results: Sequence[Result]) -> None:
    """Record what became of attempts, publish what is final, and go on from there."""
    settled = await queue_store.settle(tx.connection, results, now=tx.now)
    ours = [r for r in results if r.claim.message.message_id in settled.message_ids]
    await _sent(tx, [result for result in ours if result.outcome is Outcome.SENT])
    await _bounced(tx, [result for result in ours if result.outcome is Outcome.BOUNCED])
    await moves.ring(tx, settled.woken)


async def _verdicts(
    tx: Transaction, found: Sequence[Due], surveys: Surveys
) -> list[tuple[Due, Arrived | Dropped | PutOff | None]]:
    entries = await queue_store.suppressions_of(tx.connection, [due.message for due in found])
    await surveys.load(tx.connection, {_survey(due.invitation) for due in found})
    by_key: dict[str, list[Suppression]] = defaultdict(list)
    for entry in entries:
        by_key[f"customer {entry.customer_id}"].append(entry)
        by_key[f"address {entry.address}"].append(entry)
    verdicts = []
    for due in found:
        about = (
            *by_key.get(f"customer {due.message.customer_id}", ()),
            *by_key.get(f"address {canonical(due.message.address)}", ()),
        )
        has_survey = surveys.known(*_survey(due.invitation)) is not None
        verdict = turn(due, now=tx.now, suppressions=about, has_survey=has_survey)
        verdicts.append((due, verdict))
    return verdicts


def _survey(invitation: Invitation) -> tuple[str, int | None]:
    return invitation.survey_id, invitation.survey_version


def _claim(due: Due, ask: Ask, now: datetime) -> Claim:
    return Claim(
        message=due.message,
        invitation=due.invitation,
        provider=ask.provider,
        number=due.attempts + 1,
        claimed_at=now,
        again=due.interrupted,
        tries=due.tries,
        doubts=due.doubts,
    )


async def _sent(tx: Transaction, results: Sequence[Result]) -> None:
    if not results:
        return
    asked: Counter[tuple[str, Channel]] = Counter()
    opened: list[str] = []
    for result in results:
        message = result.claim.message
        invitation = taken(result.claim.invitation, message)
        telling.sent(tx, result)
        _wait(tx, invitation, message, result.finished_at)
        if message.kind is Kind.INVITATION:
            opened.append(message.invitation_id)
            if invitation.learn_channels:
                asked[invitation.segment or "", message.channel] += 1
    await queue_store.mark_sent(tx.connection, opened)
    if any(result.claim.message.channel is Channel.IN_APP for result in results):
        await tx.ring(CARDS)
    await store.count_channels(tx.connection, {key: (n, 0) for key, n in asked.items()})


def _wait(tx: Transaction, invitation: Invitation, message: Message, sent_at: datetime) -> None:
    """Set the timers that follow a message. An answer may be ahead of them: it is looked for."""
    for kind, due_at in timers_after(invitation, message, sent_at).items():
        tx.set_timer(
            Timer(
                kind=kind,
                key=invitation.invitation_id,
                due_at=due_at,
                payload={},
                traceparent=invitation.traceparent,
            )
        )


async def _bounced(tx: Transaction, results: Sequence[Result]) -> None:
    """Go on without the channels that refused, and never write to addresses that are no good."""
    if not results:
        return
    await moves.bounce(tx, [(result.claim.message, result.detail) for result in results])
    refused = [
        result
        for result in results
        if result.claim.message.channel in _HAVE_ADDRESSES and not result.address_is_good
    ]
    entries = [
        Suppression(
            address=canonical(result.claim.message.address),
            reason=Reason.BOUNCE,
            invitation_id=result.claim.message.invitation_id,
            note=result.detail[:200],
            suppressed_at=tx.now,
        )
        for result in refused
    ]
    await suppression.suppress(tx, entries)
