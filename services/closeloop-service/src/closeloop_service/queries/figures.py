"""The strip above the board: how many wait, what they wait for; and by whom boards can filter."""

from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final

from sqlalchemy import ColumnElement, ScalarSelect, TextClause, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.task import TaskState
from closeloop_service.tables import TASK
from heardback.console.countdown import SOON


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The strip's figures, all of active tasks.

    `breached`: a running clock has run out; `waiting`: for the customer; `unowned`: nobody's;
    `unrouted`: nobody's because no rule or person was found.
    """

    open: int
    breached: int
    due_soon: int
    waiting: int
    unowned: int
    unrouted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """Who has active tasks: owners' names and teams' ids, in order."""

    owners: list[str]
    teams: list[str]


def _names(column: str) -> TextClause:
    """Return the query of the distinct values of an indexed column: one probe for each of them.

    Postgres has no skip scan of its own; see its wiki, "Loose indexscan".
    """
    return text(f"""
        WITH RECURSIVE named AS (
            (SELECT {column} FROM task WHERE active AND {column} IS NOT NULL
             ORDER BY {column} LIMIT 1)
            UNION ALL
            SELECT (SELECT task.{column} FROM task
                    WHERE active AND task.{column} > named.{column}
                    ORDER BY task.{column} LIMIT 1)
            FROM named WHERE named.{column} IS NOT NULL
        )
        SELECT {column} FROM named WHERE {column} IS NOT NULL LIMIT :limit
    """)


_OWNERS: Final = _names("owner")
_TEAMS: Final = _names("team")
_MOST_NAMES: Final = 500
_MANY: Final = 5_000
_REST: Final = 20
"""How many times as long as counting takes it is not done again."""


async def figures_at(connection: AsyncConnection, now: datetime) -> Figures:
    """Return the strip's figures. A clock whose timer is about to fire counts as breached.

    What asks again and again asks `KeptFigures`.
    """
    columns = TASK.c
    # Each is a range of an index of its own, read without the rows.
    query = select(
        _count().label("open"),
        _count(columns.due_at <= now).label("breached"),
        _count(columns.due_at > now, columns.due_at < now + SOON).label("due_soon"),
        _count(columns.state == str(TaskState.WAITING)).label("waiting"),
        _count(columns.owner.is_(None)).label("unowned"),
        _count(columns.unrouted.is_not(None)).label("unrouted"),
    )
    return Figures(**(await connection.execute(query)).one()._mapping)


class KeptFigures:
    """The strip's figures for one replica.

    Of few tasks they are always new. Of many they are counted for one part in twenty of the time
    at most, however many changes a second there are.
    """

    def __init__(self) -> None:
        self._figures: Figures | None = None
        self._anew_at = 0.0

    async def at(self, connection: AsyncConnection, now: datetime) -> Figures:
        """Return the figures; where there are many tasks, those of up to a second or two ago."""
        began = monotonic()
        kept = self._figures
        if kept is None or kept.open < _MANY or began >= self._anew_at:
            kept = self._figures = await figures_at(connection, now)
            self._anew_at = began + _REST * (monotonic() - began)
        return kept


async def facets_of(connection: AsyncConnection) -> Facets:
    """Return by whom active tasks can be filtered."""
    bound = {"limit": _MOST_NAMES}
    owners = await connection.execute(_OWNERS, bound)
    teams = await connection.execute(_TEAMS, bound)
    return Facets(owners=list(owners.scalars()), teams=list(teams.scalars()))


def _count(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    query = select(func.count()).select_from(TASK).where(TASK.c.active, *conditions)
    return query.scalar_subquery()
