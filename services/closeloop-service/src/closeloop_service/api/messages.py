"""Messages over HTTP: what a template would say, for its writer to read before it is sent."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from closeloop_service.api.tasks import Name, NameInPath
from closeloop_service.api.views import View
from closeloop_service.domain.writing import draft
from closeloop_service.queries import tasks
from closeloop_service.rulebook.keeper import Keeper
from heardback.http import DatabaseOf


class PreviewQuery(BaseModel):
    """Which template, and who would write."""

    model_config = ConfigDict(extra="forbid")

    template_id: Name
    owner: Name


class WrittenView(View):
    """A message in words. No `subject`: the channel says its own."""

    subject: str | None
    text: str


def router(keeper: Keeper, company: str) -> APIRouter:
    """Return the routes of messages. `company`: in whose name owners write."""
    routes = APIRouter(tags=["tasks"])

    @routes.get("/tasks/{task_id}/messages/preview", operation_id="preview_message")
    async def preview(
        database: DatabaseOf, task_id: NameInPath, query: Annotated[PreviewQuery, Query()]
    ) -> WrittenView:
        """Return what a template of the playbook says to the task's customer; nothing is sent."""
        async with database.read() as connection:
            task = await tasks.find_task(connection, task_id)
            rules = await keeper.in_force(connection)
        playbook = rules.playbooks.by_category.get(task.category)
        written = draft(task, playbook, query.template_id, owner=query.owner, company=company)
        return WrittenView.model_validate(written)

    return routes
