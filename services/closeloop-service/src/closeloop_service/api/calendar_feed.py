"""Each owner's due dates as a calendar, for the programs that people keep their days in."""

from typing import Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from closeloop_service.api.tasks import NameInPath
from closeloop_service.domain.due_feed import due_feed
from closeloop_service.domain.errors import FeedsOff, FeedUnknown, OwnerUnknown
from closeloop_service.ops_alerts.links import Links
from closeloop_service.queries import tasks
from closeloop_service.queries.tasks import Filters
from closeloop_service.rulebook.keeper import Keeper
from heardback.http import DatabaseOf
from heardback.security import LinkTampered

_MOST_EVENTS: Final = 500
_HEADERS: Final = {
    "Content-Disposition": 'inline; filename="due.ics"',
    "Cache-Control": "private, no-store",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
}


class FeedView(BaseModel):
    """Where an owner's calendar is. Whoever has the address can read it."""

    model_config = ConfigDict(frozen=True)

    owner: str
    url: str


def router(keeper: Keeper, links: Links) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/owners", tags=["owners"])

    @routes.get("/{name}/calendar")
    async def get_calendar(name: NameInPath, database: DatabaseOf) -> FeedView:
        """Return the address to subscribe to, for somebody who is in a team."""
        async with database.read() as connection:
            rules = await keeper.in_force(connection)
        teams = rules.routing.teams.values()
        if not any(member.name == name for team in teams for member in team.members):
            raise OwnerUnknown(owner=name)
        url = links.feed(name)
        if url is None:
            raise FeedsOff
        return FeedView(owner=name, url=url)

    @routes.get(
        "/{name}/due.ics",
        response_class=Response,
        responses={200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
    )
    async def get_due_feed(
        name: NameInPath, database: DatabaseOf, key: str = Query(default="", max_length=200)
    ) -> Response:
        """Return the owner's due dates (RFC 5545); paused tasks have none."""
        try:
            links.check_feed(name, key)
        except LinkTampered:
            raise FeedUnknown from None
        async with database.read() as connection:
            filters = Filters(active=True, owner=name)
            found = await tasks.most_urgent_tasks(connection, filters, limit=_MOST_EVENTS)
        feed = due_feed(name, found, board_url=links.board_url, now=database.clock.now())
        return Response(feed, media_type="text/calendar; charset=utf-8", headers=_HEADERS)

    return routes
