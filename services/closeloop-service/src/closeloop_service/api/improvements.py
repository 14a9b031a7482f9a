"""Improvements over HTTP: pages of them, one with its history, and what people do with them."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from closeloop_service.api.idempotent import COMMAND, OnceOf
from closeloop_service.api.improvement_views import (
    ChangeForm,
    DeclineForm,
    ImprovementForm,
    ImprovementPage,
    ImprovementView,
    ImprovementWithHistory,
    NoteForm,
    OwnerForm,
    ReporterPage,
    ReporterView,
    TicketForm,
)
from closeloop_service.domain.improvement import (
    Assign,
    Change,
    Command,
    ImprovementMove,
    ImprovementState,
)
from closeloop_service.handlers import improvements as handlers
from closeloop_service.queries import improvements as queries
from closeloop_service.queries.improvements import Filters
from closeloop_service.rulebook.keeper import Keeper
from heardback.bodies import BoundedRoute
from heardback.contracts.payloads import ThemeThresholdReached
from heardback.db import Transaction
from heardback.http import DatabaseOf

_SAFE: Final = r"^[^\x00-\x1f\x7f]*$"
_Word = Annotated[str, Field(max_length=200, pattern=_SAFE)]
ImprovementId = Annotated[str, Path(max_length=200, pattern=_SAFE)]


class ImprovementQuery(BaseModel):
    """Which improvements are wanted. `q` searches title, owner, theme and ticket."""

    model_config = ConfigDict(extra="forbid")

    state: Annotated[list[ImprovementState], Field(max_length=4)] = []
    theme_id: _Word | None = None
    owner: _Word | None = None
    overdue: bool | None = None
    q: _Word = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 100
    cursor: _Word | None = None


class ReporterQuery(BaseModel):
    """Which part of the reporters is wanted."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1_000)] = 200
    cursor: _Word | None = None


def router(keeper: Keeper) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/improvements", tags=["improvements"], route_class=BoundedRoute)
    routes.get("")(list_improvements)
    routes.get("/{improvement_id}")(get_improvement)
    routes.get("/{improvement_id}/reporters")(list_reporters)
    _add_opening(routes, keeper)
    _add_changes(routes, keeper)
    _add_closing(routes, keeper)
    return routes


async def list_improvements(
    database: DatabaseOf, query: Annotated[ImprovementQuery, Query()]
) -> ImprovementPage:
    """Return a page of improvements."""
    filters = Filters(
        states=query.state,
        theme_id=query.theme_id,
        owner=query.owner,
        overdue=query.overdue,
        text=query.q,
    )
    async with database.read() as connection:
        found = await queries.newest(
            connection, filters, before=query.cursor, limit=query.limit + 1
        )
    shown = [ImprovementView.of(line) for line in found[: query.limit]]
    following = shown[-1].improvement_id if len(found) > query.limit else None
    return ImprovementPage(improvements=shown, next=following)


async def get_improvement(
    database: DatabaseOf, improvement_id: ImprovementId
) -> ImprovementWithHistory:
    """Return one improvement with its history."""
    async with database.read() as connection:
        line = await queries.find(connection, improvement_id)
        history = await queries.history_of(connection, improvement_id)
    return ImprovementWithHistory.with_history(line, history)


async def list_reporters(
    database: DatabaseOf, improvement_id: ImprovementId, query: Annotated[ReporterQuery, Query()]
) -> ReporterPage:
    """Return a page of the customers who spoke of it."""
    async with database.read() as connection:
        await queries.find(connection, improvement_id)
        found = await queries.reporters_of(
            connection, improvement_id, after=query.cursor, limit=query.limit + 1
        )
    shown = [ReporterView.model_validate(one) for one in found[: query.limit]]
    following = shown[-1].customer_id if len(found) > query.limit else None
    return ReporterPage(reporters=shown, next=following)


