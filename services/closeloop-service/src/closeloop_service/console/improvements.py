"""The pages of improvements: what is to be mended, by whom, until when, and who is told."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from closeloop_service.console.forms import (
    FieldMissing,
    Fields,
    MoveUnknown,
    NameMissing,
    check,
    fields_of,
    remember,
    version_of,
    whoever_sits_here,
)
from closeloop_service.console.panel import people
from closeloop_service.console.refusals import explain
from closeloop_service.console.words import improvement_lines
from closeloop_service.domain.errors import ImprovementNotFound
from closeloop_service.domain.improvement import (
    Assign,
    Change,
    ImprovementMove,
    ImprovementState,
    allowed_moves,
)
from closeloop_service.domain.rules import Rules
from closeloop_service.handlers import improvements as handlers
from closeloop_service.queries import improvements as queries
from closeloop_service.queries.improvements import Filters
from closeloop_service.rulebook.keeper import Keeper
from heardback.console.pages import Console, refuse_cross_site
from heardback.contracts.payloads import ThemeThresholdReached
from heardback.db import Database, Transaction
from heardback.errors import Conflict, Invalid
from heardback.http import DatabaseOf

PATH: Final = "/console/improvements"
_GONE: Final = ("There is no such improvement.", "Look for its title in the list, under All.")
_MOST: Final = 100
_MOST_REPORTERS: Final = 200
_FORM: Final = [Depends(refuse_cross_site)]
_SAFE: Final = r"^[^\x00-\x1f\x7f]*$"
_OPEN: Final = (ImprovementState.OPEN, ImprovementState.PLANNED)
_VIEWS: Final[Mapping[str, tuple[str, Filters]]] = {
    "": ("To mend", Filters(states=_OPEN)),
    "overdue": ("Overdue", Filters(overdue=True)),
    "shipped": ("Shipped", Filters(states=(ImprovementState.SHIPPED,))),
    "declined": ("Declined", Filters(states=(ImprovementState.DECLINED,))),
    "all": ("All", Filters()),
}
_CHANGES: Final = {
    "plan": ImprovementMove.PLAN,
    "put-back": ImprovementMove.PUT_BACK,
    "ship": ImprovementMove.SHIP,
    "decline": ImprovementMove.DECLINE,
    "reopen": ImprovementMove.REOPEN,
    "note": ImprovementMove.NOTE,
}
_WITH_WHY: Final = ("decline", "note")

ImprovementId = Annotated[str, Path(max_length=200, pattern=_SAFE)]
Name = Annotated[str, Path(max_length=40, pattern=_SAFE)]
Line = Annotated[str, Query(max_length=200, pattern=_SAFE)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How a page is looked at: its view and search, or what was typed into a refused form."""

    view: str = ""
    text: str = ""
    after: str = ""
    notice: str = ""
    opened: str = ""
    typed: Fields = field(default_factory=dict)

    def href(self, *, after: str) -> str:
        """Return the address of a later page of the list."""
        fields = {"view": self.view, "q": self.text, "after": after}
        return f"?{urlencode({name: value for name, value in fields.items() if value})}"


