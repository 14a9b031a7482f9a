"""What commands and the theme's counts make of an improvement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.history import Entry
from closeloop_service.domain.improvement import (
    Assign,
    Command,
    Decision,
    Hear,
    Improvement,
    ImprovementMove,
    ImprovementState,
    next_state,
)
from closeloop_service.domain.rules import AlertKind
from heardback.contracts import registry
from heardback.contracts.payloads import (
    ImprovementDeclined,
    ImprovementOpened,
    ImprovementOverdue,
    ImprovementShipped,
    Quote,
    ThemeThresholdReached,
)

MOST_QUOTES: Final = 50
"""So many are kept; far fewer are shown in a ticket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How an improvement begins. `reporters`: so many are told of it one day; no actor: a theme."""

    improvement_id: str
    owner: str | None
    due_after: timedelta
    reporters: int = 0
    actor: str | None = None
    note: str = ""
    traceparent: str | None = None


def open_improvement(theme: ThemeThresholdReached, opening: Opening, now: datetime) -> Decision:
    """Return the new improvement for a theme."""
    improvement = Improvement(
        improvement_id=opening.improvement_id,
        theme_id=theme.theme_id,
        title=theme.title,
        state=ImprovementState.OPEN,
        owner=opening.owner,
        responses=theme.responses,
        detractors=theme.detractors,
        customers=theme.customers,
        reporters=opening.reporters,
        revenue_at_risk=theme.revenue_at_risk,
        currency=theme.currency,
        quotes=merged_quotes((), theme.quotes),
        since=theme.since,
        heard_at=theme.reached_at,
        opened_at=now,
        due_at=now + opening.due_after,
        traceparent=opening.traceparent,
    )
    entry = Entry(
        what="opened", actor=opening.actor, note=opening.note, details=_counts(improvement)
    )
    return _opened(improvement, entry, now)


def decide(improvement: Improvement, command: Command, now: datetime) -> Decision:
    """Return what a command makes of an improvement.

    Raises: ImprovementMoveNotAllowed; show it as it is and what it allows.
    """
    state = next_state(improvement, command.move)
    if isinstance(command, Hear):
        return _heard(improvement, command)
    changed = replace(improvement, state=state, version=improvement.version + 1)
    entry = Entry(what=_WORDS[command.move], actor=command.actor, note=command.note)
    if isinstance(command, Assign):
        changed = replace(changed, owner=command.owner)
        entry = replace(entry, details={"owner": command.owner})
        return Decision(improvement=changed, entries=(entry,))
    return _EFFECTS.get(command.move, _plain)(changed, entry, now)


def merged_quotes(known: Sequence[Quote], new: Sequence[Quote]) -> tuple[Quote, ...]:
    """Return the quotes, the newest first; what somebody says of a quote now counts.

    Those that may be shown are the last to be given up.
    """
    quotes = {quote.response_id: quote for quote in known}
    fresh = {quote.response_id: quote for quote in new}
    ordered = [*fresh.values(), *(q for key, q in quotes.items() if key not in fresh)]
    by_worth = sorted(ordered, key=lambda quote: not quote.consent)
    kept = {quote.response_id for quote in by_worth[:MOST_QUOTES]}
    return tuple(quote for quote in ordered if quote.response_id in kept)


_WORDS: Final = {
    ImprovementMove.PLAN: "planned",
    ImprovementMove.PUT_BACK: "put_back",
    ImprovementMove.SHIP: "shipped",
    ImprovementMove.DECLINE: "declined",
    ImprovementMove.REOPEN: "reopened",
    ImprovementMove.ASSIGN: "assigned",
    ImprovementMove.OVERRUN: "overdue",
    ImprovementMove.NOTE: "noted",
}


def _heard(improvement: Improvement, command: Hear) -> Decision:
    """Take the newer counts; those that come late only add who spoke and what they said."""
    theme = command.theme
    newer = theme.reached_at > improvement.heard_at
    changed = replace(
        improvement,
        reporters=improvement.reporters + command.new_reporters,
        since=min(improvement.since, theme.since),
        quotes=merged_quotes(improvement.quotes, theme.quotes)
        if newer
        else merged_quotes(theme.quotes, improvement.quotes),
    )
    if newer:
        changed = replace(
            changed,
            title=theme.title,
            responses=theme.responses,
            detractors=theme.detractors,
            customers=theme.customers,
            revenue_at_risk=theme.revenue_at_risk,
            currency=theme.currency,
            heard_at=theme.reached_at,
        )
    if changed == improvement:
        return Decision(improvement=improvement)
    changed = replace(changed, version=improvement.version + 1)
    moved = _counts(changed) != _counts(improvement)
    late = changed.state is ImprovementState.SHIPPED and command.new_reporters > 0
    entries = (Entry(what="heard", details=_counts(changed)),) if moved else ()
    return Decision(improvement=changed, entries=entries, tell=late)


def _plain(improvement: Improvement, entry: Entry, _now: datetime) -> Decision:
    return Decision(improvement=improvement, entries=(entry,))


def _opened(improvement: Improvement, entry: Entry, now: datetime) -> Decision:
    event = ImprovementOpened(
        **_subject(improvement, now), owner=improvement.owner, due_at=improvement.due_at
    )
    said = f"{improvement.customers:,} customers spoke of it, {improvement.detractors:,} unhappily."
    alert = _alert(improvement, AlertKind.IMPROVEMENT_OPENED, said)
    return Decision(
        improvement=improvement,
        entries=(entry,),
        events=((registry.IMPROVEMENT_OPENED, event),),
        alerts=(alert,) if improvement.version == 1 else (),
        opens=True,
    )


def _reopened(improvement: Improvement, entry: Entry, now: datetime) -> Decision:
    return _opened(replace(improvement, closed_at=None), entry, now)


def _shipped(improvement: Improvement, entry: Entry, now: datetime) -> Decision:
    shipped = replace(improvement, closed_at=now)
    event = ImprovementShipped(**_subject(shipped, now), reporters=shipped.reporters)
    return Decision(
        improvement=shipped,
        entries=(replace(entry, details={"reporters": shipped.reporters}),),
        events=((registry.IMPROVEMENT_SHIPPED, event),),
        tell=shipped.reporters > 0,
    )


def _declined(improvement: Improvement, entry: Entry, now: datetime) -> Decision:
    declined = replace(improvement, closed_at=now)
    event = ImprovementDeclined(**_subject(declined, now), reason=entry.note[:200])
    events = ((registry.IMPROVEMENT_DECLINED, event),)
    return Decision(improvement=declined, entries=(entry,), events=events)


def _overdue(improvement: Improvement, entry: Entry, now: datetime) -> Decision:
    overdue = replace(improvement, overdue_at=now)
    event = ImprovementOverdue(**_subject(overdue, now), due_at=overdue.due_at)
    said = f"It should have shipped by {overdue.due_at:%d %B %Y}; {overdue.customers:,} wait."
    return Decision(
        improvement=overdue,
        entries=(entry,),
        events=((registry.IMPROVEMENT_OVERDUE, event),),
        alerts=(_alert(overdue, AlertKind.IMPROVEMENT_OVERDUE, said),),
    )


_EFFECTS: Final = {
    ImprovementMove.SHIP: _shipped,
    ImprovementMove.DECLINE: _declined,
    ImprovementMove.REOPEN: _reopened,
    ImprovementMove.OVERRUN: _overdue,
}


def _subject(improvement: Improvement, now: datetime) -> dict[str, Any]:
    return {
        "improvement_id": improvement.improvement_id,
        "theme_id": improvement.theme_id,
        "title": improvement.title,
        "occurred_at": now,
    }


def _counts(improvement: Improvement) -> dict[str, Any]:
    return {
        "responses": improvement.responses,
        "detractors": improvement.detractors,
        "customers": improvement.customers,
        "reporters": improvement.reporters,
    }


def _alert(improvement: Improvement, kind: AlertKind, said: str) -> OpsAlert:
    return OpsAlert(
        alert_key=f"{kind}/{improvement.improvement_id}",
        kind=kind,
        title=improvement.title,
        text=said,
        improvement_id=improvement.improvement_id,
        people=(improvement.owner,) if improvement.owner else (),
    )
