"""Endpoints of the channel `webhook`, for trusted systems: where surveys are told, and how signed.

Source: Standard Webhooks 1.0.
"""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, Final, Self

import httpx2
import orjson
from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dispatch_service import endpoints
from dispatch_service.adapters.webhook import Notice, deliver, open_caller
from dispatch_service.domain.webhook import DisabledReason, Endpoint, Secret, rotated
from heardback.calls.guard import Network, is_permitted
from heardback.calls.http import Answer, Silence
from heardback.db import Database
from heardback.errors import Conflict, Invalid, NotFound
from heardback.http import DatabaseOf, api_key

_SECRET_BYTES: Final = 32
_LONGEST_URL: Final = 2_000
_PORTS: Final = range(1, 65_536)

ProgramId = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]


EndpointId = Annotated[str, Path(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class UnusableUrl(Invalid):
    """An endpoint needs an https:// address on the internet, without a user or a fragment."""

    url: str


class UnknownEndpoint(NotFound):
    """There is no such endpoint."""


class TooManyEndpoints(Conflict):
    """There are as many endpoints as we keep; delete one that is not needed."""

    most: int


class EndpointFields(BaseModel):
    """Where to tell, and about which programs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_URL)]
    programs: Annotated[tuple[ProgramId, ...], Field(max_length=endpoints.MOST)] = Field(
        default=(), description="None: all of them that no other endpoint names."
    )


class EndpointView(BaseModel):
    """An endpoint without its secrets. `disabled_reason`: gone, failing or by_hand."""

    endpoint_id: str
    url: str
    programs: tuple[str, ...]
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: DisabledReason | None
    secrets: int = Field(description="How many sign just now; more than one while one is replaced.")

    @classmethod
    def of(cls, endpoint: Endpoint, now: datetime) -> Self:
        """Return what may be seen of an endpoint."""
        return cls(**_seen(endpoint, now))


class EndpointWithSecret(EndpointView):
    """An endpoint with its newest secret, which is not shown again."""

    secret: str


class EndpointList(BaseModel):
    """Every endpoint, the oldest first."""

    endpoints: tuple[EndpointView, ...]


class TestResult(BaseModel):
    """What an endpoint said to a test event."""

    ok: bool
    status: int | None = Field(description="Of its answer; null: there was none.")
    detail: str


def router(allowed: Sequence[Network] = ()) -> APIRouter:
    """Return the routes. `allowed`: networks of our own that endpoints may be in."""
    routes = APIRouter(
        prefix="/webhook-endpoints", tags=["webhook endpoints"], dependencies=[Depends(api_key)]
    )
    _add_changes(routes, allowed)
    _add_state(routes)

    @routes.get("", operation_id="list_webhook_endpoints")
    async def every(database: DatabaseOf) -> EndpointList:
        """List the endpoints."""
        async with database.read() as connection:
            found = await endpoints.every(connection)
        now = database.clock.now()
        return EndpointList(endpoints=tuple(EndpointView.of(one, now) for one in found))

    @routes.get("/{endpoint_id}", operation_id="get_webhook_endpoint")
    async def one(endpoint_id: EndpointId, database: DatabaseOf) -> EndpointView:
        """Show an endpoint."""
        return EndpointView.of(await _load(database, endpoint_id), database.clock.now())

    @routes.post("/{endpoint_id}/test", operation_id="test_webhook_endpoint")
    async def test(endpoint_id: EndpointId, database: DatabaseOf) -> TestResult:
        """Send a signed event of the type `heardback.test` now, once, and tell what came back."""
        endpoint = await _load(database, endpoint_id)
        return await _try_out(endpoint, database, allowed)

    return routes


def _add_changes(routes: APIRouter, allowed: Sequence[Network]) -> None:
    @routes.post("", status_code=201, operation_id="create_webhook_endpoint")
    async def create(fields: EndpointFields, database: DatabaseOf) -> EndpointWithSecret:
        """Add an endpoint. Its secret is shown this once."""
        url = usable_url(fields.url, allowed)
        async with database.transaction() as tx:
            if len(await endpoints.every(tx.connection)) >= endpoints.MOST:
                raise TooManyEndpoints(most=endpoints.MOST)
            endpoint = Endpoint(
                endpoint_id=tx.ids.new(),
                url=url,
                secrets=(Secret(value=new_secret()),),
                programs=tuple(dict.fromkeys(fields.programs)),
                created_at=tx.now,
            )
            await endpoints.save(tx.connection, endpoint)
        return _with_secret(endpoint, endpoint.created_at)

    @routes.post("/{endpoint_id}/secret", operation_id="rotate_webhook_secret")
    async def rotate(endpoint_id: EndpointId, database: DatabaseOf) -> EndpointWithSecret:
        """Replace the secret. For 24 hours both sign, so that the receiver can change in peace."""
        async with database.transaction() as tx:
            endpoint = await endpoints.lock(tx.connection, endpoint_id)
            if endpoint is None:
                raise UnknownEndpoint
            changed = rotated(endpoint.secrets, new_secret(), now=tx.now)
            endpoint = replace(endpoint, secrets=changed)
            await endpoints.save(tx.connection, endpoint)
            return _with_secret(endpoint, tx.now)

    @routes.delete("/{endpoint_id}", status_code=204, operation_id="delete_webhook_endpoint")
    async def delete(endpoint_id: EndpointId, database: DatabaseOf) -> Response:
        """Delete an endpoint with its secrets."""
        async with database.transaction() as tx:
            if not await endpoints.delete(tx.connection, endpoint_id):
                raise UnknownEndpoint
        return Response(status_code=204)


def _add_state(routes: APIRouter) -> None:
    @routes.post("/{endpoint_id}/enable", operation_id="enable_webhook_endpoint")
    async def enable(endpoint_id: EndpointId, database: DatabaseOf) -> EndpointView:
        """Tell an endpoint again; its days of failure are forgotten."""
        return await _set_disabled(database, endpoint_id, reason=None)

    @routes.post("/{endpoint_id}/disable", operation_id="disable_webhook_endpoint")
    async def disable(endpoint_id: EndpointId, database: DatabaseOf) -> EndpointView:
        """Tell an endpoint nothing more until it is enabled."""
        return await _set_disabled(database, endpoint_id, reason=DisabledReason.BY_HAND)


async def _load(database: Database, endpoint_id: str) -> Endpoint:
    async with database.read() as connection:
        endpoint = await endpoints.load(connection, endpoint_id)
    if endpoint is None:
        raise UnknownEndpoint
    return endpoint


async def _set_disabled(
    database: Database, endpoint_id: str, *, reason: DisabledReason | None
) -> EndpointView:
    async with database.transaction() as tx:
        endpoint = await endpoints.lock(tx.connection, endpoint_id)
        if endpoint is None:
            raise UnknownEndpoint
        if (endpoint.disabled_at is None) != (reason is None):
            endpoint = replace(
                endpoint,
                failing_since=None,
                disabled_at=tx.now if reason else None,
                disabled_reason=reason,
            )
            await endpoints.save(tx.connection, endpoint)
        return EndpointView.of(endpoint, tx.now)


async def _try_out(
    endpoint: Endpoint, database: Database, allowed: Sequence[Network]
) -> TestResult:
    now = database.clock.now()
    body = {
        "type": "heardback.test",
        "timestamp": now.isoformat(),
        "data": {"endpoint_id": endpoint.endpoint_id},
    }
    notice = Notice(
        message_id=f"test_{database.ids.new()}",
        program_id="",
        body=orjson.dumps(body),
        sent_at=now,
    )
    caller = open_caller(allowed)
    try:
        return _result(await deliver(caller, endpoint, notice))
    finally:
        await caller.close()


def _result(answer: Answer | Silence) -> TestResult:
    if isinstance(answer, Silence):
        return TestResult(ok=False, status=None, detail=answer.detail)
    ok = 200 <= answer.status < 300
    detail = "taken" if ok else "only a status from 200 to 299 counts as taken"
    return TestResult(ok=ok, status=answer.status, detail=detail)


def usable_url(url: str, allowed: Sequence[Network]) -> str:
    """Return a URL as it is called.

    Plain http is for addresses in the networks of our own that are allowed.
    Raises: UnusableUrl. A name may still lead to an address that is not called.
    """
    try:
        parsed = httpx2.URL(url)
        literal = _literal(parsed.host)
        fits = literal is None or is_permitted(literal, allowed)
        ours = literal is not None and fits and not is_permitted(literal)
    except (httpx2.InvalidURL, ValueError, UnicodeError):
        raise UnusableUrl(url=url) from None
    schemes = ("https", "http") if ours else ("https",)
    if not fits or parsed.scheme not in schemes or parsed.userinfo or parsed.fragment:
        raise UnusableUrl(url=url)
    at_home = parsed.host.rstrip(".").split(".")[-1] in ("", "localhost")
    if at_home or (parsed.port is not None and parsed.port not in _PORTS):
        raise UnusableUrl(url=url)
    return str(parsed)


def new_secret() -> str:
    """Return a new signing secret."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def _literal(host: str) -> str | None:
    """Return the address that a host spells out; None: it is a name."""
    try:
        return str(ip_address(host.partition("%")[0]))
    except ValueError:
        return None


def _seen(endpoint: Endpoint, now: datetime) -> dict[str, Any]:
    return {
        "endpoint_id": endpoint.endpoint_id,
        "url": endpoint.url,
        "programs": endpoint.programs,
        "created_at": endpoint.created_at,
        "failing_since": endpoint.failing_since,
        "disabled_at": endpoint.disabled_at,
        "disabled_reason": endpoint.disabled_reason,
        "secrets": len(endpoint.signing(now)),
    }


def _with_secret(endpoint: Endpoint, now: datetime) -> EndpointWithSecret:
    return EndpointWithSecret(**_seen(endpoint, now), secret=endpoint.secrets[0].value)
