"""Commands over HTTP: each moves one task, and answers with the task as it is then."""

from typing import Final

from fastapi import APIRouter, Response

from closeloop_service.api import forms
from closeloop_service.api.forms import MessageForm, MoveForm
from closeloop_service.api.idempotent import COMMAND, OnceOf
from closeloop_service.api.tasks import NameInPath
from closeloop_service.api.views import TaskView
from closeloop_service.domain.writing import Written
from closeloop_service.handlers import commands, messages
from closeloop_service.handlers.messages import Draft
from closeloop_service.queries import tasks
from closeloop_service.rulebook.keeper import Keeper
from heardback.bodies import BoundedRoute
from heardback.db import Transaction

_MOVES: Final[tuple[tuple[str, type[MoveForm], str], ...]] = (
    ("acknowledge", forms.AcknowledgeForm, "The customer still waits: their clock goes on."),
    ("contact", forms.ContactForm, "The first time stops the first-response clock."),
    ("resolve", forms.ResolveForm, "The resolution clock stops; they must have been contacted."),
    ("assign", forms.AssignForm, "Who claims another's task names its `version`, knowingly."),
    ("release", forms.ReleaseForm, "The next member who can take it gets it."),
    ("wait", forms.WaitForm, "No clock runs out meanwhile."),
    ("resume", forms.ResumeForm, "What the clocks had used counts on."),
    ("reply", forms.ReplyForm, "The next-response clock runs until they are contacted."),
    ("reopen", forms.ReopenForm, "What the clocks had used counts on."),
    ("cancel", forms.CancelForm, "All of its clocks end."),
    ("escalate", forms.EscalateForm, "They are told where the rulebooks say."),
    ("note", forms.NoteForm, "It stands in the task's history."),
    ("compensate", forms.CompensateForm, "It stands in the task's history; nothing is paid by it."),
    ("steps", forms.StepForm, "What a move does by itself need not be ticked off."),
)
"""The moves: the last part of the path, what is sent, and what there is to know of it."""


def router(keeper: Keeper) -> APIRouter:
    """Return the routes of all commands."""
    routes = APIRouter(tags=["commands"], dependencies=COMMAND, route_class=BoundedRoute)
    for name, form, advice in _MOVES:
        _add(routes, keeper, name, form, advice)

    @routes.post(
        "/tasks/{task_id}/messages", operation_id="write_to_customer", response_model=TaskView
    )
    async def write(once: OnceOf, task_id: NameInPath, body: MessageForm) -> Response:
        """Write to the customer; it counts as contact once a provider took it."""

        async def command(tx: Transaction) -> TaskView:
            written = Written(subject=body.subject, text=body.text)
            draft = Draft(actor=body.actor, written=written, template_id=body.template_id)
            await messages.write(tx, keeper, task_id, draft, version=body.version)
            return TaskView.of(await tasks.find_task(tx.connection, task_id))

        return await once(command)

    return routes


def _add(routes: APIRouter, keeper: Keeper, name: str, form: type[MoveForm], advice: str) -> None:
    @routes.post(
        f"/tasks/{{task_id}}/{name}",
        operation_id=f"{form.__name__.removesuffix('Form').lower()}_task",
        summary=form.__doc__,
        description=advice,
        response_model=TaskView,
    )
    async def move(
        once: OnceOf,
        task_id: NameInPath,
        body: form,  # type: ignore[valid-type]  # each route has its own
    ) -> Response:
        sent: MoveForm = body

        async def command(tx: Transaction) -> TaskView:
            move, version = sent.command(), sent.version
            return TaskView.of(await commands.move(tx, keeper, task_id, move, version=version))

        return await once(command)
