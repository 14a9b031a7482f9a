"""The tasks over HTTP, as JSON: pages of them, one with its history, and the three moves."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from closeloop_service import handlers, queries
from closeloop_service.commands import AcknowledgeForm, ContactForm, ResolveForm
from closeloop_service.domain.decisions import Command
from closeloop_service.domain.task import Task, TaskState, allowed_moves
from closeloop_service.queries import Filters, HistoryLine
from heardback.http import DatabaseOf
from heardback.vocabulary import Scale

_SAFE = r"^[^\x00-\x1f\x7f]*$"
TaskId = Annotated[str, Path(max_length=200, pattern=_SAFE)]
router = APIRouter(prefix="/tasks", tags=["tasks"])


class TaskView(BaseModel):
    """A task as others read it."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    alert_id: str
    customer_id: str
    program_id: str
    touchpoint: str
    segment: str | None
    state: TaskState
    allowed_moves: list[str]
    scale: Scale
    score: int
    comment: str | None
    owner: str | None
    root_cause: str | None
    opened_at: datetime
    acknowledged_at: datetime | None
    contacted_at: datetime | None
    resolved_at: datetime | None
    first_response_due_at: datetime
    first_response_warned: bool
    first_response_breached: bool
    resolution_due_at: datetime
    resolution_warned: bool
    resolution_breached: bool
    version: int

    @classmethod
    def of(cls, task: Task) -> Self:
        """Return the view of `task`."""
        return cls(**_members(task))


class HistoryView(BaseModel):
    """One line of a task's history. No actor: Heardback itself."""

    model_config = ConfigDict(frozen=True)

    occurred_at: datetime
    what: str
    actor: str | None
    note: str
    details: dict[str, Any]

    @classmethod
    def of(cls, line: HistoryLine) -> Self:
        """Return the view of `line`."""
        return cls(
            occurred_at=line.occurred_at,
            what=line.what,
            actor=line.actor,
            note=line.note,
            details=line.details,
        )


class TaskWithHistory(TaskView):
    """A task and everything that happened to it, the newest first."""

    history: list[HistoryView]


class TaskPage(BaseModel):
    """One page, the newest tasks first. `next` is the cursor of the page after it, if any."""

    tasks: list[TaskView]
    next: str | None


class TaskQuery(BaseModel):
    """Which tasks are wanted. `q` searches customer, words, touchpoint and owner."""

    model_config = ConfigDict(extra="forbid")

    customer_id: Annotated[str, Field(max_length=200, pattern=_SAFE)] | None = None
    state: TaskState | None = None
    q: Annotated[str, Field(max_length=200, pattern=_SAFE)] = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: Annotated[str, Field(max_length=200, pattern=_SAFE)] | None = None


@router.get("")
async def list_tasks(database: DatabaseOf, query: Annotated[TaskQuery, Query()]) -> TaskPage:
    """Return a page of tasks."""
    states = () if query.state is None else (query.state,)
    filters = Filters(states=states, customer_id=query.customer_id, text=query.q)
    async with database.read() as connection:
        tasks = await queries.newest_tasks(
            connection, filters, before=query.cursor, limit=query.limit + 1
        )
    shown = tasks[: query.limit]
    following = shown[-1].task_id if len(tasks) > query.limit else None
    return TaskPage(tasks=[TaskView.of(task) for task in shown], next=following)


@router.get("/{task_id}")
async def get_task(database: DatabaseOf, task_id: TaskId) -> TaskWithHistory:
    """Return one task with its history."""
    async with database.read() as connection:
        task = await queries.find_task(connection, task_id)
        history = await queries.history_of(connection, task_id)
    lines = [HistoryView.of(line) for line in history]
    return TaskWithHistory(**_members(task), history=lines)


@router.post("/{task_id}/acknowledge")
async def acknowledge(database: DatabaseOf, task_id: TaskId, body: AcknowledgeForm) -> TaskView:
    """Take the task. The customer still waits: the first-response clock goes on."""
    return await _move(database, task_id, body.command(), body.version)


@router.post("/{task_id}/contact")
async def contact(database: DatabaseOf, task_id: TaskId, body: ContactForm) -> TaskView:
    """Log that the customer was reached; the first time stops the first-response clock."""
    return await _move(database, task_id, body.command(), body.version)


@router.post("/{task_id}/resolve")
async def resolve(database: DatabaseOf, task_id: TaskId, body: ResolveForm) -> TaskView:
    """Close the task with its root cause; the resolution clock stops."""
    return await _move(database, task_id, body.command(), body.version)


async def _move(
    database: DatabaseOf, task_id: str, command: Command, version: int | None
) -> TaskView:
    async with database.transaction() as tx:
        return TaskView.of(await handlers.move(tx, task_id, command, version=version))


def _members(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "alert_id": task.alert_id,
        "customer_id": task.customer_id,
        "program_id": task.program_id,
        "touchpoint": task.touchpoint,
        "segment": task.segment,
        "state": task.state,
        "allowed_moves": [str(move) for move in allowed_moves(task.state)],
        "scale": task.answer.scale,
        "score": task.answer.score,
        "comment": task.answer.comment,
        "owner": task.owner,
        "root_cause": task.root_cause,
        "opened_at": task.opened_at,
        "acknowledged_at": task.acknowledged_at,
        "contacted_at": task.first_response.stopped_at,
        "resolved_at": task.resolution.stopped_at,
        "first_response_due_at": task.first_response.due_at,
        "first_response_warned": task.first_response.warned,
        "first_response_breached": task.first_response.breached,
        "resolution_due_at": task.resolution.due_at,
        "resolution_warned": task.resolution.warned,
        "resolution_breached": task.resolution.breached,
        "version": task.version,
    }
