"""A task's page, which the board opens as its panel, and the forms that move the task."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from closeloop_service.console.forms import (
    Fields,
    check,
    command_of,
    draft_of,
    fields_of,
    remember,
    version_of,
    whoever_sits_here,
)
from closeloop_service.console.panel import Facts, Sight, panel, people
from closeloop_service.console.refusals import explain_on
from closeloop_service.domain.errors import TaskNotFound
from closeloop_service.domain.task import Move, Task
from closeloop_service.handlers import commands, messages
from closeloop_service.queries import story, tasks
from closeloop_service.queries.tasks import Filters
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store.messages import since_contact
from heardback.console.pages import Console, back, patch, refuse_cross_site, table_rows, wants_patch
from heardback.console.sse import Hub
from heardback.db import Database, Transaction
from heardback.errors import Conflict, Invalid
from heardback.http import DatabaseOf

_GONE: Final = ("There is no such task.", "Look for the customer on the board, under All.")
_MOST_STORY: Final = 50
_MOST_PAST: Final = 20
_TASK_LINES: Final = frozenset({"task_opened", "task_resolved"})
"""Tasks are listed by themselves, as links."""
_FORM: Final = [Depends(refuse_cross_site)]
_SAFE: Final = r"^[^\x00-\x1f\x7f]*$"
TaskId = Annotated[str, Path(max_length=200, pattern=_SAFE)]
Name = Annotated[str, Path(max_length=40, pattern=_SAFE)]
Template = Annotated[str, Query(max_length=200, pattern=_SAFE)]


class TaskPages:
    """The routes of a task's page. `hub` is the board's."""

    def __init__(self, *, console: Console, hub: Hub, keeper: Keeper, company: str) -> None:
        """`company`: in whose name owners write."""
        self._company = company
        self._console = console
        self._hub = hub
        self._keeper = keeper
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get("/board/tasks/{task_id}")(self.task_page)
        self.router.post("/board/tasks/{task_id}/{move}", dependencies=_FORM)(self.move)

    async def task_page(
        self, request: Request, database: DatabaseOf, task_id: TaskId, template: Template = ""
    ) -> Response:
        """Show one task, with a message begun from a template where one is named."""
        sight = Sight(me=whoever_sits_here(request), template_id=template or None)
        try:
            return await self._show(request, database, task_id, sight)
        except TaskNotFound:
            page = self._console.page(request, "missing.html", why=_GONE, there="/")
            page.status_code = HTTPStatus.NOT_FOUND
            return page

    async def move(
        self, request: Request, database: DatabaseOf, task_id: TaskId, move: Name
    ) -> Response:
        """Move the task; when it can't be, show it as it is, with what was typed."""
        fields = await fields_of(request)
        actor = fields.get("actor") or whoever_sits_here(request)
        try:
            check(fields)
            async with database.transaction() as tx:
                await self._do(tx, task_id, move, fields, actor)
                task = await tasks.find_task(tx.connection, task_id)
        except (Conflict, Invalid) as refused:
            return await self._refuse(request, database, task_id, move, fields, refused)
        if not wants_patch(request):
            on_board = urlsplit(request.headers.get("referer", "")).path == "/"
            page = f"/board/tasks/{quote(task_id, safe='')}"
            there = Response(status_code=303, headers={"Location": page})
            return remember(back(request, "/") if on_board else there, actor)
        if fields.get("row"):
            return remember(await self._patch_row(database, task), actor)
        return remember(await self._show(request, database, task_id, Sight(me=actor)), actor)

    async def _do(
        self, tx: Transaction, task_id: str, move: str, fields: Fields, actor: str
    ) -> None:
        version = version_of(fields)
        if move == Move.WRITE:
            draft = draft_of(fields, actor)
            await messages.write(tx, self._keeper, task_id, draft, version=version)
        else:
            command = command_of(move, fields, actor=actor, now=tx.now)
            await commands.move(tx, self._keeper, task_id, command, version=version)

    async def _refuse(
        self,
        request: Request,
        database: Database,
        task_id: str,
        move: str,
        fields: Fields,
        refused: Conflict | Invalid,
    ) -> Response:
        async with database.read() as connection:
            task = await tasks.find_task(connection, task_id)
        notice = explain_on(task, move, refused)
        status = (
            HTTPStatus.CONFLICT
            if isinstance(refused, Conflict)
            else HTTPStatus.UNPROCESSABLE_ENTITY
        )
        if wants_patch(request) and fields.get("row"):
            return await self._patch_row(database, task, notice=notice, status=status)
        sight = Sight(
            me=whoever_sits_here(request),
            template_id=fields.get("template_id") or None,
            notice=notice,
            move=move,
            typed=fields,
        )
        page = await self._show(request, database, task_id, sight)
        page.status_code = status
        return page

    async def _patch_row(
        self,
        database: Database,
        task: Task,
        *,
        notice: str = "",
        status: HTTPStatus = HTTPStatus.OK,
    ) -> Response:
        async with database.read() as connection:
            teams = people(await self._keeper.in_force(connection))["teams"]
        row = self._console.render("_row.html", task=task, teams=teams)
        said = self._console.render("_notice.html", notice=notice, level="")
        return patch(table_rows(row), said, status=status)

    async def _show(
        self, request: Request, database: Database, task_id: str, sight: Sight
    ) -> Response:
        position = self._hub.position
        async with database.read() as connection:
            task = await tasks.find_task(connection, task_id)
            of_them = Filters(customer_id=task.customer_id)
            past = await tasks.newest_tasks(connection, of_them, before=None, limit=_MOST_PAST)
            facts = Facts(
                task=task,
                customer=await story.find_customer(connection, task.customer_id),
                history=await tasks.history_of(connection, task_id),
                messages=await tasks.messages_of(connection, task_id),
                story=[
                    line
                    for line in await story.of_customer(
                        connection, task.customer_id, limit=_MOST_STORY
                    )
                    if line.what not in _TASK_LINES
                ],
                past=[other for other in past if other.task_id != task_id],
                since=await since_contact(connection, task_id),
            )
            rules = await self._keeper.in_force(connection)
        sight = replace(sight, company=self._company)
        context = panel(facts, sight, rules, database.clock.now())
        if wants_patch(request):
            row = table_rows(self._console.render("_row.html", **context))
            parts = (self._console.render(name, **context) for name in ("_panel.html", "_me.html"))
            return patch(row, *parts)
        return self._console.page(request, "task.html", position=position, **context)
