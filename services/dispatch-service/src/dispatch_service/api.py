"""The way out: a page that asks (GET), and the act (POST), which mail programs do in one click.

Source: RFC 8058: a GET never acts; the POST needs no cookie and does not redirect.
"""

from fastapi import APIRouter, Response

from dispatch_service import handlers, metrics, queries
from dispatch_service.mail import UNSUBSCRIBE_LINK
from dispatch_service.settings import Settings
from heardback.customer_pages import CustomerPages
from heardback.http import DatabaseOf
from heardback.security import LinkExpired, LinkSigner, LinkTampered


def router(settings: Settings) -> APIRouter:
    """Return the routes of the preference pages."""
    pages = CustomerPages(company=settings.company, package="dispatch_service")
    links = LinkSigner(settings.link_key_list, purpose=UNSUBSCRIBE_LINK)
    routes = APIRouter(tags=["preferences"], route_class=pages.route_class())

    @routes.head("/unsubscribe/{token}", include_in_schema=False)
    @routes.get("/unsubscribe/{token}", response_class=Response, operation_id="confirm_unsubscribe")
    async def confirm(token: str, database: DatabaseOf) -> Response:
        """Ask whether to stop; changes nothing."""
        invitation_id = _read(links, token, database)
        async with database.read() as connection:
            unsubscribed = await queries.is_unsubscribed(connection, invitation_id)
        if unsubscribed is None:
            raise handlers.UnknownInvitation
        return _done(pages) if unsubscribed else pages.page("unsubscribe.html")

    @routes.post("/unsubscribe/{token}", response_class=Response, operation_id="unsubscribe")
    async def unsubscribe(token: str, database: DatabaseOf) -> Response:
        """Stop asking this customer; doing it again changes nothing."""
        invitation_id = _read(links, token, database)
        async with database.transaction() as tx:
            new = await handlers.unsubscribe(tx, invitation_id)
        if new:
            metrics.UNSUBSCRIBES.add(1)
        return _done(pages)

    @routes.api_route("/unsubscribe", methods=["GET", "HEAD"], include_in_schema=False)
    @routes.api_route("/unsubscribe/{rest:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def nowhere(rest: str = "") -> Response:
        return pages.not_found()

    return routes


def _read(links: LinkSigner, token: str, database: DatabaseOf) -> str:
    """Return the invitation of a link out, whose time is never over."""
    try:
        invitation_id = links.read(token, now=database.clock.now())
    except LinkExpired as expired:
        invitation_id = expired.invitation_id
    except LinkTampered:
        metrics.LINKS.add(1, {"outcome": "tampered"})
        raise
    metrics.LINKS.add(1, {"outcome": "ok"})
    return invitation_id


def _done(pages: CustomerPages) -> Response:
    return pages.message(
        "You are off the list",
        "We will not ask you for feedback any more. There is nothing else to do.",
        status=200,
    )
