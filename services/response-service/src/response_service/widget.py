"""The widget: one script that product pages load, and a page to try it on."""

import gzip
import hashlib
from importlib import resources
from typing import Final

from fastapi import APIRouter, Request, Response

from heardback.customer_pages import CustomerPages
from response_service.settings import Settings

_SCRIPT: Final = (resources.files("response_service") / "assets" / "widget.js").read_bytes()
_PACKED: Final = gzip.compress(_SCRIPT, mtime=0)
_TAG: Final = f'"{hashlib.sha256(_SCRIPT).hexdigest()[:16]}"'
_HEADERS: Final = {
    # One address for all versions, so that product pages never change: short, then asked again.
    "Cache-Control": "public, max-age=3600, stale-while-revalidate=86400",
    "ETag": _TAG,
    "Vary": "Accept-Encoding",
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}

_WHAT_IT_TAKES: Final = "; script-src 'self'; connect-src http: https:"
"""All that the content-security policy of a strict page has to allow."""


def router(settings: Settings) -> APIRouter:
    """Return the routes of the widget; its demo only where the settings ask for it."""
    routes = APIRouter(tags=["widget"])
    routes.add_api_route("/widget.js", _script, methods=["GET", "HEAD"], include_in_schema=False)
    if settings.widget_demo:
        pages = CustomerPages(company=settings.company, package="response_service")

        @routes.get("/widget/demo", include_in_schema=False)
        async def demo(dispatch: str = "", token: str = "") -> Response:
            page = pages.page("demo.html", dispatch=dispatch, token=token)
            page.headers["Content-Security-Policy"] += _WHAT_IT_TAKES
            return page

    return routes


async def _script(request: Request) -> Response:
    if request.headers.get("if-none-match") == _TAG:
        return Response(status_code=304, headers=_HEADERS)
    packs = "gzip" in request.headers.get("accept-encoding", "")
    headers = {**_HEADERS, "Content-Encoding": "gzip"} if packs else _HEADERS
    return Response(
        _PACKED if packs else _SCRIPT, headers=headers, media_type="text/javascript; charset=utf-8"
    )
