"""Pages in the shared look: rail, header, theme, and a policy that lets nothing foreign in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import PackageLoader
from starlette.datastructures import Headers

from heardback.clock import Clock
from heardback.console.assets import Assets
from heardback.console.countdown import countdown
from heardback.errors import Permanent
from heardback.html import environment
from heardback.settings import ServiceSettings

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""What every page and patch is sent with."""

_THEMES: Final = ("light", "dark")


class CrossSiteForm(Permanent):
    """The form was sent from another site; open the console and send it from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationLink:
    """One line of the rail."""

    label: str
    url: str


def navigation(settings: ServiceSettings) -> list[NavigationLink]:
    """Return the lines of the rail: the pages whose address is known."""
    pages = {
        "Board": settings.board_url,
        "Improvements": settings.improvements_url,
        "Rules": settings.rules_url,
        "Dashboard": settings.dashboard_url,
        "Programs": settings.programs_url,
        "Surveys": settings.surveys_url,
        "Messages": settings.messages_url,
        "Quarantine": settings.quarantine_url,
    }
    return [NavigationLink(label=label, url=url) for label, url in pages.items() if url]


class Console:
    """One service's part of the console."""

    def __init__(
        self, *, package: str, active: str, navigation: Sequence[NavigationLink], clock: Clock
    ) -> None:
        """`package` holds `templates/`; `active` is the label of its line in the rail."""
        self._clock = clock
        self._assets = Assets()
        self._environment = environment(PackageLoader(package), PackageLoader("heardback.console"))
        self._environment.globals |= {
            "asset": self._assets.url,
            "navigation": tuple(navigation),
            "active": active,
            "countdown": countdown,
        }

    @property
    def assets_router(self) -> APIRouter:
        """The routes of the stylesheet, the script and the icon."""
        return self._assets.router

    def page(
        self, request: Request, template: str, *, position: str | None = None, **context: Any
    ) -> HTMLResponse:
        """Return a whole page. It is live when `position` is given: `hub.position`.

        Read the position before the queries of `context`: a change in between is then caught up.
        """
        theme = request.cookies.get("theme")
        html = self.render(
            template, theme=theme if theme in _THEMES else None, position=position, **context
        )
        return HTMLResponse(html, headers=SECURITY_HEADERS)

    def render(self, template: str, **context: Any) -> str:
        """Return a fragment, or anything else that a template makes."""
        return self._environment.get_template(template).render(now=self._clock.now(), **context)


def table_rows(*rows: str) -> str:
    """Return rows as a patch can carry them: without a table around, a browser drops a `<tr>`."""
    return f"<table><tbody>{''.join(rows)}</tbody></table>"


def patch(*fragments: str, status: int = 200) -> HTMLResponse:
    """Return the answer to a `form[data-live]`: elements, each with its id."""
    return HTMLResponse("".join(fragments), status, headers=SECURITY_HEADERS)


def wants_patch(request: Request) -> bool:
    """Tell whether the script sent this form; else the browser did, and expects a page."""
    return request.headers.get("x-patch") == "1"


def back(request: Request, fallback: str) -> Response:
    """Send a browser without script back to our page that it came from."""
    came_from = urlsplit(request.headers.get("referer", ""))
    path = came_from.path if came_from.netloc == request.headers.get("host") else ""
    target = path if path.startswith("/") and not path.startswith("//") else fallback
    query = f"?{came_from.query}" if target == path and came_from.query else ""
    return Response(status_code=303, headers={"Location": target + query})


def refuse_cross_site(request: Request) -> None:
    """Guard a form's route, as a dependency: another site's page can't press our buttons.

    Raises: CrossSiteForm. Clients that are not browsers send neither header and pass.
    """
    headers: Headers = request.headers
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
    if site not in (None, "same-origin", "none") or (site is None and foreign):
        raise CrossSiteForm
