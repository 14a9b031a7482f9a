"""The pages that customers see: one look, no script, one request, nothing given away.

Each page carries its style inline; the content-security policy allows that style by its hash and
nothing else. Links in them are secrets: no referrer, no cache, no index.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import PackageLoader

from heardback.customer_pages.languages import preferred_locale
from heardback.customer_pages.skeleton import Skeleton, slot
from heardback.customer_pages.style import policy_for, style_of
from heardback.db import is_transient
from heardback.errors import NotFound, TooLarge, TooManyRequests
from heardback.html import environment
from heardback.security import LinkExpired, LinkTampered
from heardback.words import words_of

__all__ = [
    "PATIENCE_SECONDS",
    "RETRY_AFTER_SECONDS",
    "CustomerPages",
    "Skeleton",
    "preferred_locale",
    "slot",
]

RETRY_AFTER_SECONDS: Final = 5
PATIENCE_SECONDS: Final = 10
"""How long a page may take before we say that it does not come."""

Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class CustomerPages:
    """Renders the pages of one service: its templates, and those that every service has.

    `locale` is the customer's, or what their browser prefers; None: English. Templates see
    `words`, what Heardback says in it, and `company`.
    """

    def __init__(self, *, company: str, package: str) -> None:
        """`package` holds `templates/`; a `style.css` in it joins the shared style."""
        style = style_of(package)
        ours = PackageLoader("heardback", "customer_pages")
        self._environment = environment(PackageLoader(package), ours)
        self._environment.globals.update(company=company, style=style)
        headers = {
            "content-security-policy": policy_for(style),
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
            "x-robots-tag": "noindex, nofollow",
            "x-content-type-options": "nosniff",
        }
        # Encoded once, and not for each page.
        self._headers: Final = [(name.encode(), text.encode()) for name, text in headers.items()]

    def page(
        self,
        template: str,
        *,
        locale: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """Return the page of `template`."""
        return self.respond(self.render(template, locale, **values), status, headers)

    def render(self, template: str, locale: str | None, **values: Any) -> str:
        """Return the HTML of `template`."""
        words = words_of(locale)
        spoken = {"words": words, "lang": words.locale, "direction": words.direction}
        return self._environment.get_template(template).render({**spoken, **values})

    def respond(
        self, html: str | bytes, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> HTMLResponse:
        """Return a page that is rendered, with the headers that keep it to itself."""
        page = HTMLResponse(html, status, headers)
        page.raw_headers += self._headers
        return page

    def message(
        self, title: str, *lines: str, status: int, locale: str | None = None
    ) -> HTMLResponse:
        """Return a page that only says something."""
        return self._say(title, lines, status=status, locale=locale)

    def not_found(self, locale: str | None = None) -> HTMLResponse:
        """Return what every link gets that leads nowhere, whatever the reason."""
        return self._tell("not_found", status=404, locale=locale)

    def expired(self, locale: str | None = None) -> HTMLResponse:
        """Return what a link gets whose time is over."""
        return self._tell("expired", "expired_safe", status=410, locale=locale)

    def too_large(self, locale: str | None = None) -> HTMLResponse:
        """Return what a form gets that is larger than any answer."""
        return self._tell("too_large", status=413, locale=locale)

    def too_many(self, seconds: int, locale: str | None = None) -> HTMLResponse:
        """Return what somebody gets who is too fast, and may come again in `seconds`."""
        wait = {"Retry-After": str(seconds)}
        return self._tell("too_many", status=429, locale=locale, headers=wait)

    def unavailable(self, *, retry: bool, locale: str | None = None) -> HTMLResponse:
        """Return what to show while a part is away; with `retry` a link tries once more.

        It does not try by itself: that would speak again and again to who listens to the page.
        """
        words = words_of(locale)
        return self._say(
            words["page.unavailable_title"],
            [words["page.unavailable_retry" if retry else "page.unavailable"]],
            status=503,
            locale=locale,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            retry=retry,
        )

    def for_error(self, request: Request, error: Exception) -> HTMLResponse | None:
        """Return the page for `error`, or None: it is a bug."""
        locale = preferred_locale(request)
        if isinstance(error, LinkExpired):
            return self.expired(locale)
        if isinstance(error, LinkTampered | NotFound | RequestValidationError):
            return self.not_found(locale)
        if isinstance(error, TooManyRequests):
            return self.too_many(error.retry_after_seconds, locale)
        if isinstance(error, TooLarge):
            return self.too_large(locale)
        if is_transient(error):
            return self.unavailable(retry=request.method == "GET", locale=locale)
        return None

    def _tell(
        self,
        name: str,
        *more: str,
        status: int,
        locale: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        words = words_of(locale)
        lines = [words[f"page.{key}"] for key in (name, *more)]
        title = words[f"page.{name}_title"]
        return self._say(title, lines, status=status, locale=locale, headers=headers)

    def _say(
        self,
        title: str,
        lines: Sequence[str],
        *,
        status: int,
        locale: str | None,
        headers: Mapping[str, str] | None = None,
        retry: bool = False,
    ) -> HTMLResponse:
        return self.page(
            "message.html",
            locale=locale,
            status=status,
            headers=headers,
            title=title,
            lines=lines,
            retry=retry,
        )

    def friendly(self, answer: Handle) -> Handle:
        """Return `answer` with pages for errors."""

        async def answer_kindly(request: Request) -> Response:
            try:
                return await answer(request)
            except Exception as error:
                page = self.for_error(request, error)
                if page is None:
                    raise
                return page

        return answer_kindly

    def route_class(self) -> type[APIRoute]:
        """Return the class of routes whose errors are answered with pages."""
        pages = self

        class PageRoute(APIRoute):
            def get_route_handler(self) -> Handle:
                return pages.friendly(_in_time(super().get_route_handler()))

        return PageRoute


def _in_time(answer: Handle) -> Handle:
    """Return `answer` with an end to the waiting. It raises TimeoutError then."""

    async def answer_in_time(request: Request) -> Response:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await answer(request)

    return answer_in_time
