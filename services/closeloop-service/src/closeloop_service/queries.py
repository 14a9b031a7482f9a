"""The read side: pages of tasks, the strip's figures, and what changed since the last look."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.errors import TaskNotFound
from closeloop_service.domain.task import Task, TaskState
from closeloop_service.tables import TASK, TASK_HISTORY, to_task
from heardback.console.countdown import SOON

ACTIVE: Final = (TaskState.OPEN, TaskState.ACKNOWLEDGED, TaskState.CONTACTED)

# Nothing that commits later can carry an older transaction than this.
_OLDEST_RUNNING: Final = text(
    "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which tasks are wanted. No states: all of them."""

    states: Sequence[TaskState] = ()
    customer_id: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line of a task's history."""

    occurred_at: datetime
    what: str
    actor: str | None
    note: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The strip above the board, of the tasks that are not resolved."""

    open: int
    breached: int
    due_soon: int
    unowned: int


async def find_task(connection: AsyncConnection, task_id: str) -> Task:
    """Return one task.

    Raises: TaskNotFound.
    """
    row = (await connection.execute(select(TASK).where(TASK.c.task_id == task_id))).one_or_none()
    if row is None:
        raise TaskNotFound(task_id=task_id)
    return to_task(row)


async def history_of(connection: AsyncConnection, task_id: str) -> list[HistoryLine]:
    """Return a task's newest 200 history lines, the newest first."""
    columns = TASK_HISTORY.c
    query = (
        select(columns.occurred_at, columns.what, columns.actor, columns.note, columns.details)
        .where(columns.task_id == task_id)
        .order_by(columns.seq.desc())
        .limit(200)
    )
    return [HistoryLine(**row._mapping) for row in await connection.execute(query)]


async def newest_tasks(
    connection: AsyncConnection, filters: Filters, *, before: str | None, limit: int
) -> list[Task]:
    """Return one page of tasks, the newest first; `before` is the last id of the page before."""
    query = select(TASK).where(*_conditions(filters))
    if before is not None:
        query = query.where(TASK.c.task_id < before)
    # Ids are made in the order of time, so they are the order and the cursor in one.
    rows = await connection.execute(query.order_by(TASK.c.task_id.desc()).limit(limit))
    return [to_task(row) for row in rows]


async def most_urgent_tasks(
    connection: AsyncConnection, filters: Filters, *, limit: int
) -> list[Task]:
    """Return the tasks with the least time left; resolved ones last, the newest first."""
    order = (TASK.c.due_at.asc().nulls_last(), TASK.c.resolved_at.desc(), TASK.c.task_id)
    query = select(TASK).where(*_conditions(filters)).order_by(*order).limit(limit)
    return [to_task(row) for row in await connection.execute(query)]


async def count_tasks(connection: AsyncConnection, filters: Filters) -> int:
    """Return how many tasks there are."""
    query = select(func.count()).select_from(TASK).where(*_conditions(filters))
    return int(await connection.scalar(query) or 0)


async def figures_at(connection: AsyncConnection, now: datetime) -> Figures:
    """Return the strip's figures. A clock whose timer is about to fire counts as breached."""
    breached = or_(TASK.c.first_response_breached, TASK.c.resolution_breached, TASK.c.due_at <= now)
    due_soon = TASK.c.due_at.between(now, now + SOON) & (TASK.c.due_at > now)
    query = select(
        func.count().label("open"),
        func.count().filter(breached).label("breached"),
        func.count().filter(due_soon).label("due_soon"),
        func.count().filter(TASK.c.owner.is_(None)).label("unowned"),
    ).where(TASK.c.due_at.is_not(None))
    return Figures(**(await connection.execute(query)).one()._mapping)


async def oldest_running(connection: AsyncConnection) -> int:
    """Return the oldest transaction whose changes may not be visible yet."""
    return int(await connection.scalar(_OLDEST_RUNNING) or 0)


async def tasks_changed_since(
    connection: AsyncConnection, transaction: int, *, limit: int
) -> list[Task]:
    """Return the tasks that `transaction` or a later one wrote, those seen before included."""
    query = select(TASK).where(TASK.c.changed_in >= transaction).limit(limit)
    return [to_task(row) for row in await connection.execute(query)]


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.states:
        conditions.append(TASK.c.state.in_([str(state) for state in filters.states]))
    if set(filters.states) == set(ACTIVE):
        conditions.append(TASK.c.due_at.is_not(None))  # lets the index of active tasks serve
    if filters.customer_id is not None:
        conditions.append(TASK.c.customer_id == filters.customer_id)
    if filters.text:
        columns = (TASK.c.customer_id, TASK.c.comment, TASK.c.owner, TASK.c.touchpoint)
        name = TASK.c.recipient["name"].astext
        conditions.append(
            or_(*(c.icontains(filters.text, autoescape=True) for c in (*columns, name)))
        )
    return conditions
