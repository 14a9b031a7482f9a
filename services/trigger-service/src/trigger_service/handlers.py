"""One function for each topic and timer: load the state, decide, save, announce."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from heardback.contracts import registry
from heardback.contracts.payloads import (
    RecipientResubscribed,
    RecipientUnsubscribed,
    SurveyVersionPublished,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.timers import Timer
from trigger_service import counts, known_surveys, messages, metrics, rules, store
from trigger_service.domain.decision import Decision, State
from trigger_service.domain.due import Due, Moment, day_of, decide_all_due
from trigger_service.domain.invitation import Invitation, InvitationState
from trigger_service.domain.ledger import SCHEDULED, Entry, decide_all
from trigger_service.domain.program import Catalogue
from trigger_service.domain.reach import reasons_to_leave_alone
from trigger_service.domain.touchpoint import Revocation, Touchpoint
from trigger_service.known_surveys import KnownSurvey

SEND: Final = "send"
"""The timer that sends an invitation; its key is the invitation's id."""

Traces = Mapping[str, str | None]
"""The traceparent of the last event about each customer."""


async def on_touchpoints(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Take note of what was undone, then decide on each touchpoint, once.

    By event time, so it does not matter in which order the two came.
    """
    states = await store.lock_states(tx.connection, {e.key for e in events}, now=tx.now)
    revocations = [r for e in events if (r := messages.revocation_of(e)) is not None]
    if revocations:
        states = await _revoke(tx, states, revocations, _traces(events))
    happened = [t for e in events if (t := messages.touchpoint_of(e)) is not None]
    new = await store.unknown_touchpoints(tx.connection, happened)
    metrics.REPEATS.add(len(happened) - len(new), {"topic": events[0].type.topic.name})
    if new:
        catalogue = await rules.load_catalogue(tx.connection)
        await decide_and_keep(tx, states, new, catalogue)


async def on_tasks(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Ask how it went once an owner task is resolved; not so if it is opened again."""
    wanted = [event for event in events if messages.tells_of_touchpoints(event)]
    if wanted:
        await on_touchpoints(tx, wanted)


async def on_customer_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Keep the customers' profiles; cancel what waits for those who left or are forgotten."""
    if not events:
        return
    customers = await store.lock_customers(tx.connection, {e.key for e in events})
    known = dict(customers)
    for event in events:
        customers[event.key] = messages.customer_after(customers[event.key], event.data, now=tx.now)
    changed = [customer for key, customer in customers.items() if customer != known[key]]
    await store.save_customers(tx.connection, changed)
    erased = [c.customer_id for c in changed if c.erased_at and not known[c.customer_id].erased_at]
    if erased:
        await store.forget_facts(tx.connection, erased)
    reasons = {
        c.customer_id: reason for c in changed for reason in [*reasons_to_leave_alone(c)][:1]
    }
    pending = await store.lock_pending_of(tx.connection, reasons)
    traces = _traces(events)
    cancelled = [i.moved(InvitationState.CANCELLED, reasons[i.customer_id]) for i in pending]
    await _keep_moves(tx, cancelled, {i.invitation_id: traces[i.customer_id] for i in cancelled})


async def on_delivery(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Obey those who unsubscribed, or took that back; give back the slots of what never arrived."""
    said = RecipientUnsubscribed | RecipientResubscribed
    await on_customer_events(tx, [e for e in events if isinstance(e.data, said)])
    undelivered = {
        e.data.invitation_id: reason for e in events if (reason := messages.undelivered(e.data))
    }
    if not undelivered:
        return
    requested = await store.lock_invitations(
        tx.connection, undelivered, state=InvitationState.REQUESTED
    )
    released = [
        invitation.moved(InvitationState.RELEASED, undelivered[invitation.invitation_id])
        for invitation in requested
    ]
    await _keep_moves(tx, released, {})


async def on_survey_versions(
    tx: Transaction, events: Sequence[Event[SurveyVersionPublished]]
) -> None:
    """Keep the newest version of each survey: what is asked from now on asks by it."""
    published = [known_surveys.KnownSurvey.of(event.data) for event in events]
    await known_surveys.keep_newest(tx.connection, published)


async def on_send_due(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Look once more at each invitation that is due: ask now, later, or not at all."""
    ids = [timer.key for timer in timers]
    customer_ids = await store.customers_of(tx.connection, ids)
    states = await store.lock_states(tx.connection, customer_ids, now=tx.now)
    pending = await store.lock_invitations(tx.connection, ids, state=InvitationState.PENDING)
    catalogue = await rules.load_catalogue(tx.connection)
    day = day_of(tx.now, catalogue.governance)
    limits = await counts.lock_limits(tx.connection, pending, catalogue, day=day)
    moment = Moment(catalogue=catalogue, now=tx.now)
    decided = decide_all_due(pending, states, limits=limits, moment=moment)
    requested = [due for due in decided if due.invitation.state is InvitationState.REQUESTED]
    await counts.use_up(tx.connection, [d.invitation for d in requested], limits, day=day)
    traces = {timer.key: timer.traceparent for timer in timers}
    asked_by = {due.invitation.survey_id for due in requested}
    surveys = await known_surveys.load_surveys(tx.connection, asked_by)
    _request(tx, requested, surveys, traces)
    await _keep_moves(tx, [due.invitation for due in decided], traces)


async def decide_and_keep(
    tx: Transaction,
    states: Mapping[str, State],
    touchpoints: Sequence[Touchpoint],
    catalogue: Catalogue,
) -> None:
    """Decide on touchpoints that nothing was decided on yet; set the timers of the invitations."""
    ledger = decide_all(states, touchpoints, catalogue=catalogue, now=tx.now, new_id=tx.ids.new)
    await store.save_customers(
        tx.connection,
        [s.customer for key, s in ledger.states.items() if s.customer is not states[key].customer],
    )
    await store.add_entries(tx.connection, ledger.entries, now=tx.now)
    verdicts = ledger.verdicts()
    await counts.add_verdicts(tx.connection, verdicts, now=tx.now)
    for entry in ledger.entries:
        _announce(tx, entry)
    _measure(verdicts)


def _announce(tx: Transaction, entry: Entry) -> None:
    touchpoint, suppressed = entry.touchpoint, list[Decision]()
    trace = touchpoint.traceparent
    for outcome in entry.outcomes:
        invitation = outcome.invitation
        if invitation is None or invitation.state is InvitationState.SHADOW:
            suppressed.append(outcome.decision)
            continue
        scheduled = messages.scheduled(invitation, tx.now)
        tx.emit_fields(registry.SURVEY_SCHEDULED, scheduled, traceparent=trace)
        _set_timer(tx, invitation, trace)
    if suppressed:
        fields = messages.suppressed(touchpoint, suppressed, tx.now)
        tx.emit_fields(registry.SURVEY_SUPPRESSED, fields, traceparent=trace)


def _set_timer(tx: Transaction, invitation: Invitation, trace: str | None) -> None:
    timer = Timer(
        kind=SEND, key=invitation.invitation_id, due_at=invitation.send_at, traceparent=trace
    )
    tx.set_timer(timer)


async def _revoke(
    tx: Transaction,
    states: Mapping[str, State],
    revocations: Sequence[Revocation],
    traces: Traces,
) -> dict[str, State]:
    """Keep what was undone, and cancel what waits to be asked about it; return the states after."""
    after = dict(states)
    for revocation in revocations:
        after[revocation.customer_id] = after[revocation.customer_id].revoked(
            revocation, now=tx.now
        )
    changed = [
        revocation
        for key, state in after.items()
        for subject, revocation in state.revocations.items()
        if states[key].revocations.get(subject) is not revocation
    ]
    await store.save_revocations(tx.connection, changed)
    pending = await store.lock_pending_of(tx.connection, {r.customer_id for r in changed})
    undone = [(i, after[i.customer_id].revocation_of(i.subject, i.occurred_at)) for i in pending]
    cancelled = [i.moved(InvitationState.CANCELLED, r.reason) for i, r in undone if r is not None]
    await _keep_moves(tx, cancelled, {i.invitation_id: traces[i.customer_id] for i in cancelled})
    return after


def _request(
    tx: Transaction, requested: Iterable[Due], surveys: Mapping[str, KnownSurvey], traces: Traces
) -> None:
    for due in requested:
        survey = surveys.get(due.invitation.survey_id)
        version = None if survey is None else survey.version
        payload = messages.requested(due, survey_version=version, now=tx.now)
        trace = traces[due.invitation.invitation_id]
        tx.emit(registry.SURVEY_REQUESTED, payload, traceparent=trace)


async def _keep_moves(tx: Transaction, moved: Sequence[Invitation], traces: Traces) -> None:
    """Save invitations that have moved; say so of those that were cancelled or postponed."""
    if not moved:
        return
    await store.save_moves(tx.connection, moved)
    for invitation in moved:
        trace = traces.get(invitation.invitation_id)
        if invitation.state is InvitationState.CANCELLED:
            payload = messages.cancelled(invitation, tx.now)
            tx.emit(registry.SURVEY_CANCELLED, payload, traceparent=trace)
        elif invitation.state is InvitationState.PENDING:
            later = messages.postponed(invitation, tx.now)
            tx.emit(registry.SURVEY_POSTPONED, later, traceparent=trace)
            _set_timer(tx, invitation, trace)
    for (state, reason), count in Counter((i.state, i.reason or "") for i in moved).items():
        metrics.INVITATIONS.add(count, {"state": state, "reason": reason})


def _traces(events: Iterable[Event[Any]]) -> Traces:
    return {event.key: event.traceparent for event in events}


def _measure(verdicts: Mapping[tuple[str, str], int]) -> None:
    for (program, verdict), count in verdicts.items():
        outcome, reason = (verdict, "") if verdict == SCHEDULED else ("suppressed", verdict)
        metrics.DECISIONS.add(count, {"program": program, "outcome": outcome, "reason": reason})
