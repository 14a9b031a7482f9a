"""Improvements as people and other systems read them: with their tickets, and who was told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.errors import ImprovementNotFound
from closeloop_service.domain.improvement import ACTIVE, Improvement, ImprovementState
from closeloop_service.queries.history import HistoryLine
from closeloop_service.store.improvements import improvement_of
from closeloop_service.tables import IMPROVEMENT, IMPROVEMENT_HISTORY, REPORTER, TICKET, TRACKER

MOST_LINES: Final = 200
"""Lines of an improvement's history: so many of the newest are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which improvements are wanted: all that is given must fit."""

    states: Sequence[ImprovementState] = ()
    theme_id: str | None = None
    owner: str | None = None
    overdue: bool | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketLine:
    """The ticket of an improvement. No name: it is not made yet. `fault`: what to see to."""

    tracker_id: str
    name: str | None
    url: str | None
    status: str | None
    read_at: datetime | None
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How many reporters were told that it shipped, and what became of it."""

    told: int = 0
    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovementLine:
    """An improvement, its ticket if it has one, and how far its reporters are told."""

    improvement: Improvement
    ticket: TicketLine | None
    telling: Telling


@dataclass(frozen=True, slots=True, kw_only=True)
class ReporterLine:
    """A customer who spoke of it. `outcome`: sent or failed, once dispatch said so."""

    customer_id: str
    invitation_id: str
    program_id: str
    responses: Sequence[str]
    told_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerLine:
    """How a tracker does. `fault`: what to see to, while it fails."""

    tracker_id: str
    fault: str | None
    failing_since: datetime | None
    try_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many improvements there are in each state, and how many of them are late."""

    by_state: Mapping[ImprovementState, int]
    overdue: int


_TICKET_FAULT: Final = func.coalesce(TICKET.c.fault, TRACKER.c.fault)
_COLUMNS: Final = (
    *(IMPROVEMENT.c[field.name] for field in fields(Improvement)),
    TICKET.c.tracker_id.label("ticket_tracker_id"),
    TICKET.c.name.label("ticket_name"),
    TICKET.c.url.label("ticket_url"),
    TICKET.c.status.label("ticket_status"),
    TICKET.c.read_at.label("ticket_read_at"),
    _TICKET_FAULT.label("ticket_fault"),
)
_LINES: Final = select(*_COLUMNS).select_from(
    IMPROVEMENT.outerjoin(TICKET).outerjoin(TRACKER, TRACKER.c.tracker_id == TICKET.c.tracker_id)
)


async def newest(
    connection: AsyncConnection, filters: Filters, *, before: str | None, limit: int
) -> list[ImprovementLine]:
    """Return a page of improvements, the newest first; `before`: the last id of the page before."""
    wanted = _LINES.where(*_conditions(filters))
    if before is not None:
        wanted = wanted.where(IMPROVEMENT.c.improvement_id < before)
    # Ids are made in the order of time, so they are the order and the cursor in one.
    return await _lines(
        connection, wanted.order_by(IMPROVEMENT.c.improvement_id.desc()).limit(limit)
    )


async def find(connection: AsyncConnection, improvement_id: str) -> ImprovementLine:
    """Return one improvement.

    Raises: ImprovementNotFound.
    """
    wanted = _LINES.where(IMPROVEMENT.c.improvement_id == improvement_id)
    found = await _lines(connection, wanted)
    if not found:
        raise ImprovementNotFound(improvement_id=improvement_id)
    return found[0]


async def history_of(connection: AsyncConnection, improvement_id: str) -> list[HistoryLine]:
    """Return what happened to an improvement, the newest first."""
    columns = [IMPROVEMENT_HISTORY.c[field.name] for field in fields(HistoryLine)]
    wanted = (
        select(*columns)
        .where(IMPROVEMENT_HISTORY.c.improvement_id == improvement_id)
        .order_by(IMPROVEMENT_HISTORY.c.seq.desc())
        .limit(MOST_LINES)
    )
    return [HistoryLine(**row) for row in (await connection.execute(wanted)).mappings()]


