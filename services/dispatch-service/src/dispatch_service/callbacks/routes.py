"""Where providers call back."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from dispatch_service import metrics, provider_events, replies
from dispatch_service.callback_settings import (
    CallbackProvider,
    MailgunCallbacks,
    PostmarkCallbacks,
    SendGridCallbacks,
    SesCallbacks,
    TwilioCallbacks,
)
from dispatch_service.callbacks.call import (
    Call,
    CallbackRefused,
    CallbackUnreadable,
    Source,
    read_call,
)
from dispatch_service.callbacks.fetching import Fetch, fetch
from dispatch_service.callbacks.mailgun import Mailgun
from dispatch_service.callbacks.postmark import Postmark
from dispatch_service.callbacks.sendgrid import SendGrid
from dispatch_service.callbacks.ses import Ses
from dispatch_service.callbacks.twilio import Twilio, answer
from dispatch_service.settings import Settings
from heardback.db import Database
from heardback.errors import Invalid, NotFound
from heardback.http import DatabaseOf, problem

Provider = Annotated[str, Path(max_length=40)]
_TWILIO: Final = "twilio"


def _takes(media_type: str, schema: Mapping[str, str]) -> dict[str, Any]:
    """Return how the document describes a body, which is read as it was signed: byte for byte."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


_FORM: Final = _takes("application/x-www-form-urlencoded", {"type": "object"})
_BODIES: Final = {
    # Amazon SNS sends its JSON as plain text.
    "ses": _takes("text/plain", {"type": "string"}),
    "sendgrid": _takes("application/json", {}),
    "mailgun": _takes("application/json", {}),
    "postmark": _takes("application/json", {}),
}


class TwimlResponse(Response):
    """What Twilio is told to do."""

    media_type = "application/xml"


class UnknownProvider(NotFound):
    """No such provider is set up here."""


class CallBroken(Invalid):
    """The callback broke off."""


class Callbacks:
    """Takes what the providers of the settings say, and counts what it can't believe."""

    def __init__(self, settings: Settings, *, fetch: Fetch) -> None:
        self._base_url = settings.callbacks_url or settings.preferences_url
        self._company = settings.company
        self._sources = _sources(settings, fetch)

    async def take(
        self,
        kind: str,
        name: str,
        request: Request,
        database: Database,
        *,
        secret: str | None = None,
    ) -> Response:
        """Take what a provider says happened."""
        source = self._source_of(kind, name)
        call = await self._call(request, database, secret=secret)
        try:
            events = await source.receive(call)
        except CallbackRefused as refused:
            return _refuse(source, refused, asks_to_log_in=kind == "postmark")
        except CallbackUnreadable:
            metrics.CALLBACKS.add(1, {"provider": source.name, "outcome": "unreadable"})
            raise
        async with database.transaction() as tx:
            new = await provider_events.take(tx, f"{kind}/{name}", events)
        metrics.CALLBACKS.add(1, {"provider": source.name, "outcome": "taken"})
        for event in new:
            metrics.PROVIDER_EVENTS.add(1, {"provider": source.name, "kind": event.kind.value})
        return JSONResponse({"events": len(events), "new": len(new)})

    async def take_text(self, name: str, request: Request, database: Database) -> Response:
        """Take a text that a customer sent, and say what to send back."""
        source = self._source_of(_TWILIO, name)
        assert isinstance(source, Twilio)
        call = await self._call(request, database)
        try:
            incoming = source.read_text(call)
        except CallbackRefused as refused:
            return _refuse(source, refused)
        async with database.transaction() as tx:
            taken = await replies.take_text(
                tx, incoming, provider=f"{_TWILIO}/{name}", company=self._company
            )
        metrics.CALLBACKS.add(1, {"provider": source.name, "outcome": "taken"})
        metrics.TEXTS.add(1, {"provider": source.name, "outcome": taken.outcome})
        return TwimlResponse(answer(taken.answer))

    def _source_of(self, kind: str, name: str) -> Source:
        source = self._sources.get((kind, name))
        if source is None:
            raise UnknownProvider
        return source

    async def _call(
        self, request: Request, database: Database, *, secret: str | None = None
    ) -> Call:
        try:
            return await read_call(
                request, base_url=self._base_url, now=database.clock.now(), secret=secret
            )
        except ClientDisconnect:
            raise CallBroken from None


