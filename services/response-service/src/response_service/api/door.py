"""The way in for everybody: links that are read, limits that hold, and flushes that are shared."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, cast
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.requests import ClientDisconnect

from heardback.bodies import read_body
from heardback.customer_pages import PATIENCE_SECONDS
from heardback.db import Database
from heardback.errors import TooManyRequests
from heardback.gathering import Gathering
from heardback.security import LinkExpired, LinkSigner, LinkTampered
from heardback.surveys import Survey
from response_service import metrics
from response_service.commands.looking import Look, Looking, Seen, Sight
from response_service.commands.submitting import (
    InvitationNotHereYet,
    Outcome,
    Submission,
    Submitting,
    Taken,
)
from response_service.domain.answer import Change
from response_service.domain.asks import Asks, read_asks, sign_asks
from response_service.domain.client import CLIENT_HEADERS, Client, client_of, forwarded_address
from response_service.domain.page_time import read_time, sign_time
from response_service.domain.rate import RateLimit, Variety
from response_service.queries import Asked
from response_service.settings import Settings
from response_service.store.surveys import KnownSurveys

SURVEY_LINK: Final = "survey"
MOST_BYTES: Final = 131_072
"""The longest comment, percent-encoded, with room to spare."""
_CODE_LENGTH: Final = 10
MOST_FIELDS: Final = 40
_FORWARDED: Final = "x-forwarded-for"
_TELLING: Final = {name.encode(): name for name in (*CLIENT_HEADERS, _FORWARDED)}


class Door:
    """What the routes for customers share."""

    def __init__(self, settings: Settings, surveys: KnownSurveys) -> None:
        self.settings: Final = settings
        self._surveys: Final = surveys
        self._links: Final = LinkSigner(settings.link_key_list, purpose=SURVEY_LINK)
        self._secrets: Final = settings.secrets
        self._hops: Final = settings.trusted_proxy_hops
        self._by_address: Final = RateLimit(settings.limit_per_address)
        self._by_link: Final = RateLimit(settings.limit_per_link)
        self._answered: Final = Variety()
        self._looking: Gathering[Look, Sight] | None = None
        self._submitting: Gathering[Submission, Outcome] | None = None

    def client(self, request: Request) -> Client:
        """Return who asks."""
        headers: dict[str, str] = {}
        for name, value in request.scope["headers"]:
            if name in _TELLING:
                known, text = _TELLING[name], value.decode("latin-1")
                if known == _FORWARDED and known in headers:  # each proxy may add a line
                    text = f"{headers[known]},{text}"
                headers[known] = text
        peer, hops = request.scope["client"], self._hops
        told = headers.get(_FORWARDED, "") if hops else ""
        address = forwarded_address(peer[0] if peer else "", told, hops=hops)
        return client_of(headers, address, secret=self._secrets[0])

    def admit(self, request: Request, client: Client, now: datetime) -> None:
        """Let a request pass, or not; links that are none of ours count here alone.

        Raises: TooManyRequests.
        """
        _refuse(self._by_address.take(_counted(request, client.address), now))

    def admit_to(self, request: Request, invitation_id: str, now: datetime) -> None:
        """Let a request for an invitation pass, or not, by whichever link and however written.

        Raises: TooManyRequests.
        """
        _refuse(self._by_link.take(_counted(request, invitation_id), now))

    def read_link(self, token: str, now: datetime) -> str:
        """Return the invitation of a link.

        Raises: LinkTampered, LinkExpired.
        """
        try:
            return self._links.read(token, now=now)
        except LinkTampered:
            metrics.LINKS.add(1, {"outcome": "tampered"})
            raise
        except LinkExpired:
            metrics.LINKS.add(1, {"outcome": "expired"})
            raise

    async def look(self, request: Request, look: Look) -> Seen:
        """Return what a page is about.

        Raises: InvitationNotHereYet, SurveyNotHereYet; come again.
        """
        sight = await self._lookup(request)(look)
        if isinstance(sight, Exception):
            raise sight
        if sight is None:
            metrics.LINKS.add(1, {"outcome": "unknown"})
            raise InvitationNotHereYet(invitation_id=look.invitation_id)
        metrics.LINKS.add(1, {"outcome": "ok"})
        return sight

    async def look_by_code(self, request: Request, look: Look, now: datetime) -> Seen:
        """Return what a page is about, by the code of a short link.

        A code that is not there is looked for like any other, so that nothing tells them apart.
        Raises: LinkTampered, LinkExpired, SurveyNotHereYet.
        """
        code_fits = len(look.code) == _CODE_LENGTH and look.code.isalnum() and look.code.isascii()
        sight = await self._lookup(request)(look if code_fits else Look(code="-" * _CODE_LENGTH))
        if isinstance(sight, Exception):
            raise sight
        if sight is None:
            metrics.LINKS.add(1, {"outcome": "tampered"})
            raise LinkTampered
        invitation = sight.asked.invitation
        if now >= invitation.expires_at:
            metrics.LINKS.add(1, {"outcome": "expired"})
            raise LinkExpired(invitation_id=invitation.invitation_id)
        metrics.LINKS.add(1, {"outcome": "ok"})
        return sight

    async def submit(self, request: Request, submission: Submission) -> Outcome:
        """Take an answer, with all others that come now."""
        if self._submitting is None:
            submitting = Submitting(database_of(request), self._surveys)
            self._submitting = Gathering(submitting, seconds=PATIENCE_SECONDS)
        outcome = await self._submitting(submission)
        if isinstance(outcome, Taken):
            _count(outcome)
        return outcome

    def answered_by(self, client: Client, invitation_id: str, now: datetime) -> int:
        """Return how many other invitations this client answered just now."""
        return self._answered.note(client.key, invitation_id, now)

    def sign_time(self, now: datetime, invitation_id: str) -> str:
        """Return the time for the form of a page that is made now."""
        return sign_time(now, invitation_id, secret=self._secrets[0])

    def sign_asks(self, seen: Asked, survey: Survey) -> str:
        """Return what a page asks, for its form."""
        invitation = seen.invitation
        asks = Asks(
            survey_id=survey.survey_id,
            version=survey.version,
            scale=survey.scale,
            locale=invitation.recipient.get("locale"),
            variant=invitation.variant,
        )
        return sign_asks(asks, secret=self._secrets[0])

    def read_asks(self, text: str) -> tuple[Asks, Survey] | None:
        """Return what a form asks, without a look at the database; None: it is no form of ours."""
        asks = read_asks(text, secrets=self._secrets)
        return (asks, self._surveys.named(asks)) if asks else None

    def seconds_since(self, text: str, now: datetime, invitation_id: str) -> float | None:
        """Return how long ago the page of a form was made; None: it is no page of ours."""
        made_at = read_time(text, invitation_id, secrets=self._secrets)
        return (now - made_at).total_seconds() if made_at else None

    def _lookup(self, request: Request) -> Gathering[Look, Sight]:
        if self._looking is None:
            watched = timedelta(seconds=self.settings.opened_after_seconds)
            looking = Looking(database_of(request), self._surveys, opened_after=watched)
            self._looking = Gathering(looking, seconds=PATIENCE_SECONDS)
        return self._looking


def _counted(request: Request, key: str) -> str:
    """Return the key of a limit. Looks and answers have one each: scanners send no answers."""
    return f"{'answer' if request.method == 'POST' else 'look'} {key}"


def _refuse(wait: int) -> None:
    if wait:
        metrics.LINKS.add(1, {"outcome": "too_many"})
        raise TooManyRequests(retry_after_seconds=wait)


def database_of(request: Request) -> Database:
    """Return the service's database, without the ceremony of a dependency."""
    return cast("Database", request.app.state.database)


def query_of(request: Request) -> Mapping[str, str]:
    """Return the query of a request; the last value of a name that comes twice."""
    query = request.scope["query_string"]
    return dict(parse_qsl(query.decode("latin-1"))) if query else {}


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of the form; what is no form has none.

    Raises: TooLarge, before more than that is read.
    """
    try:
        body = (await read_body(request, most_bytes=MOST_BYTES)).decode(errors="replace")
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except (ClientDisconnect, ValueError):
        return {}


def _count(taken: Taken) -> None:
    decision = taken.decision
    if decision is None:
        for reason in taken.reasons:
            metrics.SUSPECTS.add(1, {"reason": reason.value})
    change = decision.change if decision else "quarantined"
    shown = Change.NONE if change is Change.CONFIRMED else change
    category = taken.answer.category.value
    metrics.SUBMITS.add(1, {"category": category, "change": str(shown)})
    if decision is not None and decision.alert:
        metrics.ALERTS.add(1)
