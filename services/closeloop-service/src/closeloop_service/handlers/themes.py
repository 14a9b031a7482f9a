"""Themes over their threshold, improvements that are late, and reporters who are told."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from closeloop_service.domain.hearing import Spoken, after, hear
from closeloop_service.domain.improvement import Change, Decision, Improvement, ImprovementMove
from closeloop_service.domain.improving import decide
from closeloop_service.domain.reporting import follow_up_id_of, words_for
from closeloop_service.domain.rules import Improvements
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import customers, reporters
from closeloop_service.store import improvements as store
from closeloop_service.store.improvements import TELL_REPORTERS
from closeloop_service.store.reporters import Untold
from heardback.contracts import registry
from heardback.contracts.payloads import (
    FollowUpFailed,
    FollowUpRequested,
    FollowUpSent,
    ThemeThresholdReached,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.timers import Timer

TOLD_AT_ONCE: Final = 200
"""Reporters in one transaction; the others follow in the next ones."""
_TELL_WITHIN: Final = timedelta(days=7)


async def on_themes(keeper: Keeper, tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Open an improvement for each theme, or have the open one take in what is new."""
    heard = [event for event in events if isinstance(event.data, ThemeThresholdReached)]
    if not heard:
        return
    rules = await keeper.in_force(tx.connection)
    themes = sorted({event.data.theme_id for event in heard})
    await store.lock_themes(tx.connection, themes)
    people = sorted({r.customer_id for event in heard for r in event.data.reporters})
    quoted = {quote.customer_id for event in heard for quote in event.data.quotes}
    erased = await customers.erased_of(tx.connection, sorted({*people, *quoted}))
    known = await store.known_of(tx.connection, themes, people)
    decisions: list[Decision] = []
    spoken: list[Spoken] = []
    for event in heard:
        theme = _without(event.data, erased)
        result = hear(
            known[theme.theme_id],
            theme,
            rules.improvements,
            tx.now,
            new_id=tx.ids.new,
            traceparent=event.traceparent,
        )
        known[theme.theme_id] = after(known[theme.theme_id], result)
        decisions += [result.decision] if result.decision else []
        spoken += result.spoken
    await store.save(tx, rules, decisions)
    await reporters.save_spoken(tx.connection, spoken)


async def on_improvements_due(keeper: Keeper, tx: Transaction, timers: Sequence[Timer]) -> None:
    """Say of each improvement that it did not ship in time, unless it was closed."""
    rules = await keeper.in_force(tx.connection)
    late = Change(move=ImprovementMove.OVERRUN)
    found = await store.lock_all(tx.connection, [timer.key for timer in timers])
    due = [one for one in found if one.active and one.overdue_at is None]
    await store.save(tx, rules, [decide(improvement, late, tx.now) for improvement in due])


async def on_tell_reporters(
    keeper: Keeper, company: str, tx: Transaction, timers: Sequence[Timer]
) -> None:
    """Tell the next reporters of what has shipped; the timer sets itself again for the others.

    Who was told is noted in the transaction that asks dispatch for it, so each is told once.
    """
    rules = (await keeper.in_force(tx.connection)).improvements
    for timer in sorted(timers, key=lambda timer: timer.key):
        improvement = await store.load(tx.connection, timer.key)
        waiting = await reporters.untold(tx.connection, timer.key, limit=TOLD_AT_ONCE)
        for reporter in waiting:
            tx.emit(
                registry.FOLLOW_UP_REQUESTED,
                _follow_up(improvement, reporter, rules, company, tx),
                traceparent=improvement.traceparent,
            )
        told = {one.customer_id: follow_up_id_of(timer.key, one.customer_id) for one in waiting}
        await reporters.mark_told(tx, timer.key, told)
        if len(waiting) == TOLD_AT_ONCE:
            tx.set_timer(Timer(kind=TELL_REPORTERS, key=timer.key, due_at=tx.now))


async def on_follow_ups(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Note what became of the messages to reporters; of the topic `delivery`, all else is left."""
    outcomes: dict[str, str] = {}
    for event in events:
        if isinstance(event.data, FollowUpFailed):
            outcomes[event.data.follow_up_id] = "failed"
        elif isinstance(event.data, FollowUpSent):
            outcomes.setdefault(event.data.follow_up_id, "sent")
    if outcomes:
        await reporters.note_outcomes(tx.connection, outcomes)


def _follow_up(
    improvement: Improvement, reporter: Untold, rules: Improvements, company: str, tx: Transaction
) -> FollowUpRequested:
    words = words_for(
        rules.told,
        improvement.title,
        name=reporter.name,
        locale=reporter.locale,
        company=company,
    )
    return FollowUpRequested(
        customer_id=reporter.customer_id,
        follow_up_id=follow_up_id_of(improvement.improvement_id, reporter.customer_id),
        invitation_id=reporter.invitation_id,
        program_id=reporter.program_id,
        subject=words.subject,
        text=words.text,
        requested_at=tx.now,
        expires_at=tx.now + _TELL_WITHIN,
    )


def _without(theme: ThemeThresholdReached, erased: set[str]) -> ThemeThresholdReached:
    """Leave out of what was heard who must be forgotten."""
    if not erased:
        return theme
    kept = {
        "quotes": tuple(one for one in theme.quotes if one.customer_id not in erased),
        "reporters": tuple(one for one in theme.reporters if one.customer_id not in erased),
    }
    return theme.model_copy(update=kept)
