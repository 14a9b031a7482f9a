"""The page behind the link in a message to ops: what it was about, and a button: seen.

Programs that look at links ahead of people only ever open it: opening changes nothing.
"""

from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from closeloop_service.console.forms import check, fields_of, remember, whoever_sits_here
from closeloop_service.console.refusals import explain
from closeloop_service.ops_alerts.acknowledging import MOST_TASKS, Acknowledged, acknowledge
from closeloop_service.ops_alerts.links import Links
from closeloop_service.queries import alerts as queries
from closeloop_service.rulebook.keeper import Keeper
from heardback.console.pages import Console, refuse_cross_site
from heardback.db import Database
from heardback.errors import Invalid, NotFound
from heardback.http import DatabaseOf
from heardback.security import LinkExpired, LinkTampered

_GONE: Final = ("This link leads nowhere.", "Open the board; what waits stands there.")
_OVER: Final = ("This link’s time is over.", "Open the board; what still waits stands there.")
_NAMELESS: Final = "Say who you are: the others see who has seen it."


class AlertPages:
    """The pages of links in messages."""

    def __init__(self, *, console: Console, links: Links, keeper: Keeper) -> None:
        self._console = console
        self._links = links
        self._keeper = keeper
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.head("/alerts/{token}")(self.show)
        self.router.get("/alerts/{token}")(self.show)
        form = [Depends(refuse_cross_site)]
        self.router.post("/alerts/{token}", dependencies=form)(self.see)

    async def show(self, request: Request, database: DatabaseOf, token: str) -> Response:
        """Show what a message was about, and whether somebody has seen it."""
        try:
            message_id = self._links.read(token, database.clock.now())
            return await self._page(request, database, message_id)
        except (LinkTampered, NotFound):
            return self._nothing(request, _GONE, 404)
        except LinkExpired:
            return self._nothing(request, _OVER, 410)

    async def see(self, request: Request, database: DatabaseOf, token: str) -> Response:
        """Note who has seen it; again changes nothing."""
        try:
            message_id = self._links.read(token, database.clock.now())
            fields = await fields_of(request)
            check(fields)
            actor = fields.get("owner", "")
            if not actor:
                return await self._page(request, database, message_id, _NAMELESS, status=422)
            async with database.transaction() as tx:
                seen = await acknowledge(tx, self._keeper, message_id, actor)
        except Invalid as error:
            return await self._page(request, database, message_id, explain(error), status=422)
        except (LinkTampered, NotFound):
            return self._nothing(request, _GONE, 404)
        except LinkExpired:
            return self._nothing(request, _OVER, 410)
        page = await self._page(request, database, message_id, _what_came_of_it(seen))
        return remember(page, actor)

    async def _page(
        self,
        request: Request,
        database: Database,
        message_id: str,
        notice: str = "",
        status: int = 200,
    ) -> Response:
        async with database.read() as connection:
            message = await queries.find_message(connection, message_id)
            seen = await queries.seen_by(connection, message_id)
        page = self._console.page(
            request,
            "alert.html",
            message=message,
            seen=seen,
            me=whoever_sits_here(request),
            notice=notice,
            takes_tasks=len(message.content.items) + message.content.more <= MOST_TASKS,
        )
        page.status_code = status
        return page

    def _nothing(self, request: Request, why: tuple[str, str], status: int) -> Response:
        page = self._console.page(request, "missing.html", why=why, there="/")
        page.status_code = status
        return page


def _what_came_of_it(seen: Acknowledged) -> str:
    if not seen.is_new:
        return "Somebody had seen it already; nothing changed."
    if seen.too_many:
        return "Noted. The tasks are too many to take at once; take yours from the board."
    taken = [moved for moved in seen.tasks if moved.task is not None]
    left = [moved for moved in seen.tasks if moved.error is not None]
    parts = ["Noted."]
    if taken:
        parts.append(f"{len(taken)} {'task is' if len(taken) == 1 else 'tasks are'} acknowledged.")
    parts += [explain(moved.error) for moved in left[:1] if moved.error is not None]
    return " ".join(parts)
