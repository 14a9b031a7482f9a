"""One command for many tasks: each is done or refused by itself."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Body, Response
from pydantic import Field

from closeloop_service.api import forms
from closeloop_service.api.forms import MoveForm
from closeloop_service.api.idempotent import COMMAND, OnceOf
from closeloop_service.api.tasks import Name
from closeloop_service.api.views import TaskView, View
from closeloop_service.handlers.commands import Moved, move_many
from closeloop_service.rulebook.keeper import Keeper
from heardback.bodies import BoundedRoute
from heardback.db import Transaction
from heardback.http import problem_of


class ManyForm(MoveForm):
    """Which tasks are meant; each at most once. They have no version in common."""

    task_ids: Annotated[list[Name], Field(min_length=1, max_length=500)]
    version: None = None


class AssignMany(ManyForm, forms.AssignForm):
    """Give tasks to an owner."""

    move: Literal["assign"]


class ReleaseMany(ManyForm, forms.ReleaseForm):
    """Give tasks back to their teams' queues."""

    move: Literal["release"]


class AcknowledgeMany(ManyForm, forms.AcknowledgeForm):
    """Take tasks."""

    move: Literal["acknowledge"]


class EscalateMany(ManyForm, forms.EscalateForm):
    """The next level should know of these tasks now."""

    move: Literal["escalate"]


class CancelMany(ManyForm, forms.CancelForm):
    """There is nothing to do in these tasks after all."""

    move: Literal["cancel"]


class NoteMany(ManyForm, forms.NoteForm):
    """Note something down in each of these tasks."""

    move: Literal["note"]


AnyMany = Annotated[
    AssignMany | ReleaseMany | AcknowledgeMany | EscalateMany | CancelMany | NoteMany,
    Body(discriminator="move"),
]


class ResultView(View):
    """What became of one task: as it is now, or the problem (RFC 9457) for which it stays."""

    task_id: str
    task: TaskView | None
    problem: Mapping[str, Any] | None

    @classmethod
    def of(cls, moved: Moved) -> "ResultView":
        """Return the view of `moved`."""
        return cls(
            task_id=moved.task_id,
            task=None if moved.task is None else TaskView.of(moved.task),
            problem=None if moved.error is None else orjson.loads(problem_of(moved.error).body),
        )


class ResultsView(View):
    """How many tasks were moved, and what became of each, in the order in which they were named."""

    moved: int
    results: list[ResultView]


def router(keeper: Keeper) -> APIRouter:
    """Return the route; it must come before those of one task."""
    routes = APIRouter(tags=["commands"], dependencies=COMMAND, route_class=BoundedRoute)

    @routes.post("/tasks/bulk", operation_id="move_tasks", response_model=ResultsView)
    async def move_tasks(once: OnceOf, body: AnyMany) -> Response:
        """Move up to 500 tasks; those that can't be moved stay, and say why."""

        async def command(tx: Transaction) -> ResultsView:
            results = await move_many(tx, keeper, body.task_ids, body.command())
            moved = sum(result.error is None for result in results)
            return ResultsView(moved=moved, results=[ResultView.of(one) for one in results])

        return await once(command)

    return routes