def _add_opening(routes: APIRouter, keeper: Keeper) -> None:
    @routes.post("", response_model=ImprovementView, status_code=201, dependencies=COMMAND)
    async def open_improvement(body: ImprovementForm, once: OnceOf) -> Response:
        """Open an improvement that no theme asked for. A theme has one open improvement."""

        async def open_it(tx: Transaction) -> ImprovementView:
            theme = ThemeThresholdReached(
                theme_id=body.theme_id or f"by-hand/{tx.ids.new()}",
                title=body.title,
                responses=0,
                detractors=0,
                customers=0,
                since=tx.now,
                reached_at=tx.now,
            )
            opened = await handlers.open_by_hand(
                tx, keeper, theme, actor=body.actor, owner=body.owner, note=body.note
            )
            return await _view(tx, opened.improvement_id)

        return await once(open_it, status=201)

    @routes.post("/{improvement_id}/ticket", response_model=ImprovementView, dependencies=COMMAND)
    async def renew_ticket(
        improvement_id: ImprovementId, body: TicketForm, once: OnceOf
    ) -> Response:
        """Have another ticket made, in the tracker that the rules name; the old one is left."""

        async def renew(tx: Transaction) -> ImprovementView:
            await handlers.renew_ticket(tx, keeper, improvement_id, actor=body.actor)
            return await _view(tx, improvement_id)

        return await once(renew)


def _add_changes(routes: APIRouter, keeper: Keeper) -> None:
    @routes.post("/{improvement_id}/assign", response_model=ImprovementView, dependencies=COMMAND)
    async def assign(improvement_id: ImprovementId, body: OwnerForm, once: OnceOf) -> Response:
        """Say who is to see to it."""
        command = Assign(actor=body.actor, owner=body.owner, note=body.note)
        return await _move(once, keeper, improvement_id, command, body.version)

    @routes.post("/{improvement_id}/note", response_model=ImprovementView, dependencies=COMMAND)
    async def note(improvement_id: ImprovementId, body: NoteForm, once: OnceOf) -> Response:
        """Write something down in its history."""
        return await _change(once, keeper, improvement_id, ImprovementMove.NOTE, body)

    @routes.post("/{improvement_id}/plan", response_model=ImprovementView, dependencies=COMMAND)
    async def plan(improvement_id: ImprovementId, body: ChangeForm, once: OnceOf) -> Response:
        """Say that somebody works on it."""
        return await _change(once, keeper, improvement_id, ImprovementMove.PLAN, body)

    @routes.post("/{improvement_id}/put-back", response_model=ImprovementView, dependencies=COMMAND)
    async def put_back(improvement_id: ImprovementId, body: ChangeForm, once: OnceOf) -> Response:
        """Say that nobody works on it any more."""
        return await _change(once, keeper, improvement_id, ImprovementMove.PUT_BACK, body)


def _add_closing(routes: APIRouter, keeper: Keeper) -> None:
    @routes.post("/{improvement_id}/ship", response_model=ImprovementView, dependencies=COMMAND)
    async def ship(improvement_id: ImprovementId, body: ChangeForm, once: OnceOf) -> Response:
        """Say that it is live: each reporter is told once. This can't be undone."""
        return await _change(once, keeper, improvement_id, ImprovementMove.SHIP, body)

    @routes.post("/{improvement_id}/decline", response_model=ImprovementView, dependencies=COMMAND)
    async def decline(improvement_id: ImprovementId, body: DeclineForm, once: OnceOf) -> Response:
        """Say that it will not be mended, and why; nobody is told."""
        return await _change(once, keeper, improvement_id, ImprovementMove.DECLINE, body)

    @routes.post("/{improvement_id}/reopen", response_model=ImprovementView, dependencies=COMMAND)
    async def reopen(improvement_id: ImprovementId, body: ChangeForm, once: OnceOf) -> Response:
        """Take a "no" back."""
        return await _change(once, keeper, improvement_id, ImprovementMove.REOPEN, body)


async def _change(
    once: OnceOf, keeper: Keeper, improvement_id: str, move: ImprovementMove, body: ChangeForm
) -> Response:
    command = Change(move=move, actor=body.actor, note=body.note)
    return await _move(once, keeper, improvement_id, command, body.version)


async def _move(
    once: OnceOf, keeper: Keeper, improvement_id: str, command: Command, version: int | None
) -> Response:
    async def move(tx: Transaction) -> ImprovementView:
        await handlers.move(tx, keeper, improvement_id, command, version=version)
        return await _view(tx, improvement_id)

    return await once(move)


async def _view(tx: Transaction, improvement_id: str) -> ImprovementView:
    return ImprovementView.of(await queries.find(tx.connection, improvement_id))
