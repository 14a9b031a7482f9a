"""The ops board: a page of what waits, a panel for one task, and the forms to move it."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import StreamingResponse

from closeloop_service import handlers, queries
from closeloop_service.api import TaskId
from closeloop_service.commands import AcknowledgeForm, ContactForm, MoveForm, ResolveForm, Words
from closeloop_service.domain.decisions import Command
from closeloop_service.domain.errors import MoveNotAllowed
from closeloop_service.domain.task import Task, TaskState, allowed_moves
from closeloop_service.queries import ACTIVE, Filters
from heardback.console.pages import Console, back, patch, refuse_cross_site, table_rows, wants_patch
from heardback.console.sse import Hub, stream
from heardback.db import Database
from heardback.errors import Invalid
from heardback.http import DatabaseOf

MOST_ROWS: Final = 300
CHANNELS: Final = ("phone", "email", "chat", "in person", "other")
ROOT_CAUSES: Final = (
    "late delivery",
    "product quality",
    "price or billing",
    "slow support",
    "missing feature",
    "hard to use",
    "misunderstanding",
    "other",
)
_VIEWS: Final = {
    "": ("Not resolved", ACTIVE),
    **{str(state): (str(state).capitalize(), (state,)) for state in TaskState},
    "all": ("All", ()),
}
_YEAR_SECONDS: Final = 31_536_000
_FORM: Final = [Depends(refuse_cross_site)]


class NameMissing(Invalid):
    """Write your name at the top first; the task is yours then."""


class Board:
    """The board's routes. `hub` sends what `live.BoardFeed` renders."""

    def __init__(self, *, console: Console, hub: Hub) -> None:
        self._console = console
        self._hub = hub
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get("/")(self.board_page)
        self.router.get("/live")(self.live)
        self.router.get("/board/tasks/{task_id}")(self.task_page)
        self.router.post("/board/me", dependencies=_FORM)(self.remember_me)
        moves = self.router.post
        moves("/board/tasks/{task_id}/acknowledge", dependencies=_FORM)(self.acknowledge)
        moves("/board/tasks/{task_id}/contact", dependencies=_FORM)(self.contact)
        moves("/board/tasks/{task_id}/resolve", dependencies=_FORM)(self.resolve)

    async def board_page(
        self,
        request: Request,
        database: DatabaseOf,
        state: Annotated[str, Query(max_length=20)] = "",
        q: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        """Show the tasks with the least time left, and the figures."""
        position = self._hub.position
        view = state if state in _VIEWS else ""
        filters = Filters(states=_VIEWS[view][1], text=q.replace("\0", "").strip())
        async with database.read() as connection:
            tasks = await queries.most_urgent_tasks(connection, filters, limit=MOST_ROWS)
            total = len(tasks)
            if total == MOST_ROWS:
                total = await queries.count_tasks(connection, filters)
            figures = await queries.figures_at(connection, database.clock.now())
        return self._console.page(
            request,
            "board.html",
            position=position,
            me=_me(request),
            view=view,
            views=_VIEWS,
            q=filters.text,
            tasks=tasks,
            total=total,
            figures=figures,
            partial=bool(view or filters.text or total > len(tasks)),
        )

    async def live(self, request: Request) -> StreamingResponse:
        """Send what changes, as it changes."""
        return stream(request, self._hub)

    async def task_page(self, request: Request, database: DatabaseOf, task_id: TaskId) -> Response:
        """Show one task; the board opens it as its panel."""
        return await self._show(request, database, task_id)

    async def remember_me(self, request: Request, owner: Annotated[Words, Form()]) -> Response:
        """Remember in a cookie who sits here, so that a button suffices to take a task."""
        if wants_patch(request):
            answer: Response = patch(self._console.render("_me.html", me=owner))
        else:
            answer = back(request, "/")
        return _remember(answer, owner)

    async def acknowledge(
        self,
        request: Request,
        database: DatabaseOf,
        task_id: TaskId,
        owner: Annotated[Words | None, Form()] = None,
    ) -> Response:
        """Take the task, for whom the form names or else who sits here.

        Raises: NameMissing.
        """
        name = owner or _me(request)
        if not name:
            raise NameMissing
        form = AcknowledgeForm(owner=name)
        return await self._move(request, database, task_id, form, form.command())

    async def contact(
        self,
        request: Request,
        database: DatabaseOf,
        task_id: TaskId,
        form: Annotated[ContactForm, Form()],
    ) -> Response:
        """Log that the customer was reached."""
        return await self._move(request, database, task_id, form, form.command())

    async def resolve(
        self,
        request: Request,
        database: DatabaseOf,
        task_id: TaskId,
        form: Annotated[ResolveForm, Form()],
    ) -> Response:
        """Close the task."""
        return await self._move(request, database, task_id, form, form.command())

    async def _move(
        self,
        request: Request,
        database: Database,
        task_id: str,
        form: MoveForm,
        command: Command,
    ) -> Response:
        try:
            async with database.transaction() as tx:
                await handlers.move(tx, task_id, command, version=form.version)
        except MoveNotAllowed as refused:
            notice = _explain(refused)
            return await self._show(request, database, task_id, notice=notice, status=409)
        if wants_patch(request):
            answer = await self._show(request, database, task_id, me=form.owner)
        else:
            answer = back(request, f"/board/tasks/{quote(task_id)}")
        return _remember(answer, form.owner)

    async def _show(
        self,
        request: Request,
        database: Database,
        task_id: str,
        *,
        notice: str = "",
        me: str | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        position = self._hub.position
        async with database.read() as connection:
            task = await queries.find_task(connection, task_id)
            history = await queries.history_of(connection, task_id)
        context = _panel(task, history, me=_me(request) if me is None else me, notice=notice)
        if wants_patch(request):
            row = table_rows(self._console.render("_row.html", **context))
            others = (self._console.render(name, **context) for name in ("_panel.html", "_me.html"))
            return patch(row, *others, status=status)
        page = self._console.page(request, "task.html", position=position, **context)
        page.status_code = status
        return page


def _panel(task: Task, history: Sequence[Any], *, me: str, notice: str) -> dict[str, Any]:
    moves = [str(move) for move in allowed_moves(task.state)]
    return {
        "task": task,
        "history": history,
        "me": me,
        "notice": notice,
        "moves": moves,
        "channels": CHANNELS,
        "root_causes": ROOT_CAUSES,
    }


def _explain(refused: MoveNotAllowed) -> str:
    can = " or ".join(refused.allowed)
    now = f"This task is {refused.state} now"
    return f"{now}; the next step is to {can}." if can else f"{now}; nothing is left to do."


def _me(request: Request) -> str:
    name = unquote(request.cookies.get("owner", ""))
    return "".join(letter for letter in name if letter.isprintable()).strip()[:200]


def _remember(answer: Response, owner: str) -> Response:
    answer.set_cookie("owner", quote(owner), max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    return answer
