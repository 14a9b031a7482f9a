"""The pages that customers see: one look, no script, one request, nothing given away.

Each page carries its style inline; the content-security policy allows that style by its hash and
nothing else. Links in them are secrets: no referrer, no cache, no index.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable, Coroutine, Mapping
from importlib import resources
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import (
    ChoiceLoader,
    Environment,
    PackageLoader,
    StrictUndefined,
)

from heardback.db import is_transient
from heardback.errors import NotFound
from heardback.security import LinkExpired, LinkTampered

RETRY_AFTER_SECONDS: Final = 5
_PATIENCE_SECONDS: Final = 10


class CustomerPages:
    """Renders the pages of one service: its templates, and those that every service has."""

    def __init__(self, *, company: str, package: str) -> None:
        """`package` holds `templates/`; a `style.css` in it joins the shared style."""
        style = _style(package)
        self._environment = Environment(
            loader=ChoiceLoader(
                [PackageLoader(package), PackageLoader("heardback", "customer_pages")]
            ),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._environment.globals.update(company=company, style=style)
        self._headers: Final = {
            "Content-Security-Policy": _policy(style),
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "X-Robots-Tag": "noindex, nofollow",
            "X-Content-Type-Options": "nosniff",
        }

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **words: Any,
    ) -> HTMLResponse:
        """Return the page of `template`."""
        html = self._environment.get_template(template).render(words)
        return HTMLResponse(html, status, headers={**self._headers, **(headers or {})})

    def message(self, title: str, *lines: str, status: int) -> HTMLResponse:
        """Return a page that only says something."""
        return self.page("message.html", status=status, title=title, lines=lines, refresh=None)

    def not_found(self) -> HTMLResponse:
        """Return what every link gets that leads nowhere, whatever the reason."""
        return self.message(
            "This link does not work",
            "Perhaps a part of it was cut off. Open it once more from the message that we sent you,"
            " or copy all of it.",
            status=404,
        )

    def expired(self) -> HTMLResponse:
        """Return what a link gets whose time is over."""
        return self.message(
            "This survey is closed",
            "Our links work for a limited time, and the time of this one is over.",
            "If you answered before, your answer is safe. Thank you.",
            status=410,
        )

    def unavailable(self, *, refresh: bool) -> HTMLResponse:
        """Return what to show while a part is away; with `refresh` the page tries by itself."""
        lines = (
            ["We can't open this page just now. It tries again by itself in a few seconds."]
            if refresh
            else ["We can't do this just now. Please go back and try again in a moment."]
        )
        return self.page(
            "message.html",
            status=503,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            title="One moment, please",
            lines=lines,
            refresh=RETRY_AFTER_SECONDS if refresh else None,
        )

    def for_error(self, request: Request, error: Exception) -> HTMLResponse | None:
        """Return the page for `error`, or None: it is a bug."""
        if isinstance(error, LinkExpired):
            return self.expired()
        if isinstance(error, LinkTampered | NotFound | RequestValidationError):
            return self.not_found()
        if is_transient(error):
            return self.unavailable(refresh=request.method == "GET")
        return None

    def route_class(self) -> type[APIRoute]:
        """Return the class of routes that answer errors with pages, and never keep one waiting."""
        pages = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                answer = super().get_route_handler()

                async def friendly(request: Request) -> Response:
                    try:
                        async with asyncio.timeout(_PATIENCE_SECONDS):
                            return await answer(request)
                    except Exception as error:
                        page = pages.for_error(request, error)
                        if page is None:
                            raise
                        return page

                return friendly

        return PageRoute


def _style(package: str) -> str:
    shared = resources.files("heardback.customer_pages") / "page.css"
    own = resources.files(package) / "templates" / "style.css"
    sheets = [shared, own] if own.is_file() else [shared]
    return _compact("".join(sheet.read_text("utf-8") for sheet in sheets))


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )


def _compact(css: str) -> str:
    """Return `css` without the white space that only people need."""
    tight = re.sub(r"\s*([{};,])\s*", r"\1", " ".join(css.split()))
    return tight.replace(": ", ":").replace(";}", "}")
