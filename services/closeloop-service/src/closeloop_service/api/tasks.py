"""Tasks over HTTP: pages of them, one with all that belongs to it, and the queue."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from closeloop_service.api.views import (
    FiguresView,
    MessageView,
    ProgressView,
    StoryView,
    TaskPage,
    TaskView,
    TaskWithHistory,
)
from closeloop_service.domain import playbook as playbooks
from closeloop_service.domain.task import TaskState
from closeloop_service.queries import figures, story, tasks
from closeloop_service.queries.tasks import Filters, Place
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store.messages import since_contact
from heardback.bodies import WrittenInstant
from heardback.http import DatabaseOf
from heardback.vocabulary import Category

_pages: Final = APIRouter()
_SAFE: Final = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_SAFE)]
NameInPath = Annotated[str, Path(min_length=1, max_length=200, pattern=_SAFE)]
_Limit = Annotated[int, Field(ge=1, le=500)]
_Words = Annotated[str, Field(max_length=200, pattern=_SAFE)]


class TaskQuery(BaseModel):
    """Which tasks are wanted: all that is given must fit.

    `state` may come more than once. `active`: somebody still has to act. `breached`: a clock ran
    out, now or earlier. `due_by`: the clock that runs has run out by then. `unrouted`: no rule or
    person was found for it. `q` searches customer, words, touchpoint and owner.
    """

    model_config = ConfigDict(extra="forbid")

    customer_id: Name | None = None
    state: Annotated[list[TaskState], Field(max_length=len(TaskState))] = []
    active: bool | None = None
    owner: Name | None = None
    team: Name | None = None
    category: Category | None = None
    breached: bool | None = None
    unrouted: bool = False
    due_by: WrittenInstant | None = None
    q: _Words = ""
    limit: _Limit = 100
    cursor: Name | None = None

    @property
    def filters(self) -> Filters:
        """The same for the query."""
        return Filters(
            states=self.state,
            active=self.active,
            customer_id=self.customer_id,
            owner=self.owner,
            team=self.team,
            category=self.category,
            breached=self.breached,
            unrouted=self.unrouted,
            due_by=self.due_by,
            text=self.q,
        )


class QueueQuery(BaseModel):
    """Which tasks of the queue are wanted. `unrouted`: those only that no rule or person fits."""

    model_config = ConfigDict(extra="forbid")

    team: Name | None = None
    unrouted: bool = False
    limit: _Limit = 100
    cursor: Name | None = None


class StoryQuery(BaseModel):
    """How much of a story is wanted."""

    model_config = ConfigDict(extra="forbid")

    limit: _Limit = 100


@_pages.get("/tasks", operation_id="list_tasks")
async def list_tasks(database: DatabaseOf, query: Annotated[TaskQuery, Query()]) -> TaskPage:
    """Return a page of tasks, the newest first.

    What is opened meanwhile stands before the first page: none is missed or comes twice.
    """
    async with database.read() as connection:
        found = await tasks.newest_tasks(
            connection, query.filters, before=query.cursor, limit=query.limit + 1
        )
    shown = found[: query.limit]
    following = shown[-1].task_id if len(found) > query.limit else None
    return TaskPage(tasks=[TaskView.of(task) for task in shown], next=following)


@_pages.get("/queue", operation_id="list_queue")
async def list_queue(database: DatabaseOf, query: Annotated[QueueQuery, Query()]) -> TaskPage:
    """Return a page of the active tasks that nobody owns, the least time left first.

    One whose clock is paused or planned anew meanwhile changes its place: it may come twice, or
    not at all.
    """
    filters = Filters(unowned=True, team=query.team, unrouted=query.unrouted)
    after = None if query.cursor is None else Place.parse(query.cursor)
    async with database.read() as connection:
        found = await tasks.most_urgent_tasks(
            connection, filters, limit=query.limit + 1, after=after
        )
    shown = found[: query.limit]
    following = str(Place.of(shown[-1])) if len(found) > query.limit else None
    return TaskPage(tasks=[TaskView.of(task) for task in shown], next=following)


@_pages.get("/figures", operation_id="get_figures")
async def get_figures(database: DatabaseOf) -> FiguresView:
    """Return how many tasks wait, and what they wait for."""
    async with database.read() as connection:
        now = await figures.figures_at(connection, database.clock.now())
    return FiguresView.model_validate(now)


@_pages.get("/customers/{customer_id}/story", operation_id="get_story")
async def get_story(
    database: DatabaseOf, customer_id: NameInPath, query: Annotated[StoryQuery, Query()]
) -> StoryView:
    """Return what happened to a customer, the newest first; of one not known, nothing."""
    async with database.read() as connection:
        customer = await story.find_customer(connection, customer_id)
        lines = await story.of_customer(connection, customer_id, limit=query.limit)
    return StoryView.model_validate({"customer": customer, "story": lines})


def router(keeper: Keeper) -> APIRouter:
    """Return the routes that only look."""
    routes = APIRouter(tags=["tasks"])
    routes.include_router(_pages)

    @routes.get("/tasks/{task_id}", operation_id="get_task")
    async def get_task(database: DatabaseOf, task_id: NameInPath) -> TaskWithHistory:
        """Return one task with all that belongs to it."""
        async with database.read() as connection:
            task = await tasks.find_task(connection, task_id)
            history = await tasks.history_of(connection, task_id)
            messages = await tasks.messages_of(connection, task_id)
            since = await since_contact(connection, task_id)
            rules = await keeper.in_force(connection)
        now = database.clock.now()
        playbook = rules.playbooks.by_category.get(task.category)
        steps, action = [], None
        if playbook is not None:
            steps = playbooks.progress(task, playbook)
            action = playbooks.next_action(task, playbook, now, since=since)
        return TaskWithHistory.of(
            task,
            recipient=task.recipient,
            clocks=task.clocks,
            pauses=task.pauses,
            steps=[ProgressView.of(step, done=done) for step, done in steps],
            next_action=action,
            messages=[MessageView.of(message, now) for message in messages],
            history=history,
        )

    return routes