class ImprovementPages:
    """The routes of the list and of one improvement."""

    def __init__(self, *, console: Console, keeper: Keeper) -> None:
        self._console = console
        self._keeper = keeper
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get(PATH)(self.list_page)
        self.router.post(PATH, dependencies=_FORM)(self.open_by_hand)
        self.router.get(f"{PATH}/{{improvement_id}}")(self.page)
        self.router.post(f"{PATH}/{{improvement_id}}/{{move}}", dependencies=_FORM)(self.move)

    async def list_page(
        self,
        request: Request,
        database: DatabaseOf,
        view: Line = "",
        q: Line = "",
        after: Line = "",
    ) -> Response:
        """Show what is to be mended, the newest first."""
        sight = Sight(view=view if view in _VIEWS else "", text=q.strip(), after=after)
        return await self._list(request, database, sight)

    async def open_by_hand(self, request: Request, database: DatabaseOf) -> Response:
        """Open an improvement that no theme asked for."""
        fields = await fields_of(request)
        actor = fields.get("actor") or whoever_sits_here(request)
        try:
            check(fields)
            async with database.transaction() as tx:
                improvement_id = await self._open(tx, fields, actor)
        except (Conflict, Invalid) as refused:
            sight = Sight(notice=explain(refused), typed=fields)
            page = await self._list(request, database, sight)
            page.status_code = _status(refused)
            return page
        return remember(_there(improvement_id), actor)

    async def page(
        self, request: Request, database: DatabaseOf, improvement_id: ImprovementId
    ) -> Response:
        """Show one improvement."""
        try:
            return await self._show(request, database, improvement_id, Sight())
        except ImprovementNotFound:
            page = self._console.page(request, "missing.html", why=_GONE, there=PATH)
            page.status_code = HTTPStatus.NOT_FOUND
            return page

    async def move(
        self, request: Request, database: DatabaseOf, improvement_id: ImprovementId, move: Name
    ) -> Response:
        """Do with it what a button says; when that can't be, show it as it is."""
        fields = await fields_of(request)
        actor = fields.get("actor") or whoever_sits_here(request)
        try:
            check(fields)
            async with database.transaction() as tx:
                await self._do(tx, improvement_id, move, fields, actor)
        except (Conflict, Invalid) as refused:
            sight = Sight(notice=explain(refused), opened=move, typed=fields)
            page = await self._show(request, database, improvement_id, sight)
            page.status_code = _status(refused)
            return page
        return remember(_there(improvement_id), actor)

    async def _open(self, tx: Transaction, fields: Fields, actor: str) -> str:
        if not actor:
            raise NameMissing
        if not fields.get("title"):
            raise FieldMissing(field="title")
        theme = ThemeThresholdReached(
            theme_id=f"by-hand/{tx.ids.new()}",
            title=fields["title"],
            responses=0,
            detractors=0,
            customers=0,
            since=tx.now,
            reached_at=tx.now,
        )
        opened = await handlers.open_by_hand(
            tx,
            self._keeper,
            theme,
            actor=actor,
            owner=fields.get("owner") or None,
            note=fields.get("note", ""),
        )
        return opened.improvement_id

    async def _do(
        self, tx: Transaction, improvement_id: str, move: str, fields: Fields, actor: str
    ) -> None:
        if not actor:
            raise NameMissing
        note, version = fields.get("note", ""), version_of(fields)
        if move in _WITH_WHY and not note:
            raise FieldMissing(field="reason" if move == "decline" else "note")
        if move == "ticket":
            await handlers.renew_ticket(tx, self._keeper, improvement_id, actor=actor)
        elif move == "assign":
            assign = Assign(actor=actor, owner=fields.get("owner") or None, note=note)
            await handlers.move(tx, self._keeper, improvement_id, assign, version=version)
        elif move in _CHANGES:
            change = Change(move=_CHANGES[move], actor=actor, note=note)
            await handlers.move(tx, self._keeper, improvement_id, change, version=version)
        else:
            raise MoveUnknown

    async def _list(self, request: Request, database: Database, sight: Sight) -> Response:
        chosen = replace(_VIEWS[sight.view][1], text=sight.text)
        async with database.read() as connection:
            found = await queries.newest(
                connection, chosen, before=sight.after or None, limit=_MOST + 1
            )
            figures = await queries.figures(connection)
            trackers = await queries.trackers(connection)
            rules = await self._keeper.in_force(connection)
        more = found[_MOST - 1].improvement.improvement_id if len(found) > _MOST else ""
        return self._console.page(
            request,
            "improvements.html",
            lines=found[:_MOST],
            next=sight.href(after=more) if more else None,
            figures=figures,
            failing=[one for one in trackers.values() if one.fault],
            view=sight.view,
            views={name: label for name, (label, _) in _VIEWS.items()},
            q=sight.text,
            **_common(request, sight, rules),
        )

    async def _show(
        self, request: Request, database: Database, improvement_id: str, sight: Sight
    ) -> Response:
        async with database.read() as connection:
            line = await queries.find(connection, improvement_id)
            history = await queries.history_of(connection, improvement_id)
            reporters = await queries.reporters_of(
                connection, improvement_id, after=None, limit=_MOST_REPORTERS
            )
            rules = await self._keeper.in_force(connection)
        moves = allowed_moves(line.improvement.state)
        return self._console.page(
            request,
            "improvement.html",
            one=line.improvement,
            ticket=line.ticket,
            telling=line.telling,
            moves={str(move).replace("_", "-") for move in moves},
            history=improvement_lines(history),
            reporters=reporters,
            opened=sight.opened,
            **_common(request, sight, rules),
        )


def _common(request: Request, sight: Sight, rules: Rules) -> dict[str, Any]:
    return {
        "me": whoever_sits_here(request),
        "notice": sight.notice,
        "typed": defaultdict(str, sight.typed),
        "has_tracker": rules.improvements.tracker_id is not None,
        **people(rules),
    }


def _status(refused: Conflict | Invalid) -> HTTPStatus:
    if isinstance(refused, Conflict):
        return HTTPStatus.CONFLICT
    return HTTPStatus.UNPROCESSABLE_ENTITY


def _there(improvement_id: str) -> Response:
    page = f"{PATH}/{quote(improvement_id, safe='')}"
    return Response(status_code=303, headers={"Location": page})
