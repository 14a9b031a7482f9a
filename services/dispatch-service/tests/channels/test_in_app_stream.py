"""Streams of cards: what one replica changes shows on every page, whichever serves it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
from sqlalchemy import text

from dispatch_service import cards, in_app_api
from dispatch_service.cards import Shelf
from dispatch_service.in_app_api import InApp
from dispatch_service.in_app_stream import Streams
from dispatch_service.in_app_tokens import CustomerTokens
from heardback.clock import SystemClock
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.health import Check, Health
from heardback.ids import TimeOrderedIds
from heardback.service import Runtime
from heardback.testing.browser import serve
from heardback.testing.clock import ManualClock
from heardback.testing.waiting import until

from .conftest import Over, Put
from .parcels import KEYS, composers

TOKENS = CustomerTokens(KEYS)
BASE = "https://dispatch.example.com"


def in_app() -> InApp:
    shelf = Shelf(composers().cards.compose)
    return InApp(tokens=TOKENS, shelf=shelf, streams=Streams(shelf), base_url=BASE)


@asynccontextmanager
async def replica(database: Database, app_of: Over) -> AsyncIterator[tuple[str, InApp]]:
    """Run what one process has for this: the routes, the doorbell, and the loop that feeds."""
    made, health, stop = in_app(), Health(), asyncio.Event()
    bell = Doorbell(
        url=database.url, schema="dispatch", clock=SystemClock(), check=Check(name="bell")
    )
    runtime = Runtime(database=database, doorbell=bell, health=health, clock=SystemClock())
    feeding = made.streams.loop(runtime)
    async with (
        asyncio.TaskGroup() as group,
        serve(app_of(database, in_app_api.router(made, origins=()))) as url,
    ):
        group.create_task(feeding(stop))
        group.create_task(bell.run(stop))
        await until(lambda: health.ready)
        try:
            yield url, made
        finally:
            stop.set()


@asynccontextmanager
async def listening(url: str, token: str) -> AsyncIterator["asyncio.Queue[list[str]]"]:
    """Listen as a browser does; yield the ids of the cards each time that they are told."""
    heard: asyncio.Queue[list[str]] = asyncio.Queue()

    async def listen() -> None:
        async with (
            httpx2.AsyncClient(timeout=None, trust_env=False) as client,
            client.stream("GET", f"{url}/in-app/{token}/events") as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    told: Any = json.loads(line.removeprefix("data: "))
                    heard.put_nowait([card["message_id"] for card in told["cards"]])

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])


async def next_of(heard: "asyncio.Queue[list[str]]") -> list[str]:
    return await asyncio.wait_for(heard.get(), 10)


async def test_change_shows_on_every_replica_when_one_makes_it(
    migrated_database: Any, app_of: Over
) -> None:
    url = await migrated_database("dispatch")
    databases = [
        Database(url, service="dispatch", clock=SystemClock(), ids=TimeOrderedIds())
        for _ in range(2)
    ]
    one, two = databases
    now = one.clock.now()
    token = TOKENS.make("c1", now=now)
    async with replica(one, app_of) as (first, streams), replica(two, app_of) as (second, _):
        async with listening(first, token) as here, listening(second, token) as there:
            assert await next_of(here) == await next_of(there) == []
            await _put_now(two, "m1")
            assert await next_of(here) == await next_of(there) == ["m1"]
            async with one.transaction() as tx:
                await tx.ring(cards.CHANGED)  # nothing changed: nothing is told
                await cards.dismiss(tx, "c2", "m1")
            async with httpx2.AsyncClient(trust_env=False) as client:
                await client.post(f"{second}/in-app/{token}/m1/dismiss")
            assert await next_of(here) == await next_of(there) == []
            assert here.empty()
        await until(lambda: not streams.streams._listeners)
    for database in databases:
        await database.close()


async def _put_now(database: Database, message_id: str) -> None:
    async with database.transaction() as tx:
        await tx.connection.execute(
            text("""
                INSERT INTO invitation (invitation_id, customer_id, program_id, touchpoint,
                    survey_id, channels, channel, occurred_at, requested_at, expires_at, state)
                VALUES ('00000000-0000-7000-8000-000000000001', 'c1', 'p', 'purchase', 'nps',
                    '["in_app"]', 'in_app', now(), now(), now() + interval '1 day', 'sent')
            """)
        )
        await tx.connection.execute(
            text("""
                INSERT INTO message (message_id, invitation_id, customer_id, kind, channel,
                    address, deadline_at, state)
                VALUES (:id, '00000000-0000-7000-8000-000000000001', 'c1', 'invitation', 'in_app',
                    'c1', now() + interval '1 day', 'sent')
            """),
            {"id": message_id},
        )
        await tx.ring(cards.CHANGED)


async def test_stream_ends_when_the_token_is_over(
    database: Database, clock: ManualClock, put: Put
) -> None:
    made, stop = in_app(), asyncio.Event()
    holder = TOKENS.open(TOKENS.make("c1", now=clock.now()), now=clock.now())
    say = made.say_to("token")
    heard = [
        frame
        async for frame in _while_time_passes(
            made.streams.listen(holder, say, database=database, stop=stop), clock
        )
    ]
    assert heard[0] == b"retry: 5000\n\n"
    assert heard[1] == b'event: cards\ndata: {"cards":[]}\n\n'
    assert set(heard[2:]) == {b": beat\n\n"}
    assert not made.streams._listeners


async def _while_time_passes(
    frames: AsyncIterator[bytes], clock: ManualClock
) -> AsyncIterator[bytes]:
    async def pass_time() -> None:
        while True:
            await asyncio.sleep(0.01)
            clock.advance(timedelta(hours=1))

    passing = asyncio.create_task(pass_time())
    async for frame in frames:
        yield frame
    passing.cancel()


async def test_stream_ends_quietly_when_the_database_is_away(clock: ManualClock) -> None:
    nowhere = Database(
        "postgresql://nobody@127.0.0.1:1/none",
        service="dispatch",
        clock=clock,
        ids=TimeOrderedIds(),
    )
    made = in_app()
    holder = TOKENS.open(TOKENS.make("c1", now=clock.now()), now=clock.now())
    frames = made.streams.listen(holder, made.say_to("t"), database=nowhere, stop=asyncio.Event())
    assert [frame async for frame in frames] == [b"retry: 5000\n\n"]
    assert not made.streams._listeners
    await nowhere.close()


async def test_customer_has_no_more_streams_than_pages_when_they_open_many(
    database: Database, app_of: Over
) -> None:
    made = in_app()
    now = database.clock.now()
    holder = TOKENS.open(TOKENS.make("c1", now=now), now=now)
    stop = asyncio.Event()
    opened = [
        made.streams.listen(holder, made.say_to("t"), database=database, stop=stop)
        for _ in range(5)
    ]
    for frames in opened:
        made.streams.check_room("c1")
        await anext(frames)
    path = f"/in-app/{TOKENS.make('c1', now=now)}/events"
    transport = httpx2.ASGITransport(app=app_of(database, in_app_api.router(made, origins=())))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        response = await client.get(path)
    assert (response.status_code, response.headers["retry-after"]) == (429, "60")
    made.streams.check_room("c2")
    for frames in opened:
        await frames.aclose()
    made.streams.check_room("c1")


async def test_older_look_is_not_told_when_a_newer_one_was(database: Database) -> None:
    """A look that began first may come back last."""
    slow, made = asyncio.Event(), in_app()

    class Slow(Shelf):
        looks = 0

        async def of(self, database: Database, customer_ids: Any) -> Any:
            self.looks += 1
            if self.looks == 1:
                await slow.wait()
                return {}
            return {"c1": [{"message_id": "new"}]}

    streams = Streams(Slow(composers().cards.compose))
    now = database.clock.now()
    holder = TOKENS.open(TOKENS.make("c1", now=now), now=now)
    frames = streams.listen(holder, made.say_to("t"), database=database, stop=asyncio.Event())
    assert await anext(frames) == b"retry: 5000\n\n"
    first = asyncio.ensure_future(anext(frames))
    await asyncio.sleep(0)
    await streams.feed(database)
    slow.set()
    assert b'"message_id":"new"' in await first
    await frames.aclose()
