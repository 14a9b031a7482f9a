"""Pages of tasks, one with its history, and what changed since the last look."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.errors import TaskNotFound
from closeloop_service.domain.task import ACTIVE, Task, TaskState
from closeloop_service.domain.writing import Message, MessageState
from closeloop_service.queries.history import HistoryLine
from closeloop_service.store.rows import to_task
from closeloop_service.tables import MESSAGE, TASK, TASK_HISTORY
from heardback.errors import Invalid
from heardback.vocabulary import Category

MOST_LINES: Final = 200
"""Lines of a task's history, and messages: so many of the newest are shown."""

_ACTIVE: Final = frozenset(ACTIVE)
_SNAPSHOT: Final = text("SELECT CAST(pg_current_snapshot() AS text)")
# A transaction that a snapshot does not show is not older than the snapshot's oldest running one.
_CHANGED: Final = text("""
    WITH given AS (SELECT CAST(CAST(:since AS text) AS pg_snapshot) AS seen)
    SELECT task_id FROM task_history, given
    WHERE changed_in >= CAST(CAST(pg_snapshot_xmin(seen) AS text) AS bigint)
        AND NOT pg_visible_in_snapshot(CAST(CAST(changed_in AS text) AS xid8), seen)
    ORDER BY changed_in LIMIT :limit
""")


class CursorUnknown(Invalid):
    """No page gave this cursor; start again without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which tasks are wanted: all that is given must fit; what is not given does not matter.

    `active`: somebody still has to act. `breached`: a clock ran out, now or earlier. `unowned`:
    active, and nobody's, whether a team has it or not. `unrouted`: active, and no rule or person
    was found for it. `due_by`: active, and its running clock has run out by then; the present makes
    it those that are late now; `due_after`: and not before. `text` is searched in customer, words,
    touchpoint and owner.
    """

    states: Sequence[TaskState] = ()
    active: bool | None = None
    customer_id: str | None = None
    owner: str | None = None
    team: str | None = None
    category: Category | None = None
    breached: bool | None = None
    unowned: bool = False
    unrouted: bool = False
    due_by: datetime | None = None
    due_after: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page in the order of urgency ended: the next one begins after it."""

    due_at: datetime | None
    task_id: str

    @classmethod
    def of(cls, task: Task) -> Self:
        """Return the place of `task`."""
        return cls(due_at=task.due_at, task_id=task.task_id)

    @classmethod
    def parse(cls, cursor: str) -> Self:
        """Return the place that `cursor` says.

        Raises: CursorUnknown.
        """
        try:
            said = base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
            due_at, _, task_id = said.partition(" ")
            place = cls(due_at=datetime.fromisoformat(due_at) if due_at else None, task_id=task_id)
            is_ours = str(place) == cursor and task_id.isprintable()
        except (ValueError, OverflowError):
            is_ours = False
        if not is_ours:
            raise CursorUnknown
        return place

    def __str__(self) -> str:
        due_at = self.due_at.astimezone(UTC).isoformat() if self.due_at else ""
        return base64.urlsafe_b64encode(f"{due_at} {self.task_id}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The tasks that changed, as they are now; not `complete`: too many, and none is here."""

    tasks: list[Task]
    complete: bool


async def find_task(connection: AsyncConnection, task_id: str) -> Task:
    """Return one task.

    Raises: TaskNotFound.
    """
    row = (await connection.execute(select(TASK).where(TASK.c.task_id == task_id))).one_or_none()
    if row is None:
        raise TaskNotFound(task_id=task_id)
    return to_task(row)


async def history_of(connection: AsyncConnection, task_id: str) -> list[HistoryLine]:
    """Return a task's newest history lines, the newest first."""
    columns = TASK_HISTORY.c
    query = (
        select(columns.occurred_at, columns.what, columns.actor, columns.note, columns.details)
        .where(columns.task_id == task_id)
        .order_by(columns.seq.desc())
        .limit(MOST_LINES)
    )
    return [HistoryLine(**row._mapping) for row in await connection.execute(query)]


async def messages_of(connection: AsyncConnection, task_id: str) -> list[Message]:
    """Return what was written to a task's customer, the newest first."""
    query = (
        select(MESSAGE)
        .where(MESSAGE.c.task_id == task_id)
        .order_by(MESSAGE.c.requested_at.desc())
        .limit(MOST_LINES)
    )
    return [
        Message(**{**row._mapping, "state": MessageState(row.state)})
        for row in await connection.execute(query)
    ]


