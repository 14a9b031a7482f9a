"""Which endpoint is told, and what sending learns of it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from dispatch_service import endpoints, webhook_api
from dispatch_service.adapters.interface import Reply
from dispatch_service.adapters.webhook import WebhookAdapter
from dispatch_service.domain.message import Outcome
from dispatch_service.endpoints import KnownEndpoints
from heardback.calls.guard import networks_in
from heardback.db import Database
from heardback.testing.clock import ManualClock
from heardback.vocabulary import Channel

from .conftest import Client, Over
from .parcels import a_parcel, composers
from .servers import answer, serving

LOOPBACK = networks_in("127.0.0.0/8")
ROOT = "/webhook-endpoints"


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


async def test_one_endpoint_is_told_when_several_would_fit(
    client: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    known = KnownEndpoints(database)

    async def told(program: str) -> str | None:
        endpoint = await known.of_program(program)
        return endpoint.url if endpoint else None

    assert await told("p1") is None
    await made(client, "https://old.example.com")
    clock.advance(timedelta(seconds=1))
    named = await made(client, "https://named.example.com", "p1", "p2")
    clock.advance(timedelta(seconds=1))
    newest = await made(client, "https://new.example.com")
    assert [await told(p) for p in ("p1", "p2", "p3")] == [
        "https://named.example.com",
        "https://named.example.com",
        "https://new.example.com",
    ]
    await client.delete(f"{ROOT}/{newest['endpoint_id']}")
    await client.post(f"{ROOT}/{named['endpoint_id']}/disable")
    assert [await told(p) for p in ("p1", "p3")] == ["https://old.example.com"] * 2


async def test_channel_is_open_for_the_programs_that_an_endpoint_serves(
    client: httpx2.AsyncClient, database: Database
) -> None:
    named = await made(client, "https://named.example.com", "p1")
    async with database.read() as connection:
        assert await endpoints.served(connection, ["p1", "p2", "p1"]) == {"p1"}
        assert await endpoints.served(connection, []) == set()
    await made(client, "https://all.example.com")
    async with database.read() as connection:
        assert await endpoints.served(connection, ["p1", 'p"2']) == {"p1", 'p"2'}
    await client.post(f"{ROOT}/{named['endpoint_id']}/disable")
    async with database.read() as connection:
        assert await endpoints.served(connection, ["p1"]) == {"p1"}


async def attempt(database: Database, number: int = 1) -> Reply:
    adapter = WebhookAdapter(
        KnownEndpoints(database), compose=composers().webhook.compose, allowed=LOOPBACK
    )
    line = adapter.open_line()
    parcel = a_parcel(Channel.WEBHOOK)
    try:
        return await line.send(adapter.compose(parcel))
    finally:
        await line.close()


async def test_endpoint_is_disabled_when_it_has_failed_for_five_days(
    client: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    async with serving() as server:
        new = await made(client, server.url)
        path = f"{ROOT}/{new['endpoint_id']}"
        server.says = answer(500)
        assert (await attempt(database)).outcome is Outcome.DEFERRED
        began = (await client.get(path)).json()["failing_since"]
        for _ in range(4):
            clock.advance(timedelta(days=1))
            await attempt(database)
        clock.advance(timedelta(days=1) - timedelta(seconds=1))
        await attempt(database)
        view = (await client.get(path)).json()
        assert (view["failing_since"], view["disabled_at"]) == (began, None)

        server.says = answer(204)  # once is enough to begin anew
        assert (await attempt(database)).outcome is Outcome.SENT
        assert (await client.get(path)).json()["failing_since"] is None

        server.says = answer(500)
        await attempt(database)
        for _ in range(5):
            clock.advance(timedelta(days=1))
            await attempt(database)
        assert (await client.get(path)).json()["disabled_reason"] == "failing"
        reply = await attempt(database)
        assert (reply.outcome, reply.detail) == (
            Outcome.BOUNCED,
            "no endpoint is open for this program",
        )
        view = (await client.post(f"{path}/enable")).json()
        assert (view["failing_since"], view["disabled_at"]) == (None, None)


async def test_endpoint_is_disabled_at_once_when_it_says_that_it_is_gone(
    client: httpx2.AsyncClient, database: Database
) -> None:
    async with serving() as server:
        new = await made(client, server.url)
        server.says = answer(410)
        assert (await attempt(database)).outcome is Outcome.DEFERRED
        view = (await client.get(f"{ROOT}/{new['endpoint_id']}")).json()
        assert view["disabled_reason"] == "gone"
        assert (await attempt(database)).outcome is Outcome.BOUNCED
        assert len(server.calls) == 1


async def test_endpoint_is_not_given_up_when_another_replica_saw_it_work(
    client: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    new = await made(client, "https://shop.example.com")
    known = KnownEndpoints(database)
    fresh = await known.of_program("p")
    assert fresh is not None
    await known.failed(fresh)
    stale = await known.of_program("p")
    assert stale is not None
    await known.worked(stale)
    clock.advance(timedelta(days=6))
    await known.failed(stale)
    assert (await client.get(f"{ROOT}/{new['endpoint_id']}")).json()["disabled_at"] is None


async def test_endpoint_is_not_given_up_when_nothing_was_sent_to_it_for_days(
    client: httpx2.AsyncClient, database: Database, clock: ManualClock
) -> None:
    async with serving() as server:
        new = await made(client, server.url)
        server.says = answer(500)
        await attempt(database)
        clock.advance(timedelta(days=6))
        await attempt(database)
        view = (await client.get(f"{ROOT}/{new['endpoint_id']}")).json()
    assert view["disabled_at"] is None
    assert datetime.fromisoformat(view["failing_since"]) == clock.now()