async def reporters_of(
    connection: AsyncConnection, improvement_id: str, *, after: str | None, limit: int
) -> list[ReporterLine]:
    """Return a page of who spoke of it, by customer; `after`: the last of the page before."""
    columns = [REPORTER.c[field.name] for field in fields(ReporterLine)]
    wanted = select(*columns).where(REPORTER.c.improvement_id == improvement_id)
    if after is not None:
        wanted = wanted.where(REPORTER.c.customer_id > after)
    wanted = wanted.order_by(REPORTER.c.customer_id).limit(limit)
    return [ReporterLine(**row) for row in (await connection.execute(wanted)).mappings()]


async def trackers(connection: AsyncConnection) -> dict[str, TrackerLine]:
    """Return how each tracker does that was ever in trouble."""
    columns = [TRACKER.c[field.name] for field in fields(TrackerLine)]
    rows = (await connection.execute(select(*columns))).mappings()
    return {row["tracker_id"]: TrackerLine(**row) for row in rows}


async def figures(connection: AsyncConnection) -> Figures:
    """Count the improvements."""
    late = IMPROVEMENT.c.overdue_at.is_not(None) & _is_active()
    wanted = select(
        IMPROVEMENT.c.state, func.count().label("all"), func.count().filter(late).label("late")
    ).group_by(IMPROVEMENT.c.state)
    rows = list((await connection.execute(wanted)).mappings())
    counts = {ImprovementState(row["state"]): row["all"] for row in rows}
    by_state = {state: counts.get(state, 0) for state in ImprovementState}
    return Figures(by_state=by_state, overdue=sum(row["late"] for row in rows))


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if filters.states:
        wanted.append(IMPROVEMENT.c.state.in_([str(state) for state in filters.states]))
    if filters.theme_id is not None:
        wanted.append(IMPROVEMENT.c.theme_id == filters.theme_id)
    if filters.owner is not None:
        wanted.append(IMPROVEMENT.c.owner == filters.owner)
    if filters.overdue is not None:
        late = IMPROVEMENT.c.overdue_at.is_not(None) & _is_active()
        wanted.append(late.is_(true() if filters.overdue else false()))
    if filters.text:
        columns = (IMPROVEMENT.c.title, IMPROVEMENT.c.owner, IMPROVEMENT.c.theme_id, TICKET.c.name)
        wanted.append(or_(*(c.icontains(filters.text, autoescape=True) for c in columns)))
    return wanted


def _is_active() -> ColumnElement[bool]:
    return IMPROVEMENT.c.state.in_([str(state) for state in ACTIVE])


async def _lines(connection: AsyncConnection, wanted: Select[Any]) -> list[ImprovementLine]:
    rows = list((await connection.execute(wanted)).mappings())
    told = await _telling(connection, [row["improvement_id"] for row in rows])
    return [
        ImprovementLine(
            improvement=improvement_of(row),
            ticket=_ticket(row),
            telling=told.get(row["improvement_id"], Telling()),
        )
        for row in rows
    ]


async def _telling(
    connection: AsyncConnection, improvement_ids: Sequence[str]
) -> dict[str, Telling]:
    wanted = (
        select(
            REPORTER.c.improvement_id,
            func.count().label("told"),
            func.count().filter(REPORTER.c.outcome == "sent").label("sent"),
            func.count().filter(REPORTER.c.outcome == "failed").label("failed"),
        )
        .where(REPORTER.c.improvement_id.in_(improvement_ids), REPORTER.c.told_at.is_not(None))
        .group_by(REPORTER.c.improvement_id)
    )
    rows = (await connection.execute(wanted)).mappings()
    return {
        row["improvement_id"]: Telling(told=row["told"], sent=row["sent"], failed=row["failed"])
        for row in rows
    }


def _ticket(row: RowMapping) -> TicketLine | None:
    if row["ticket_tracker_id"] is None:
        return None
    return TicketLine(**{field.name: row[f"ticket_{field.name}"] for field in fields(TicketLine)})