async def newest_tasks(
    connection: AsyncConnection, filters: Filters, *, before: str | None, limit: int
) -> list[Task]:
    """Return one page of tasks, the newest first; `before` is the last id of the page before.

    A task that is opened meanwhile stands before the first page and moves nothing.
    Raises: CursorUnknown.
    """
    query = select(TASK).where(*_conditions(filters))
    if before is not None:
        known = select(TASK.c.task_id).where(TASK.c.task_id == before)
        if await connection.scalar(known) is None:
            raise CursorUnknown
        query = query.where(TASK.c.task_id < before)
    # Ids are made in the order of time, so they are the order and the cursor in one.
    rows = await connection.execute(query.order_by(TASK.c.task_id.desc()).limit(limit))
    return [to_task(row) for row in rows]


async def most_urgent_tasks(
    connection: AsyncConnection, filters: Filters, *, limit: int, after: Place | None = None
) -> list[Task]:
    """Return one page of the active tasks, the least time left first, the paused ones last."""
    query = select(TASK).where(TASK.c.active, *_conditions(filters))
    tasks: list[Task] = []
    # Two queries: a page that begins at a place is one range of the index in each of them.
    if after is None or after.due_at is not None:
        running = query.where(TASK.c.due_at.is_not(None))
        if after is not None:
            place = tuple_(after.due_at, after.task_id)
            running = running.where(tuple_(TASK.c.due_at, TASK.c.task_id) > place)
        tasks = await _page(connection, running.order_by(TASK.c.due_at, TASK.c.task_id), limit)
    if len(tasks) < limit and filters.due_by is None:
        paused = query.where(TASK.c.due_at.is_(None))
        if after is not None and after.due_at is None:
            paused = paused.where(TASK.c.task_id > after.task_id)
        tasks += await _page(connection, paused.order_by(TASK.c.task_id), limit - len(tasks))
    return tasks


async def count_tasks(connection: AsyncConnection, filters: Filters, *, at_most: int) -> int:
    """Return how many tasks there are, no more than `at_most`: counting ends there."""
    some = select(TASK.c.task_id).where(*_conditions(filters)).limit(at_most).subquery()
    return int(await connection.scalar(select(func.count()).select_from(some)) or 0)


async def seen_now(connection: AsyncConnection) -> str:
    """Return which transactions are visible now, for `tasks_changed_since`."""
    return str(await connection.scalar(_SNAPSHOT))


async def tasks_changed_since(connection: AsyncConnection, seen: str, *, limit: int) -> Changes:
    """Return the tasks that transactions changed which were not visible when `seen` was.

    However long one of them takes, none is missed, and none comes again for the sake of another.
    `limit`: so many history lines are looked at, at most.
    """
    lines = await connection.execute(_CHANGED, {"since": seen, "limit": limit})
    task_ids = list(lines.scalars())
    complete = len(task_ids) < limit
    if not (task_ids and complete):
        return Changes(tasks=[], complete=complete)
    query = select(TASK).where(TASK.c.task_id.in_(set(task_ids)))
    return Changes(
        tasks=await _page(connection, query.order_by(TASK.c.task_id), limit), complete=True
    )


async def _page(connection: AsyncConnection, query: Select[Any], limit: int) -> list[Task]:
    return [to_task(row) for row in await connection.execute(query.limit(limit))]


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    columns = TASK.c
    wanted: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (columns.active, filters.active),
            (columns.customer_id, filters.customer_id),
            (columns.owner, filters.owner),
            (columns.team, filters.team),
            (columns.category, None if filters.category is None else str(filters.category)),
            (columns.breached, filters.breached),
        )
        if value is not None
    ]
    if filters.states:
        wanted.append(columns.state.in_([str(state) for state in filters.states]))
        # Lets the indexes of active tasks serve, or that of the others.
        if _ACTIVE.issuperset(filters.states):
            wanted.append(columns.active)
        elif _ACTIVE.isdisjoint(filters.states):
            wanted.append(not_(columns.active))
    if filters.unowned:
        wanted.append(and_(columns.active, columns.owner.is_(None)))
    if filters.unrouted:
        wanted.append(and_(columns.active, columns.unrouted.is_not(None)))
    if filters.due_by is not None:
        wanted.append(and_(columns.active, columns.due_at <= filters.due_by))
    if filters.due_after is not None:
        wanted.append(columns.due_at > filters.due_after)
    if filters.text:
        wanted.append(_says(filters.text))
    return wanted


def _says(wanted: str) -> ColumnElement[bool]:
    columns = TASK.c
    texts = (columns.customer_id, columns.comment, columns.owner, columns.touchpoint)
    name = columns.recipient["name"].astext
    return or_(*(text.icontains(wanted, autoescape=True) for text in (*texts, name)))
