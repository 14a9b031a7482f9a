"""What people and trackers do with improvements."""

from closeloop_service.domain.errors import (
    ImprovementChanged,
    ThemeHasImprovement,
    TicketNotPossible,
)
from closeloop_service.domain.hearing import Known
from closeloop_service.domain.improvement import (
    BY_TICKET,
    Change,
    Command,
    Decision,
    Improvement,
    ImprovementMove,
    TicketStatus,
)
from closeloop_service.domain.improving import Opening, decide, open_improvement
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import improvements as store
from closeloop_service.store import tickets
from heardback.contracts.payloads import ThemeThresholdReached
from heardback.db import Transaction


async def move(
    tx: Transaction,
    keeper: Keeper,
    improvement_id: str,
    command: Command,
    *,
    version: int | None = None,
) -> Improvement:
    """Do with an improvement what somebody wants. `version`: the one that they decided on.

    Raises: ImprovementNotFound, ImprovementChanged, ImprovementMoveNotAllowed; ThemeHasImprovement
    when another one was opened for the theme meanwhile.
    """
    rules = await keeper.in_force(tx.connection)
    if command.move is ImprovementMove.REOPEN:
        await _see_it_is_alone(tx, improvement_id)
    improvement = await store.lock(tx.connection, improvement_id)
    if version is not None and version != improvement.version:
        raise ImprovementChanged(improvement_id=improvement_id, version=improvement.version)
    decision = decide(improvement, command, tx.now)
    await store.save(tx, rules, [decision])
    return decision.improvement


async def open_by_hand(
    tx: Transaction,
    keeper: Keeper,
    theme: ThemeThresholdReached,
    *,
    actor: str,
    owner: str | None,
    note: str = "",
) -> Improvement:
    """Open an improvement that no theme asked for.

    Raises: ThemeHasImprovement.
    """
    rules = await keeper.in_force(tx.connection)
    known = await _known(tx, theme.theme_id)
    if known.improvement is not None and known.improvement.active:
        raise ThemeHasImprovement(improvement_id=known.improvement.improvement_id)
    opening = Opening(
        improvement_id=tx.ids.new(),
        owner=owner or rules.improvements.owners.get(theme.theme_id, rules.improvements.owner),
        due_after=rules.improvements.due_after,
        actor=actor,
        note=note,
    )
    decision = open_improvement(theme, opening, tx.now)
    await store.save(tx, rules, [decision])
    return decision.improvement


async def renew_ticket(
    tx: Transaction, keeper: Keeper, improvement_id: str, *, actor: str
) -> Improvement:
    """Have another ticket made: the one that there was is gone, or stands in another tracker.

    Raises: ImprovementNotFound, TicketNotPossible.
    """
    rules = await keeper.in_force(tx.connection)
    improvement = await store.lock(tx.connection, improvement_id)
    tracker_id = rules.improvements.tracker_id
    if tracker_id is None or not improvement.active:
        raise TicketNotPossible(improvement_id=improvement_id)
    await tickets.renew(tx, improvement_id, tracker_id)
    asked = Change(move=ImprovementMove.NOTE, actor=actor, note="Another ticket is to be made.")
    decision = decide(improvement, asked, tx.now)
    await store.save(tx, rules, [decision])
    await tx.ring(store.TRACKERS_BELL)
    return decision.improvement


async def lock_with_theme(tx: Transaction, improvement_id: str) -> Improvement:
    """Return an improvement, locked after its theme: whoever hears a theme takes this order too.

    Raises: ImprovementNotFound.
    """
    known = await store.load(tx.connection, improvement_id)
    await store.lock_themes(tx.connection, [known.theme_id])
    return await store.lock(tx.connection, improvement_id)


async def follow_ticket(
    tx: Transaction,
    improvement: Improvement,
    status: TicketStatus,
    *,
    before: TicketStatus,
    tracker_id: str,
) -> Decision | None:
    """Return what a change of a ticket's status does; None: nothing.

    What a person decided here stands while the ticket stays as it is: only its changes count.
    """
    wanted = None if status is before else BY_TICKET.get((improvement.state, status))
    if wanted is None:
        return None
    if wanted is ImprovementMove.REOPEN:
        known = await _known(tx, improvement.theme_id)
        if known.improvement is not None and known.improvement.active:
            return None
    note = f"The ticket in {tracker_id} is {status}."
    return decide(improvement, Change(move=wanted, note=note), tx.now)


async def on_ticket_status(
    tx: Transaction,
    keeper: Keeper,
    ticket: tickets.Ticket,
    status: TicketStatus,
    *,
    url: str | None,
) -> None:
    """Take a status that a tracker sent by itself."""
    rules = await keeper.in_force(tx.connection)
    improvement = await lock_with_theme(tx, ticket.improvement_id)
    before = TicketStatus(ticket.status or TicketStatus.OPEN)
    decision = await follow_ticket(
        tx, improvement, status, before=before, tracker_id=ticket.tracker_id
    )
    await tickets.note_status(tx, ticket.improvement_id, status=status, url=url)
    await store.save(tx, rules, [decision] if decision else [])


async def _see_it_is_alone(tx: Transaction, improvement_id: str) -> None:
    improvement = await store.load(tx.connection, improvement_id)
    other = (await _known(tx, improvement.theme_id)).improvement
    if other is not None and other.active and other.improvement_id != improvement_id:
        raise ThemeHasImprovement(improvement_id=other.improvement_id)


async def _known(tx: Transaction, theme_id: str) -> Known:
    """Return what is known of a theme, for which nobody else opens an improvement until then."""
    await store.lock_themes(tx.connection, [theme_id])
    return (await store.known_of(tx.connection, [theme_id], []))[theme_id]
