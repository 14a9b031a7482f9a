"""The way out: a page that asks (GET), and the act (POST), which mail programs do in one click.

Source: RFC 8058: a GET never acts; the POST needs no cookie and does not redirect.
"""

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from dispatch_service import handlers, metrics, suppression, suppression_store
from dispatch_service.domain.suppression import (
    CUSTOMERS_OWN,
    Addressee,
    Suppression,
    in_force,
    scoped_to,
)
from dispatch_service.rendering.links import UNSUBSCRIBE_LINK
from dispatch_service.settings import Settings
from dispatch_service.suppression import Departure, UnknownInvitation
from heardback.customer_pages import CustomerPages, preferred_locale
from heardback.db import Transaction
from heardback.http import DatabaseOf
from heardback.security import LinkExpired, LinkSigner, LinkTampered
from heardback.vocabulary import Channel, Scope
from heardback.words import Words, words_of

_MOST_BYTES: Final = 16_384
_BACK: Final = "back"
_ORDER: Final = (Scope.ALL, Scope.TYPE, Scope.PROGRAM, Scope.CHANNEL)
_PAGE: Final = {"content": {"text/html": {"schema": {"type": "string"}}}}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": meaning, **_PAGE}
    for status, meaning in {
        200: "The page.",
        404: "The link is none of ours.",
        422: "The form says nothing that can be stopped; the page says what can.",
        503: "A part is away; come again.",
    }.items()
}
_FORM: Final = {
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "properties": {
                    "scope": {"type": "string", "enum": [scope.value for scope in Scope]},
                    "action": {
                        "type": "string",
                        "enum": [_BACK],
                        "description": "Takes it back, or all of it without a scope.",
                    },
                },
            }
        }
    },
}
_ROBOTS: Final = ("bot", "crawl", "spider", "preview", "scan", "headless")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What can be stopped, in words."""

    scope: Scope
    label: str
    hint: str
    is_stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whom a page is for, and what is stopped."""

    addressee: Addressee
    entries: list[Suppression]

    @property
    def stopped(self) -> set[Scope]:
        """What keeps them from being asked like this again."""
        return {entry.scope for entry in self.entries}

    @property
    def can_come_back(self) -> bool:
        """Tell whether there is something that they said and can take back."""
        return any(entry.reason in CUSTOMERS_OWN for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a form says: stop `scope`, or take that back (all of it without a scope)."""

    scope: Scope | None
    is_back: bool = False
    is_one_click: bool = False


class PreferencePages:
    """Says on a page what is stopped and what can be."""

    def __init__(self, *, company: str) -> None:
        self.pages: Final = CustomerPages(company=company, package="dispatch_service")
        self._company = company

    def ask(self, state: State, *, locale: str | None, status: int = 200) -> Response:
        """Return the page that lets choose."""
        choices = self._choices(state, words_of(locale))
        return self.pages.page(
            "pages/preferences.html",
            locale=locale,
            status=status,
            choices=[choice for choice in choices if not choice.is_stopped],
            stopped=[choice for choice in choices if choice.is_stopped],
            can_come_back=state.can_come_back,
        )

    def left(self, scope: Scope, state: State, *, locale: str | None) -> Response:
        """Return the page that says what is stopped from now on."""
        choices = self._choices(state, words_of(locale))
        return self.pages.page(
            "pages/preferences_done.html",
            locale=locale,
            scope=scope.value,
            what=next(choice.label for choice in choices if choice.scope is scope),
            can_come_back=state.can_come_back,
        )

    def back(self, *, locale: str | None) -> Response:
        """Return the page that says that we may ask again."""
        words = words_of(locale)
        title, text = words["preferences.back_title"], words["preferences.back"]
        return self.pages.message(title, text, status=200, locale=locale)

    def _choices(self, state: State, words: Words) -> list[Choice]:
        addressee = state.addressee
        return [
            Choice(
                scope=scope,
                label=words.say(f"preferences.{name}", company=self._company),
                hint=words.say(f"preferences.{name}_hint", company=self._company),
                is_stopped=scope in state.stopped,
            )
            for scope in _ORDER
            if scoped_to(scope, addressee) is not None
            for name in [_name(scope, addressee)]
        ]


def router(settings: Settings) -> APIRouter:
    """Return the routes of the preference pages."""
    shown = PreferencePages(company=settings.company)
    links = LinkSigner(settings.link_key_list, purpose=UNSUBSCRIBE_LINK)
    routes = APIRouter(tags=["preferences"], route_class=shown.pages.route_class())
    _add_page(routes, shown, links)
    _add_act(routes, shown, links)
    _add_nowhere(routes, shown)
    return routes


def _add_page(routes: APIRouter, shown: PreferencePages, links: LinkSigner) -> None:
    @routes.head("/unsubscribe/{token}", include_in_schema=False)
    @routes.get(
        "/unsubscribe/{token}",
        response_class=Response,
        operation_id="ask_what_to_stop",
        responses=_ANSWERS,
    )
    async def ask(token: str, request: Request, database: DatabaseOf) -> Response:
        """Ask what to stop; stops nothing."""
        invitation_id = _read(links, token, database)
        async with database.transaction() as tx:
            state = await _state(tx, invitation_id)
            if _is_somebody(request):
                await handlers.way_out_seen(tx, invitation_id)
        locale = _locale(state, request)
        if Scope.ALL in state.stopped:
            return shown.left(Scope.ALL, state, locale=locale)
        return shown.ask(state, locale=locale)


def _add_act(routes: APIRouter, shown: PreferencePages, links: LinkSigner) -> None:
    @routes.post(
        "/unsubscribe/{token}",
        response_class=Response,
        operation_id="unsubscribe",
        responses=_ANSWERS,
        openapi_extra={"requestBody": _FORM},
    )
    async def act(token: str, request: Request, database: DatabaseOf) -> Response:
        """Stop what was chosen, everything in one click; doing it again changes nothing."""
        invitation_id = _read(links, token, database)
        wish = await _read_wish(request)
        async with database.transaction() as tx:
            state = await _fulfil(tx, wish, invitation_id)
        locale = _locale(state, request)
        if wish.is_back:
            return shown.back(locale=locale)
        if wish.scope is None or scoped_to(wish.scope, state.addressee) is None:
            return shown.ask(state, locale=locale, status=422)
        return shown.left(wish.scope, state, locale=locale)


def _add_nowhere(routes: APIRouter, shown: PreferencePages) -> None:
    @routes.api_route("/unsubscribe", methods=["GET", "HEAD"], include_in_schema=False)
    @routes.api_route("/unsubscribe/{rest:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def nowhere(request: Request, rest: str = "") -> Response:
        return shown.pages.not_found(preferred_locale(request))


async def _fulfil(tx: Transaction, wish: Wish, invitation_id: str) -> State:
    """Do what a form says, and return how things are then."""
    addressee = (await _state(tx, invitation_id)).addressee
    if wish.is_back:
        if await suppression.come_back(tx, addressee, scope=wish.scope):
            metrics.RESUBSCRIBES.add(1)
    elif wish.scope is not None and scoped_to(wish.scope, addressee) is not None:
        left = await suppression.leave(tx, [Departure(addressee=addressee, scope=wish.scope)])
        way = "one_click" if wish.is_one_click else "page"
        metrics.UNSUBSCRIBES.add(left, {"scope": wish.scope.value, "way": way})
    return await _state(tx, invitation_id)


async def _state(tx: Transaction, invitation_id: str) -> State:
    addressee = await suppression_store.addressee_of(tx.connection, invitation_id)
    if addressee is None:
        raise UnknownInvitation
    entries = await suppression_store.about_addressee(tx.connection, addressee)
    return State(addressee=addressee, entries=in_force(entries, addressee))


async def _read_wish(request: Request) -> Wish:
    """Return what a form says. What is no form of ours is a mail program's click: everything."""
    fields = await _read_form(request)
    if "scope" not in fields and "action" not in fields:
        return Wish(scope=Scope.ALL, is_one_click=True)
    scopes: dict[str | None, Scope | None] = {None: None, **{scope.value: scope for scope in Scope}}
    named = fields.get("scope")
    if named not in scopes or fields.get("action", _BACK) != _BACK:
        return Wish(scope=None)
    return Wish(scope=scopes[named], is_back="action" in fields)


async def _read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form of ours; whatever else it is has none."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                return {}
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except (ClientDisconnect, ValueError):
        return {}


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


def _is_somebody(request: Request) -> bool:
    """Tell whether somebody looks, as far as the request says: no program that says it is one.

    In doubt it is somebody: then a reminder less is sent.
    """
    agent = request.headers.get("user-agent", "").lower()
    purpose = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    is_ahead = "prefetch" in purpose or "preview" in purpose
    return request.method == "GET" and not is_ahead and not any(word in agent for word in _ROBOTS)


def _locale(state: State, request: Request) -> str | None:
    return state.addressee.locale or preferred_locale(request)


def _name(scope: Scope, addressee: Addressee) -> str:
    """Return how the words of a choice are called."""
    if scope is Scope.TYPE:
        return f"type_{addressee.program_type}"
    if scope is Scope.CHANNEL:
        by = addressee.channel if addressee.channel in (Channel.EMAIL, Channel.SMS) else "in_app"
        return f"channel_{by}"
    return scope.value
