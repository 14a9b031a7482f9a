"""A customer's browser: opens the link of a mail, sends the form, reads the thank-you."""

import asyncio
import hashlib
from dataclasses import dataclass
from time import monotonic
from typing import Final
from urllib.parse import urljoin

import httpx2

from heardback.errors import Permanent
from heardback_local.survey_page import SurveyForm, survey_form

_AGAIN_SECONDS: Final = 0.5
_AT_ONCE: Final = 16
_HEADERS: Final = {
    "Accept": "text/html,application/xhtml+xml",
    "Accept-Language": "en",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}


class VisitFailed(Permanent):
    """A page of the survey is not what a customer needs."""

    url: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPage:
    """A survey page in front of a customer."""

    url: str
    form: SurveyForm


class Visitor:
    """Visits pages; a server that is away is tried again, as people do, until patience ends."""

    def __init__(self, client: httpx2.AsyncClient, *, patience_seconds: float) -> None:
        self._client = client
        self._patience_seconds = patience_seconds
        self._seats = asyncio.Semaphore(_AT_ONCE)

    async def open(self, link: str) -> OpenPage:
        """Follow the link of a score.

        Raises: VisitFailed (no form, or another score than the link's is chosen), httpx2.HTTPError.
        """
        answer = await self._request("GET", link)
        form = survey_form(answer.text)
        if form is None:
            raise VisitFailed(url=_without_token(link), why="the page has no form with scores")
        wanted = httpx2.URL(link).params.get("score")
        if form.preselected != wanted:
            why = f"the link says {wanted}, the page has {form.preselected} chosen"
            raise VisitFailed(url=_without_token(link), why=why)
        return OpenPage(url=str(answer.url), form=form)

    async def submit(self, page: OpenPage, *, score: int, comment: str | None) -> None:
        """Send the form and expect thanks.

        Raises: VisitFailed, httpx2.HTTPError.
        """
        target = urljoin(page.url, page.form.action)
        try:
            sent = page.form.filled(score=score, comment=comment)
        except KeyError as error:
            why = f"the form has no place for {error}"
            raise VisitFailed(url=_without_token(target), why=why) from error
        answer = await self._request(page.form.method.upper(), target, sent)
        if "thank" not in answer.text.lower():
            raise VisitFailed(url=_without_token(target), why="the answer is not a thank-you")

    async def _request(
        self, method: str, url: str, form: dict[str, str] | None = None
    ) -> httpx2.Response:
        deadline = monotonic() + self._patience_seconds
        headers = {**_HEADERS, "X-Forwarded-For": _home(url)}
        while True:
            try:
                async with self._seats:
                    answer = await self._client.request(
                        method, url, data=form, headers=headers, follow_redirects=True
                    )
                if not answer.is_server_error or monotonic() > deadline:
                    break
            except httpx2.TransportError:
                if monotonic() > deadline:
                    raise
            await asyncio.sleep(_AGAIN_SECONDS)
        if answer.status_code != httpx2.codes.OK:
            raise VisitFailed(url=_without_token(url), why=f"HTTP {answer.status_code}")
        return answer


def _home(url: str) -> str:
    """Return the address that a customer comes from: each link has its own, always the same."""
    digest = hashlib.blake2b(httpx2.URL(url).path.encode(), digest_size=3).digest()
    return f"10.{digest[0]}.{digest[1]}.{digest[2]}"


def _without_token(url: str) -> str:
    """Return the URL as it may be shown: the token is the customer's alone."""
    parts = httpx2.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}{parts.path.rpartition('/')[0]}/…"
