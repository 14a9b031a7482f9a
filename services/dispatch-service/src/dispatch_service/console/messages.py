"""The page of messages: what each looks like, and a form to try one out."""

from dataclasses import asdict, replace
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from dispatch_service.console.previews import MailPreview, Scheme, preview
from dispatch_service.console.reading import Published, load_survey, published
from dispatch_service.console.samples import Choice, sample_parcel
from dispatch_service.console.trying import TRYABLE, Said, Trials, usable
from dispatch_service.domain.message import Kind
from dispatch_service.rendering.composers import Composers
from heardback.console.pages import (
    SECURITY_HEADERS,
    Console,
    patch,
    refuse_cross_site,
    wants_patch,
)
from heardback.db import Database
from heardback.http import DatabaseOf
from heardback.surveys import Survey
from heardback.vocabulary import Channel

PATH: Final = "/console/messages"
_FRAMED: Final = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": f"{SECURITY_HEADERS['Content-Security-Policy']}; frame-src 'self'",
}
_IN_FRAME: Final = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
    ),
    "Referrer-Policy": "no-referrer",
}
"""For a mail within our page: its styles are inline, and its links lead nowhere."""

_NAMES: Final = {
    Channel.EMAIL: "Email",
    Channel.SMS: "Text message",
    Channel.IN_APP: "In-app card",
    Channel.WEBHOOK: "Webhook",
}
_KINDS: Final = {
    Kind.INVITATION: "Invitation",
    Kind.REMINDER: "Reminder",
    Kind.FOLLOW_UP: "Follow-up",
}
_NO_ADDRESS: Final = {
    Channel.EMAIL: "This is no address that mail can reach; write it as name@example.com.",
    Channel.SMS: "This is no number that can be reached; write it as +49 30 1234567.",
}

ChoiceOf = Annotated[Choice, Depends()]


class MessagesPages:
    """The routes of the page."""

    def __init__(self, *, console: Console, composers: Composers, trials: Trials) -> None:
        self._console = console
        self._composers = composers
        self._trials = trials
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get(PATH)(self.messages)
        self.router.get(f"{PATH}/mail")(self.mail)
        self.router.post(f"{PATH}/test", dependencies=[Depends(refuse_cross_site)])(self.try_out)

    async def messages(self, request: Request, database: DatabaseOf, choice: ChoiceOf) -> Response:
        """Show what a message looks like."""
        return await self._page(request, database, choice)

    async def mail(
        self,
        database: DatabaseOf,
        choice: ChoiceOf,
        scheme: Annotated[Scheme, Query()] = Scheme.LIGHT,
    ) -> Response:
        """Return the HTML part of a mail alone, for a frame of the page."""
        choice = replace(choice, channel=Channel.EMAIL)
        _, survey = await _load(database, choice)
        parcel = sample_parcel(choice, survey, now=database.clock.now())
        shown = preview(self._composers, parcel)
        assert isinstance(shown, MailPreview), "the channel is email"
        return HTMLResponse(shown.html_in(scheme), headers=_IN_FRAME)

    async def try_out(
        self,
        request: Request,
        database: DatabaseOf,
        choice: ChoiceOf,
        address: Annotated[str, Form(max_length=320)] = "",
    ) -> Response:
        """Send what is shown to an address."""
        _, survey = await _load(database, choice)
        where = usable(choice.channel, address)
        if where is None:
            text = _NO_ADDRESS.get(choice.channel, "Nothing can be sent here.")
            said = Said(text=text, level="breach")
        else:
            parcel = sample_parcel(
                choice,
                survey,
                now=database.clock.now(),
                message_id=f"test.{database.ids.new()}",
                address=where,
            )
            said = await self._trials.send(parcel)
        if wants_patch(request):
            return patch(self._console.render("_said.html", said=said))
        return await self._page(request, database, choice, said=said, address=address)

    async def _page(
        self,
        request: Request,
        database: Database,
        choice: Choice,
        *,
        said: Said | None = None,
        address: str = "",
    ) -> Response:
        known, survey = await _load(database, choice)
        shown = preview(self._composers, sample_parcel(choice, survey, now=database.clock.now()))
        page = self._console.page(
            request,
            "messages.html",
            surveys=tuple(known.versions),
            versions=tuple(known.versions.get(choice.survey, ())),
            channels=_NAMES,
            kinds=_KINDS,
            choice=choice,
            survey=survey,
            query=_query(choice),
            shown=shown,
            said=said,
            address=address,
            can_try=self._trials.can(choice.channel),
            is_tryable=choice.channel in TRYABLE,
        )
        page.headers.update(_FRAMED)
        return page


async def _load(database: Database, choice: Choice) -> tuple[Published, Survey]:
    async with database.read() as connection:
        known = await published(connection)
        # Another survey was chosen while the version of the one before was still in the form.
        version = (
            choice.version if choice.version in known.versions.get(choice.survey, ()) else None
        )
        return known, await load_survey(connection, choice.survey, version)


def _query(choice: Choice) -> str:
    """Return a choice as it stands in a URL."""
    fields = {name: value for name, value in asdict(choice).items() if value not in ("", None)}
    return urlencode({**fields, "name": choice.name})
