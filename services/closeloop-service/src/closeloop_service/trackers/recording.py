"""What came of a conversation with a tracker, written in one transaction."""

from datetime import datetime, timedelta
from typing import Final

from closeloop_service import metrics
from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.history import Entry
from closeloop_service.domain.improvement import (
    Decision,
    Improvement,
    TicketStatus,
)
from closeloop_service.domain.rules import AlertKind, Rules
from closeloop_service.domain.ticket import TicketText
from closeloop_service.handlers.improvements import follow_ticket, lock_with_theme
from closeloop_service.store import improvements, tickets
from closeloop_service.store.alerts import raise_alerts
from closeloop_service.store.tickets import Ticket
from closeloop_service.trackers.interface import Fault, FaultKind
from closeloop_service.trackers.talk import OF_THE_TRACKER, Talk, in_words, noted
from heardback.contracts import registry
from heardback.contracts.payloads import ImprovementTicketed
from heardback.db import Transaction
from heardback.retrying import Backoff

TOLD_AFTER: Final = 3
"""So many times in a row it may just be a moment; a key that is refused is none."""
_AWAY: Final = Backoff(first_seconds=15, longest_seconds=900)
_BUSY_SECONDS: Final = 60.0
_KEY_REFUSED_SECONDS: Final = 900.0
_LONGEST_SECONDS: Final = 86_400.0


async def record(
    tx: Transaction, rules: Rules, ticket: Ticket, came: Talk, shown: TicketText
) -> bool:
    """Write what came of it; return whether to go on with this tracker."""
    outcome = "done" if came.fault is None else str(came.fault.kind)
    metrics.TRACKER_TALKS.add(1, {"tracker": ticket.tracker_id, "outcome": outcome})
    improvement = await lock_with_theme(tx, ticket.improvement_id)
    seen = noted(ticket, came, shown, tx.now, active=improvement.active)
    if not await tickets.record(tx.connection, ticket, seen):
        return True
    followed = await _followed(tx, improvement, ticket, came)
    improvement = followed.improvement if followed else improvement
    said = (
        _ticketed(improvement, ticket, seen, tx.now),
        followed,
        _ticket_failed(improvement, ticket, came, seen, tx.now),
    )
    await improvements.save(tx, rules, [decision for decision in said if decision])
    if came.fault is None:
        await tickets.tracker_works(tx, ticket.tracker_id)
    elif came.fault.kind in OF_THE_TRACKER:
        await _tracker_failed(tx, rules, ticket.tracker_id, came.fault)
        return False
    return True


async def _followed(
    tx: Transaction, improvement: Improvement, ticket: Ticket, came: Talk
) -> Decision | None:
    if came.reading is None:
        return None
    before = TicketStatus(ticket.status or TicketStatus.OPEN)
    return await follow_ticket(
        tx, improvement, came.reading.status, before=before, tracker_id=ticket.tracker_id
    )


def _ticketed(
    improvement: Improvement, before: Ticket, seen: Ticket, now: datetime
) -> Decision | None:
    """Say that it is a ticket now, or that the ticket is called otherwise."""
    if seen.name is None or seen.name == before.name:
        return None
    what = "ticketed" if before.ticket is None else "ticket_renamed"
    event = ImprovementTicketed(
        improvement_id=improvement.improvement_id,
        theme_id=improvement.theme_id,
        title=improvement.title,
        occurred_at=now,
        tracker=seen.tracker_id,
        ticket=seen.name[:200],
        url=seen.url if len(seen.url or "") <= 200 else None,
    )
    details = {"tracker": seen.tracker_id, "ticket": seen.name, "url": seen.url}
    return Decision(
        improvement=improvement,
        entries=(Entry(what=what, details=details),),
        events=((registry.IMPROVEMENT_TICKETED, event),),
    )


async def _tracker_failed(tx: Transaction, rules: Rules, tracker_id: str, fault: Fault) -> None:
    """Let the tracker wait; say so once it has failed for a while, and once for each failure."""
    if fault.kind is FaultKind.BUSY:
        seconds = fault.retry_after_seconds or _BUSY_SECONDS
        await _pause(tx, tracker_id, seconds)
        return
    at_once = fault.kind is FaultKind.KEY_REFUSED
    shown_after = 1 if at_once else TOLD_AFTER
    failing = await tickets.tracker_failed(tx, tracker_id, in_words(fault), shown_after=shown_after)
    seconds = _KEY_REFUSED_SECONDS if at_once else _AWAY.seconds(failing.faults - 1)
    asked = fault.retry_after_seconds or 0.0
    await _pause(tx, tracker_id, max(seconds, asked))
    if failing.faults >= shown_after:
        alert = OpsAlert(
            alert_key=f"{AlertKind.TRACKER_FAILED}/{tracker_id}/{failing.failing_since.isoformat()}",
            kind=AlertKind.TRACKER_FAILED,
            title=f"The tracker {tracker_id} fails",
            text=in_words(fault),
        )
        await raise_alerts(tx, rules, [alert])


async def _pause(tx: Transaction, tracker_id: str, seconds: float) -> None:
    """Let the tracker alone, but for no longer than a day, whatever it asks for."""
    until = tx.now + timedelta(seconds=min(seconds, _LONGEST_SECONDS))
    await tickets.pause_tracker(tx, tracker_id, until)


def _ticket_failed(
    improvement: Improvement, before: Ticket, came: Talk, seen: Ticket, now: datetime
) -> Decision | None:
    """Say once of a row of faults what is wrong with a ticket: trying again does not mend it."""
    if came.fault is None or seen.fault is None or before.fault is not None:
        return None
    alert = OpsAlert(
        alert_key=f"{AlertKind.TRACKER_FAILED}/{improvement.improvement_id}/{now.isoformat()}",
        kind=AlertKind.TRACKER_FAILED,
        title=improvement.title,
        text=in_words(came.fault),
        improvement_id=improvement.improvement_id,
        people=(improvement.owner,) if improvement.owner else (),
    )
    entry = Entry(what="ticket_failed", note=in_words(came.fault))
    return Decision(improvement=improvement, entries=(entry,), alerts=(alert,))
