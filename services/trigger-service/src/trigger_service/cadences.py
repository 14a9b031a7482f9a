"""Cadences: taking a program through all customers, a few at a time, over each period.

How far it has come is kept in the transaction that decides: after a crash it goes on from there,
and nobody is decided on twice. The customers are read in the order of the circle, by its index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.db import Transaction
from heardback.timers import Timer
from trigger_service import rules, store
from trigger_service.domain.cadence_run import Run
from trigger_service.domain.program import Catalogue, Program, ProgramState
from trigger_service.handlers import decide_and_keep

PAGE: Final = 500
_STEP: Final = timedelta(minutes=15)

_REACHED: Final = text("""
    SELECT period, start, width, begins, steps FROM cadence
    WHERE program_id = :program_id AND cadence = :cadence
    ORDER BY period DESC LIMIT 1 FOR UPDATE
""")
_REACH: Final = text("""
    INSERT INTO cadence (program_id, cadence, period, start, width, begins, steps)
    VALUES (:program_id, :cadence, :period, :start, :width, :begins, :steps)
    ON CONFLICT (program_id, cadence, period) DO UPDATE
    SET start = excluded.start, width = excluded.width, steps = excluded.steps
""")
_CUSTOMERS: Final = text("""
    SELECT customer_id, bucket FROM customer
    WHERE bucket >= :low AND bucket < :high AND erased_at IS NULL
    ORDER BY bucket LIMIT :limit
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How many steps along its arc a run has come."""

    run: Run
    steps: int

    @property
    def is_done(self) -> bool:
        """Whether everybody was decided on."""
        return self.steps >= self.run.arc.width


async def on_cadence_due(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Take the program that has been due for longest some way further through the customers.

    One a transaction: each locks customers of its own in their order. The others are due still.
    """
    timer, *others = timers
    for other in others:
        tx.set_timer(other)
    catalogue = await rules.load_catalogue(tx.connection)
    program = catalogue.programs.get(timer.key)
    if program is None or program.cadence is None or program.state is ProgramState.PAUSED:
        return  # activating it sets the timer again
    due_at = await _advance(tx, program, catalogue)
    tx.set_timer(timer.put_off(due_at, attempts=0))


async def _advance(tx: Transaction, program: Program, catalogue: Catalogue) -> datetime:
    """Decide on the next customers; return when to go on."""
    reached = await _reached(tx.connection, program, catalogue, now=tx.now)
    run = reached.run
    if reached.is_done:
        return run.ends_at
    target = run.target(tx.now)
    customer_ids, steps = await _next_customers(tx.connection, reached, target)
    touchpoints = [run.touchpoint(customer_id) for customer_id in customer_ids]
    if touchpoints:
        states = await store.lock_states(tx.connection, customer_ids, now=tx.now)
        new = await store.unknown_touchpoints(tx.connection, touchpoints)
        await decide_and_keep(tx, states, new, catalogue.only(program))
    await _reach(tx.connection, replace(reached, steps=steps))
    return tx.now if steps < target else tx.now + _STEP


async def _reached(
    connection: AsyncConnection, program: Program, catalogue: Catalogue, *, now: datetime
) -> Reached:
    """Return the run to go on with: the last one until it is done or over, then the current."""
    zone = catalogue.governance.zone
    current = Run.current(program, now, zone)
    bound = {"program_id": program.program_id, "cadence": program.cadence}
    row = (await connection.execute(_REACHED, bound)).first()
    if row is None:
        return Reached(run=current.begun(now), steps=0)
    run = Run.of(program, row.period, zone, begins=row.begins)
    # Another share of the customers is another arc: it begins anew, and those known are skipped.
    same = (row.start, row.width) == (run.arc.start, run.arc.width)
    last = Reached(run=run, steps=row.steps if same else 0)
    if last.run.period < current.period and (last.is_done or last.run.is_over(now)):
        following = Run.of(program, row.period + 1, zone)
        return Reached(run=current if following.is_over(now) else following, steps=0)
    return last


async def _next_customers(
    connection: AsyncConnection, reached: Reached, target: int
) -> tuple[list[str], int]:
    """Return the next customers up to `target`, a page at most, and how far that leads."""
    arc, found = reached.run.arc, list[tuple[str, int]]()
    for low, high in arc.ranges(reached.steps, target):
        bound = {"low": low, "high": high, "limit": PAGE + 1 - len(found)}
        rows = await connection.execute(_CUSTOMERS, bound)
        found.extend((row.customer_id, row.bucket) for row in rows)
    if len(found) <= PAGE:
        return [customer_id for customer_id, _ in found], target
    # The last bucket may have more customers than were read: it is left for the next page.
    _, last = found[-1]
    return [key for key, bucket in found if bucket != last], arc.along(last) or 0


async def _reach(connection: AsyncConnection, reached: Reached) -> None:
    run = reached.run
    bound = {
        "program_id": run.program.program_id,
        "cadence": run.program.cadence,
        "period": run.period,
        "start": run.arc.start,
        "width": run.arc.width,
        "begins": run.begins,
        "steps": reached.steps,
    }
    await connection.execute(_REACH, bound)