def router(settings: Settings, *, fetch: Fetch = fetch) -> APIRouter:
    """Return the routes of the providers' callbacks."""
    callbacks = Callbacks(settings, fetch=fetch)
    routes = APIRouter(prefix="/callbacks", tags=["callbacks"])
    for kind, body in _BODIES.items():
        _add(routes, callbacks, kind, body)

    @routes.post(
        "/postmark/{provider}/{secret}",
        operation_id="take_postmark_callback_by_secret",
        openapi_extra=_BODIES["postmark"],
    )
    async def take_by_secret(
        provider: Provider,
        secret: Annotated[str, Path(max_length=200)],
        request: Request,
        database: DatabaseOf,
    ) -> Response:
        """Take what Postmark says happened; the secret stands for a password."""
        return await callbacks.take("postmark", provider, request, database, secret=secret)

    @routes.post(
        "/twilio/{provider}/statuses", operation_id="take_twilio_status", openapi_extra=_FORM
    )
    async def take_status(provider: Provider, request: Request, database: DatabaseOf) -> Response:
        """Take what became of a text that we sent."""
        return await callbacks.take(_TWILIO, provider, request, database)

    @routes.post(
        "/twilio/{provider}/messages",
        operation_id="take_twilio_message",
        openapi_extra=_FORM,
        response_class=TwimlResponse,
    )
    async def take_message(provider: Provider, request: Request, database: DatabaseOf) -> Response:
        """Take a text that a customer sent."""
        return await callbacks.take_text(provider, request, database)

    return routes


def _add(routes: APIRouter, callbacks: Callbacks, kind: str, body: dict[str, Any]) -> None:
    @routes.post(f"/{kind}/{{provider}}", operation_id=f"take_{kind}_callback", openapi_extra=body)
    async def take(provider: Provider, request: Request, database: DatabaseOf) -> Response:
        """Take what the provider says happened."""
        return await callbacks.take(kind, provider, request, database)


def _sources(settings: Settings, fetch: Fetch) -> dict[tuple[str, str], Source]:
    """Return who may call back, by kind and name.

    Providers of text messages may without being named again: who hands in with the account's own
    token is called back with it.
    """
    sources: dict[tuple[str, str], Source] = {
        (_TWILIO, provider.name): Twilio(provider.name, auth_tokens=[provider.password])
        for provider in settings.sms_providers
        if provider.username in (None, provider.account_sid)
    }
    named = {(one.kind, one.name): _source(one, fetch) for one in settings.callbacks}
    return sources | named


def _source(provider: CallbackProvider, fetch: Fetch) -> Source:
    match provider:
        case SesCallbacks():
            return Ses(provider, fetch=fetch)
        case SendGridCallbacks():
            return SendGrid(provider)
        case MailgunCallbacks():
            return Mailgun(provider)
        case PostmarkCallbacks():
            return Postmark(provider)
        case TwilioCallbacks():
            return Twilio(
                provider.name,
                auth_tokens=provider.auth_tokens,
                answers_keywords=provider.answers_keywords,
            )


def _refuse(source: Source, refused: CallbackRefused, *, asks_to_log_in: bool = False) -> Response:
    metrics.CALLBACKS.add(1, {"provider": source.name, "outcome": "refused"})
    response = problem(401 if asks_to_log_in else 403, "callback-refused", refused.message)
    if asks_to_log_in:
        response.headers["WWW-Authenticate"] = 'Basic realm="callbacks"'
    return response
