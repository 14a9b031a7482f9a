"""The ops board: a page of what waits, live, with views and filters in its address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from closeloop_service.console.choice import CLOSED_VIEWS, ME, NOBODY, VIEWS, Choice
from closeloop_service.console.forms import (
    FieldMissing,
    NameMissing,
    check,
    command_of,
    fields_of,
    remember,
    whoever_sits_here,
)
from closeloop_service.console.kept import keep_views, kept_views
from closeloop_service.console.panel import people
from closeloop_service.console.refusals import MOST_NAMED, explain, summary
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Task
from closeloop_service.handlers import commands
from closeloop_service.handlers.commands import Moved
from closeloop_service.queries import figures, tasks
from closeloop_service.queries.figures import Facets, Figures
from closeloop_service.queries.tasks import Place
from closeloop_service.rulebook.keeper import Keeper
from heardback.console.pages import Console, back, patch, refuse_cross_site, table_rows, wants_patch
from heardback.console.sse import Hub, stream
from heardback.db import Database
from heardback.errors import Invalid, NotFound
from heardback.http import DatabaseOf

MOST_ROWS: Final = 300
_MOST_COUNTED: Final = 10_000
_MOST_AT_ONCE: Final = 500
_BULK: Final = frozenset({"claim", "assign", "acknowledge", "escalate", "cancel"})
_FORM: Final = [Depends(refuse_cross_site)]


class NothingSelected(Invalid):
    """Select some tasks first, 500 at most at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a page of the board shows. `total` stops counting at ten thousand."""

    tasks: Sequence[Task]
    more: bool
    total: int
    figures: Figures
    facets: Facets
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A view's link."""

    label: str
    href: str
    current: bool = False


class Board:
    """The board's routes. `hub` sends what `live.BoardFeed` renders."""

    def __init__(self, *, console: Console, hub: Hub, keeper: Keeper) -> None:
        self._console = console
        self._hub = hub
        self._keeper = keeper
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get("/")(self.board_page)
        self.router.get("/live")(self.live)
        self.router.post("/board/me", dependencies=_FORM)(self.remember_me)
        self.router.post("/board/bulk", dependencies=_FORM)(self.bulk)
        self.router.post("/board/views", dependencies=_FORM)(self.keep_view)
        self.router.post("/board/views/forget", dependencies=_FORM)(self.forget_view)

    async def board_page(
        self, request: Request, database: DatabaseOf, choice: Annotated[Choice, Depends()]
    ) -> Response:
        """Show the tasks with the least time left, and the figures."""
        return await self._page(request, database, choice)

    async def live(self, request: Request) -> StreamingResponse:
        """Send what changes, as it changes."""
        return stream(request, self._hub)

    async def remember_me(self, request: Request, database: DatabaseOf) -> Response:
        """Remember in a cookie who sits here, so that a button suffices to take a task."""
        fields = await fields_of(request)
        name = fields.get("owner", "")
        try:
            check(fields)
            if not name:
                raise NameMissing
        except Invalid as refused:
            return await self._refuse(request, database, refused)
        if wants_patch(request):
            return remember(patch(self._console.render("_me.html", me=name)), name)
        return remember(back(request, "/"), name)

    async def bulk(self, request: Request, database: DatabaseOf) -> Response:
        """Move all selected tasks that can be moved; say of the others why they stay."""
        fields = await fields_of(request)
        chosen = [str(one) for one in (await request.form()).getlist("task_id")]
        actor, move = whoever_sits_here(request), fields.get("move", "")
        status = HTTPStatus.OK
        moved: Sequence[Moved] = ()
        try:
            check(fields)
            if not 0 < len(chosen) <= _MOST_AT_ONCE or move not in _BULK:
                raise NothingSelected
            async with database.transaction() as tx:
                command = command_of(move, fields, actor=actor, now=tx.now)
                moved = await commands.move_many(tx, self._keeper, chosen, command)
            notice = await self._summary(database, move, moved)
        except Invalid as refused:
            notice, status = explain(refused), HTTPStatus.UNPROCESSABLE_ENTITY
        if wants_patch(request):
            return await self._patch_rows(database, moved, notice, status)
        return await self._told(request, database, notice, status)

    async def keep_view(self, request: Request, database: DatabaseOf) -> Response:
        """Keep the page's filters under a name, in a cookie."""
        fields = await fields_of(request)
        query = Choice.of(fields.get("query", "")).query
        answer = Response(status_code=303, headers={"Location": f"/?{query}"})
        try:
            check(fields)
            if not fields.get("name"):
                raise FieldMissing(field="name")
            return keep_views(answer, {**kept_views(request), fields["name"]: query})
        except Invalid as refused:
            return await self._refuse(request, database, refused)

    async def forget_view(self, request: Request) -> Response:
        """Keep a view no longer."""
        name = (await fields_of(request)).get("name")
        left = {label: query for label, query in kept_views(request).items() if label != name}
        return keep_views(back(request, "/"), left)

    async def _summary(self, database: Database, move: str, moved: Sequence[Moved]) -> str:
        refused = {one.task_id: one.error for one in moved if one.error is not None}
        names = {}
        async with database.read() as connection:
            for task_id in [*refused][:MOST_NAMED]:
                try:
                    task = await tasks.find_task(connection, task_id)
                except NotFound:
                    continue
                names[task_id] = task.recipient.name or task.customer_id
        done = [one.task for one in moved if one.task is not None]
        return summary(move, done, refused, names)

    async def _refuse(self, request: Request, database: Database, refused: Invalid) -> Response:
        notice, status = explain(refused), HTTPStatus.UNPROCESSABLE_ENTITY
        if wants_patch(request):
            return patch(
                self._console.render("_notice.html", notice=notice, level=""), status=status
            )
        return await self._told(request, database, notice, status)

    async def _told(
        self, request: Request, database: Database, notice: str, status: HTTPStatus
    ) -> Response:
        pressed_on = Choice.of(urlsplit(request.headers.get("referer", "")).query)
        page = await self._page(request, database, pressed_on, notice=notice)
        page.status_code = status
        return page

    async def _patch_rows(
        self, database: Database, moved: Sequence[Moved], notice: str, status: HTTPStatus
    ) -> Response:
        async with database.read() as connection:
            teams = people(await self._keeper.in_force(connection))["teams"]
        rows = (
            self._console.render("_row.html", task=one.task, teams=teams)
            for one in moved
            if one.task is not None
        )
        level = "ok" if moved and all(one.error is None for one in moved) else ""
        said = self._console.render("_notice.html", notice=notice, level=level)
        return patch(said, table_rows(*rows), status=status)

    async def _page(
        self, request: Request, database: Database, choice: Choice, *, notice: str = ""
    ) -> Response:
        position = self._hub.position
        me = whoever_sits_here(request)
        seen = await self._see(database, choice, me)
        kept = kept_views(request)
        return self._console.page(
            request,
            "board.html",
            position=position,
            me=me,
            notice=notice,
            choice=choice,
            shown_name=_shown_name(choice, kept),
            views=_views(choice, kept),
            saved=[Link(label=label, href=f"/?{query}") for label, query in kept.items()],
            query=choice.query,
            tasks=seen.tasks,
            figures=seen.figures,
            counted=_counted(seen, choice),
            partial=_partial(seen, choice),
            only=choice.only(me=me, now=database.clock.now()),
            most=MOST_ROWS,
            pages=_pages(seen, choice),
            empty_words=VIEWS[choice.known_view].empty,
            owners=_owners(seen, choice),
            **people(seen.rules),
        )

    async def _see(self, database: Database, choice: Choice, me: str) -> Seen:
        now = database.clock.now()
        filters = choice.filters(me=me, now=now)
        async with database.read() as connection:
            if choice.view in CLOSED_VIEWS:
                found = await tasks.newest_tasks(
                    connection, filters, before=choice.after or None, limit=MOST_ROWS + 1
                )
            else:
                after = Place.parse(choice.after) if choice.after else None
                found = await tasks.most_urgent_tasks(
                    connection, filters, limit=MOST_ROWS + 1, after=after
                )
            total = len(found)
            if total > MOST_ROWS or choice.after:
                total = await tasks.count_tasks(connection, filters, at_most=_MOST_COUNTED)
            return Seen(
                tasks=found[:MOST_ROWS],
                more=len(found) > MOST_ROWS,
                total=total,
                figures=await figures.figures_at(connection, now),
                facets=await figures.facets_of(connection),
                rules=await self._keeper.in_force(connection),
            )


