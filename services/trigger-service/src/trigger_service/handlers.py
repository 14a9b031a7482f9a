"""One function for each topic, timer and command: load the state, decide, save, announce."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from heardback.contracts import registry
from heardback.contracts.payloads import (
    CustomerChurned,
    CustomerErased,
    CustomerUpdated,
    InvitationBounced,
    InvitationDropped,
    RecipientUnsubscribed,
)
from heardback.db import Database, Transaction
from heardback.envelope import Event
from heardback.timers import Timer
from trigger_service import messages, metrics, store
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import reason_to_cancel, reason_to_leave_alone
from trigger_service.domain.invitation import Invitation, InvitationState
from trigger_service.domain.ledger import SCHEDULED, Entry, decide_all
from trigger_service.domain.program import listening
from trigger_service.program_files import read_folder

SEND: Final = "send"
"""The timer that sends an invitation; its key is the invitation's id."""

Traces = Mapping[str, str | None]
"""The traceparent of the last event about each customer."""


async def install_programs(database: Database, *, folder: Path) -> None:
    """Make the program files in `folder` the programs.

    Raises: InvalidPrograms with every fault; the service does not start.
    """
    programs = read_folder(folder)
    async with database.transaction() as tx:
        await store.replace_programs(tx.connection, programs)


async def on_touchpoints(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Decide on each touchpoint, once, and set the timers of the invitations."""
    touchpoints = [messages.touchpoint_of(event) for event in events]
    new = await store.add_touchpoints(tx.connection, touchpoints, now=tx.now)
    metrics.REPEATS.add(len(events) - len(new), {"topic": events[0].type.topic.name})
    if not new:
        return
    states = await store.lock_states(tx.connection, {t.customer_id for t in new})
    programs = listening((await store.load_programs(tx.connection)).values())
    ledger = decide_all(states, new, programs=programs, now=tx.now, new_id=tx.ids.new)
    await store.save_customers(tx.connection, ledger.customers)
    await store.add_entries(tx.connection, ledger.entries, now=tx.now)
    for entry in ledger.entries:
        _announce_decision(tx, entry)
    _count_decisions(ledger.entries)


async def on_customer_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Keep the customers' profiles; cancel what waits for those who left or are forgotten."""
    customers = await store.lock_customers(tx.connection, {e.customer_id for e in events})
    known = dict(customers)
    for event in events:
        customers[event.customer_id] = _after(event.data, customers[event.customer_id], now=tx.now)
    changed = [customer for key, customer in customers.items() if customer != known[key]]
    await store.save_customers(tx.connection, changed)
    await _cancel_for(tx, changed, {e.customer_id: e.traceparent for e in events})


async def on_delivery(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Obey those who unsubscribed; give back the slots of what never arrived."""
    unsubscribed = [e for e in events if isinstance(e.data, RecipientUnsubscribed)]
    await on_customer_events(tx, unsubscribed)
    undelivered = {
        e.data.invitation_id: "bounced" if isinstance(e.data, InvitationBounced) else "dropped"
        for e in events
        if isinstance(e.data, InvitationBounced | InvitationDropped)
    }
    requested = await store.lock_invitations(
        tx.connection, undelivered, state=InvitationState.REQUESTED
    )
    released = [
        invitation.moved(InvitationState.RELEASED, undelivered[invitation.invitation_id])
        for invitation in requested
    ]
    await _save_moves(tx, released)


async def on_send_due(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Look once more at each invitation that is due: request it, or cancel it with the reason."""
    invitations = await store.lock_invitations(
        tx.connection, [timer.key for timer in timers], state=InvitationState.PENDING
    )
    customers = await store.load_customers(tx.connection, {i.customer_id for i in invitations})
    programs = await store.load_programs(tx.connection)
    traces = {timer.key: timer.traceparent for timer in timers}
    moved = []
    for invitation in invitations:
        customer, program = customers[invitation.customer_id], programs[invitation.program_id]
        trace = traces[invitation.invitation_id]
        reason = reason_to_cancel(invitation, customer, program, now=tx.now)
        if reason is not None:
            moved.append(_cancel(tx, invitation, reason, trace))
            continue
        request = messages.requested(invitation, customer, tx.now)
        tx.emit(registry.SURVEY_REQUESTED, request, traceparent=trace)
        moved.append(invitation.moved(InvitationState.REQUESTED))
    await _save_moves(tx, moved)


def _announce_decision(tx: Transaction, entry: Entry) -> None:
    trace, invitation = entry.touchpoint.traceparent, entry.invitation
    if invitation is None:
        suppressed = messages.suppressed(entry, tx.now)
        tx.emit(registry.SURVEY_SUPPRESSED, suppressed, traceparent=trace)
        return
    scheduled = messages.scheduled(entry, invitation, tx.now)
    tx.emit(registry.SURVEY_SCHEDULED, scheduled, traceparent=trace)
    tx.set_timer(
        Timer(kind=SEND, key=invitation.invitation_id, due_at=invitation.send_at, traceparent=trace)
    )


def _after(data: object, customer: Customer, *, now: datetime) -> Customer:
    """Return the customer after an event; what claims to be from the future holds from now."""
    match data:
        case CustomerUpdated():
            return customer.informed(data.customer, min(data.occurred_at, now))
        case CustomerChurned():
            return customer.churned(data.occurred_at)
        case CustomerErased():
            return customer.erased(data.occurred_at)
        case RecipientUnsubscribed():
            return customer.unsubscribed(data.unsubscribed_at)
    return customer


async def _cancel_for(tx: Transaction, customers: Iterable[Customer], traces: Traces) -> None:
    """Cancel what waits for those among `customers` who are not to be asked any more."""
    reasons = {c.customer_id: why for c in customers if (why := reason_to_leave_alone(c))}
    if not reasons:
        return
    ids = await store.pending_invitations_of(tx.connection, reasons)
    # The timers first: one that fires right now is waited for, and its invitation is not pending
    # any more; the other way round the two would wait for each other.
    await tx.cancel_timers(SEND, ids)
    pending = await store.lock_invitations(tx.connection, ids, state=InvitationState.PENDING)
    cancelled = [_cancel(tx, i, reasons[i.customer_id], traces[i.customer_id]) for i in pending]
    await _save_moves(tx, cancelled)


def _cancel(tx: Transaction, invitation: Invitation, reason: str, trace: str | None) -> Invitation:
    cancelled = invitation.moved(InvitationState.CANCELLED, reason)
    tx.emit(registry.SURVEY_CANCELLED, messages.cancelled(cancelled, tx.now), traceparent=trace)
    return cancelled


async def _save_moves(tx: Transaction, moved: Sequence[Invitation]) -> None:
    if not moved:
        return
    await store.save_moves(tx.connection, moved)
    for (state, reason), count in Counter((i.state, i.reason or "") for i in moved).items():
        metrics.INVITATIONS.add(count, {"state": state, "reason": reason})


def _count_decisions(entries: Sequence[Entry]) -> None:
    for (program, verdict), count in Counter((e.program_id, e.verdict) for e in entries).items():
        outcome, reason = (verdict, "") if verdict == SCHEDULED else ("suppressed", verdict)
        metrics.DECISIONS.add(
            count, {"program": program or "", "outcome": outcome, "reason": reason}
        )
