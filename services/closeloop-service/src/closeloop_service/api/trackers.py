"""Trackers over HTTP: how each does, and the address at which each calls us."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from closeloop_service.api.improvement_views import TrackerList, TrackerView
from closeloop_service.domain.rules import Tracker
from closeloop_service.handlers.improvements import on_ticket_status
from closeloop_service.queries import improvements as queries
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import tickets
from closeloop_service.trackers.hooks import HookCall, HookHeard, NotFromTracker
from closeloop_service.trackers.kinds import KINDS
from heardback.bodies import read_body
from heardback.db import Transaction
from heardback.errors import NotFound
from heardback.http import DatabaseOf

MOST_BYTES: Final = 5_242_880
"""Of a call: an issue comes with all that is written in it."""
TrackerId = Annotated[str, Path(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class TrackerUnknown(NotFound):
    """The rules name no such tracker, or none that calls us."""

    tracker_id: str


def router(keeper: Keeper, secrets: Mapping[str, str]) -> APIRouter:
    """Return the routes. `secrets` by their names."""
    routes = APIRouter(prefix="/trackers", tags=["trackers"])

    @routes.get("")
    async def list_trackers(database: DatabaseOf) -> TrackerList:
        """List the trackers of the rules, and how each does."""
        async with database.read() as connection:
            rules = (await keeper.in_force(connection)).improvements
            known = await queries.trackers(connection)
        views = [
            _view(
                tracker, known.get(tracker.tracker_id), new=tracker.tracker_id == rules.tracker_id
            )
            for tracker in rules.trackers.values()
        ]
        return TrackerList(trackers=views)

    @routes.post("/{tracker_id}/webhook", status_code=204, response_class=Response)
    async def hear(tracker_id: TrackerId, request: Request, database: DatabaseOf) -> Response:
        """Hear from a tracker that a ticket changed; it must be signed as that tracker signs."""
        call = HookCall(
            headers=dict(request.headers),
            query=dict(request.query_params),
            body=await read_body(request, most_bytes=MOST_BYTES),
            received_at=database.clock.now(),
        )
        async with database.transaction() as tx:
            rules = await keeper.in_force(tx.connection)
            tracker = rules.improvements.trackers.get(tracker_id)
            heard = await _heard(tx, tracker, call, secrets, tracker_id)
            await _take_in(tx, keeper, tracker_id, heard)
        answer = Response(status_code=200 if heard.handshake else 204)
        if heard.handshake:
            answer.headers["X-Hook-Secret"] = heard.handshake
        return answer

    return routes


async def _heard(
    tx: Transaction,
    tracker: Tracker | None,
    call: HookCall,
    secrets: Mapping[str, str],
    tracker_id: str,
) -> HookHeard:
    """Read a call, by the secret that the rules name and those that the tracker brought."""
    if tracker is None or tracker.webhook_secret is None:
        raise TrackerUnknown(tracker_id=tracker_id)
    ours = secrets.get(tracker.webhook_secret)
    if not ours:
        raise NotFromTracker
    theirs = await tickets.hook_secrets(tx.connection, tracker_id)
    return KINDS[tracker.kind].heard(call, [ours, *theirs])


async def _take_in(tx: Transaction, keeper: Keeper, tracker_id: str, heard: HookHeard) -> None:
    """Have the tickets looked at; take the status from a tracker that can't be read."""
    if heard.handshake is not None:
        await tickets.add_hook_secret(tx.connection, tracker_id, heard.handshake)
    if heard.status is None:
        await tickets.look_at(tx, tracker_id, heard.tickets)
        return
    for name in heard.tickets:
        ticket = await tickets.find(tx.connection, tracker_id, name)
        if ticket is not None:
            await on_ticket_status(tx, keeper, ticket, heard.status, url=heard.url)


def _view(tracker: Tracker, line: queries.TrackerLine | None, *, new: bool) -> TrackerView:
    return TrackerView(
        tracker_id=tracker.tracker_id,
        kind=tracker.kind,
        project=tracker.project,
        new_tickets=new,
        fault=line.fault if line else None,
        failing_since=line.failing_since if line else None,
        try_at=line.try_at if line else None,
    )