def _shown_name(choice: Choice, kept: Mapping[str, str]) -> str:
    mine = next((label for label, query in kept.items() if query == choice.query), None)
    return mine or (VIEWS[choice.known_view].label if choice.known_view else "")


def _views(choice: Choice, kept: Mapping[str, str]) -> list[Link]:
    ready_made = [
        Link(
            label=view.label,
            href=replace(Choice(), view=name).href(),
            current=choice.known_view == name and choice.query not in kept.values(),
        )
        for name, view in VIEWS.items()
    ]
    own = [
        Link(label=label, href=f"/?{query}", current=choice.query == query)
        for label, query in kept.items()
    ]
    return [*own, *ready_made]


def _owners(seen: Seen, choice: Choice) -> dict[str, str]:
    names = {*seen.facets.owners, *people(seen.rules)["members"], choice.owner}
    return {name: name for name in sorted(names - {"", ME, NOBODY})}


def _counted(seen: Seen, choice: Choice) -> str:
    total = f"more than {_MOST_COUNTED:,}" if seen.total >= _MOST_COUNTED else f"{seen.total:,}"
    if seen.more and not choice.after:
        which = "newest" if choice.view in CLOSED_VIEWS else "most urgent"
        return f"The {len(seen.tasks)} {which} of {total} are shown."
    if choice.after:
        return f"{len(seen.tasks)} more of {total}."
    # Without filters rows come and go by patches, which don't count them; the strip does.
    found = seen.total and choice.query
    return f"{total} task{'' if seen.total == 1 else 's'}" if found else ""


def _partial(seen: Seen, choice: Choice) -> str:
    """Return how a change reaches the page: by a patch alone, or by fetching the page again."""
    if choice.query or choice.after:
        return "filtered"
    return "end" if seen.more else ""


def _pages(seen: Seen, choice: Choice) -> dict[str, str | None]:
    following = None
    if seen.more:
        last = seen.tasks[-1]
        closed = choice.view in CLOSED_VIEWS
        following = choice.href(after=last.task_id if closed else str(Place.of(last)))
    return {"first": choice.href() if choice.after else None, "next": following}
