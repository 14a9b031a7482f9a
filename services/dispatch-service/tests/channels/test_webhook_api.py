"""Endpoints over HTTP: made, changed, tried out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from dispatch_service import endpoints, webhook_api
from dispatch_service.domain.webhook import Endpoint
from dispatch_service.endpoints import KnownEndpoints
from dispatch_service.webhook_api import UnusableUrl, usable_url
from heardback.calls.guard import networks_in
from heardback.db import Database
from heardback.testing.clock import START, ManualClock

from .conftest import Client, Over
from .servers import answer, serving

LOOPBACK = networks_in("127.0.0.0/8")
ROOT = "/webhook-endpoints"
NOBODY = f"{ROOT}/00000000-0000-7000-8000-000000000099"


@pytest.fixture
async def client(
    database: Database, app_of: Over, client_of: Client
) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app_of(database, webhook_api.router(LOOPBACK))) as client:
        yield client


async def made(client: httpx2.AsyncClient, url: str, *programs: str) -> dict[str, Any]:
    response = await client.post(ROOT, json={"url": url, "programs": programs})
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_secret_is_shown_once(client: httpx2.AsyncClient) -> None:
    new = await made(client, "https://shop.example.com/hook", "post-purchase", "post-purchase")
    assert new["secret"].startswith("whsec_")
    assert new["programs"] == ["post-purchase"]
    assert new["secrets"] == 1
    shown = {name: value for name, value in new.items() if name != "secret"}
    assert (await client.get(ROOT)).json() == {"endpoints": [shown]}
    assert (await client.get(f"{ROOT}/{new['endpoint_id']}")).json() == shown


async def test_nothing_is_told_without_a_key(client: httpx2.AsyncClient) -> None:
    for method, path in (("GET", ROOT), ("POST", ROOT), ("DELETE", NOBODY), ("POST", NOBODY)):
        response = await client.request(method, path, headers={"Authorization": ""})
        assert response.status_code in (401, 405)
    assert (await client.get(ROOT, headers={"Authorization": "Bearer hb_x"})).status_code == 401


async def test_secret_is_replaced_while_the_old_one_still_signs(
    client: httpx2.AsyncClient, clock: ManualClock
) -> None:
    async with serving() as server:
        clock.advance(datetime.now(UTC) - clock.now())
        new = await made(client, f"{server.url}/hook")
        path = f"{ROOT}/{new['endpoint_id']}"
        changed = (await client.post(f"{path}/secret")).json()
        assert changed["secret"] != new["secret"]
        assert changed["secrets"] == 2
        result = await client.post(f"{path}/test")
        assert result.json() == {"ok": True, "status": 200, "detail": "taken"}
        (call,) = server.calls
    for secret in (new["secret"], changed["secret"]):
        told = Webhook(secret).verify(call.body, dict(call.headers))
        assert told["type"] == "heardback.test"
        assert told["data"] == {"endpoint_id": new["endpoint_id"]}
    clock.advance(timedelta(hours=24))
    assert (await client.get(path)).json()["secrets"] == 1


async def test_test_event_tells_what_came_back(client: httpx2.AsyncClient) -> None:
    async with serving() as server:
        new = await made(client, server.url)
        server.says = answer(302, location="http://127.0.0.1/")
        result = (await client.post(f"{ROOT}/{new['endpoint_id']}/test")).json()
        assert (result["ok"], result["status"]) == (False, 302)
    result = (await client.post(f"{ROOT}/{new['endpoint_id']}/test")).json()
    assert (result["ok"], result["status"]) == (False, None)
    assert result["detail"]


async def test_endpoint_rests_while_it_is_disabled(
    client: httpx2.AsyncClient, database: Database
) -> None:
    new = await made(client, "https://shop.example.com/")
    path = f"{ROOT}/{new['endpoint_id']}"
    for _ in range(2):
        view = (await client.post(f"{path}/disable")).json()
        assert view["disabled_reason"] == "by_hand"
        assert view["disabled_at"] == START.isoformat().replace("+00:00", "Z")
    assert await KnownEndpoints(database).of_program("any") is None
    for _ in range(2):
        view = (await client.post(f"{path}/enable")).json()
        assert (view["disabled_at"], view["disabled_reason"]) == (None, None)
    assert await KnownEndpoints(database).of_program("any") is not None


async def test_endpoint_is_gone_when_it_is_deleted(client: httpx2.AsyncClient) -> None:
    new = await made(client, "https://shop.example.com/")
    path = f"{ROOT}/{new['endpoint_id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(ROOT)).json() == {"endpoints": []}
    for method, tail in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/secret"),
        ("POST", "/enable"),
        ("POST", "/disable"),
        ("POST", "/test"),
    ):
        response = await client.request(method, path + tail)
        assert response.status_code == 404
        assert response.json()["type"] == "urn:heardback:problem:unknown-endpoint"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "shop",
        "https://",
        "https:///path",
        "ftp://shop.example.com/",
        "javascript:alert(1)",
        "http://shop.example.com/",  # plain http is for our own networks
        "http://93.184.216.34/",
        "https://user@shop.example.com/",
        "https://user:secret@shop.example.com/",
        "https://shop.example.com/#part",
        "https://localhost/",
        "https://a.localhost./",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:192.168.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://shop.example.com:99999/",
        "https://shop.example.com:0/",
        "https://shop.example.com/\u0000",
        "https://\ud800.example.com/",
    ],
)
def test_address_is_refused_when_it_is_none_to_call(url: str) -> None:
    with pytest.raises(UnusableUrl):
        usable_url(url, LOOPBACK)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://Shop.Example.com", "https://shop.example.com"),
        ("https://bücher.example.com/ä?b=c", "https://xn--bcher-kva.example.com/%C3%A4?b=c"),
        ("https://93.184.216.34:8443/x", "https://93.184.216.34:8443/x"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080/x"),
        ("https://127.0.0.1/x", "https://127.0.0.1/x"),
    ],
)
def test_address_is_kept_as_it_is_called(url: str, kept: str) -> None:
    assert usable_url(url, LOOPBACK) == kept


async def test_request_is_refused_when_it_does_not_fit(client: httpx2.AsyncClient) -> None:
    for body in _UNFIT:
        response = await client.post(ROOT, json=body)
        assert response.status_code == 422
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["errors"]
    response = await client.post(ROOT, json={"url": "https://10.0.0.1/"})
    assert response.status_code == 422
    assert response.json()["type"] == "urn:heardback:problem:unusable-url"
    assert (await client.get(ROOT)).json() == {"endpoints": []}
    assert (await client.get(f"{ROOT}/%00")).status_code == 422


_UNFIT: list[object] = [
    None,
    [],
    {},
    {"url": 7},
    {"url": "https://shop.example.com/", "programs": "post-purchase"},
    {"url": "https://shop.example.com/", "programs": [""]},
    {"url": "https://shop.example.com/", "programs": ["a\x00"]},
    {"url": "https://shop.example.com/", "secret": "whsec_mine"},
    {"url": "https://" + "a" * 2_000},
]


async def test_no_more_are_made_when_there_are_as_many_as_we_keep(
    client: httpx2.AsyncClient, database: Database
) -> None:
    async with database.transaction() as tx:
        for _ in range(endpoints.MOST):
            endpoint = Endpoint(
                endpoint_id=tx.ids.new(), url="https://a.example.com", secrets=(), created_at=START
            )
            await endpoints.save(tx.connection, endpoint)
    response = await client.post(ROOT, json={"url": "https://b.example.com"})
    assert response.status_code == 409
    assert response.json()["most"] == endpoints.MOST
