"""A migrated schema, the handlers as the loops call them, and the served board."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text

from closeloop_service import api, handlers
from closeloop_service.board import Board
from closeloop_service.domain.decisions import Command
from closeloop_service.domain.sla import SlaPolicy
from closeloop_service.domain.task import Task
from closeloop_service.live import BoardFeed
from closeloop_service.queries import Filters, newest_tasks
from closeloop_service.tables import metadata
from heardback import outbox
from heardback.clock import SystemClock
from heardback.console.pages import Console, NavigationLink
from heardback.console.sse import Hub
from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.contracts.topics import TASK
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.envelope import Event, decode
from heardback.health import Check, Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds
from heardback.service import Runtime
from heardback.testing.browser import serve
from heardback.testing.builders import an_event
from heardback.testing.clock import START, CountedIds, ManualClock
from heardback.testing.stack import ServiceDatabase
from heardback.timer_loop import TimerLoop
from heardback.vocabulary import SlaClock

POLICY = SlaPolicy(
    targets={
        SlaClock.FIRST_RESPONSE: timedelta(hours=4),
        SlaClock.RESOLUTION: timedelta(hours=48),
    },
    warning_share=0.75,
)


def an_alert(number: int = 1, **data: Any) -> Event[Any]:
    """Return the alert number `number`, of a customer who left words."""
    fields = {
        "customer_id": f"c{number}",
        "alert_id": f"alert-{number}",
        "response_id": f"response-{number}",
        "invitation_id": f"invitation-{number}",
        "program_id": "after-purchase",
        "touchpoint": "purchase",
        "score": 2,
        "comment": "It came two weeks late.",
        "recipient": {"email": f"c{number}@example.com", "name": f"Ada {number}"},
        "alerted_at": START,
    }
    return an_event(registry.DETRACTOR_ALERTED, id=f"a{number}", **{**fields, **data})


def a_revision(number: int = 1, *, revision: int = 2, **data: Any) -> Event[Any]:
    """Return how customer `number` changed the answer."""
    fields = {
        "customer_id": f"c{number}",
        "response_id": f"response-{number}",
        "invitation_id": f"invitation-{number}",
        "program_id": "after-purchase",
        "touchpoint": "purchase",
        "survey_id": "nps",
        "channel": "email",
        "revision": revision,
        "score": 4,
        "category": "detractor",
        "comment": "They called, but still.",
        "answered_at": START,
    }
    return an_event(registry.RESPONSE_REVISED, id=f"r{number}-{revision}", **{**fields, **data})


class Closeloop:
    """The service without its process: what happens to it, and what it says."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.timers = TimerLoop(
            database=database,
            handlers={
                handlers.WARNING: handlers.on_warnings_due,
                handlers.BREACH: handlers.on_breaches_due,
            },
            bell=asyncio.Event(),
            batch_size=500,
            check=Check(name="timers"),
        )

    async def hear(self, *events: Event[Any]) -> None:
        """Handle one batch; its first event tells the topic."""
        async with self.database.transaction() as tx:
            if events[0].type is registry.DETRACTOR_ALERTED:
                await handlers.on_alerts(POLICY, tx, events)
            else:
                await handlers.on_responses(tx, events)

    async def move(self, task_id: str, command: Command, **options: Any) -> Task:
        async with self.database.transaction() as tx:
            return await handlers.move(tx, task_id, command, **options)

    async def pass_time(self, **by: float) -> None:
        """Let time pass and fire the timers that fell due."""
        self.clock.advance(timedelta(**by))
        while await self.timers.fire():
            pass

    async def tasks(self) -> list[Task]:
        """Return all tasks, the oldest first."""
        async with self.database.read() as connection:
            newest = await newest_tasks(connection, Filters(), before=None, limit=1_000)
            return newest[::-1]

    async def said(self) -> list[Event[Payload]]:
        """Return what waits in the outbox, in order."""
        async with self.database.read() as connection:
            staged = [row.message for row in await outbox.claim(connection, limit=10_000)]
        return [decode(TASK, message.value, message.headers) for message in staged]

    async def families(self) -> list[str]:
        return [event.type.family for event in await self.said()]

    async def timer_keys(self) -> set[tuple[str, str]]:
        async with self.database.read() as connection:
            return {
                tuple(row) for row in await connection.execute(text("SELECT kind, key FROM timer"))
            }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(migrated_database: ServiceDatabase) -> str:
    """The URL of a migrated schema."""
    return await migrated_database("closeloop")


@asynccontextmanager
async def emptied(url: str, **parts: Any) -> AsyncIterator[Database]:
    """Open the module's schema, emptied."""
    opened = Database(url, service="closeloop", pool_size=6, **parts)
    async with opened.transaction() as tx:
        names = ", ".join(f'"{table}"' for table in metadata.tables)
        await tx.connection.execute(text(f"TRUNCATE {names}"))
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(url: str, clock: ManualClock) -> AsyncIterator[Database]:
    async with emptied(url, clock=clock, ids=CountedIds()) as opened:
        yield opened


@pytest.fixture
def closeloop(database: Database, clock: ManualClock) -> Closeloop:
    return Closeloop(database, clock)


class Served:
    """The HTTP app and the feed of one replica."""

    def __init__(self, database: Database) -> None:
        clock = database.clock
        links = [
            NavigationLink(label="Board", url="/"),
            NavigationLink(label="Dashboard", url="/d"),
        ]
        console = Console(
            package="closeloop_service", active="Board", navigation=links, clock=clock
        )
        self.hub = Hub(ids=TimeOrderedIds())
        self.stop = asyncio.Event()
        self.feed = BoardFeed(console=console, hub=self.hub)
        health = Health()
        doorbell = Doorbell(
            url=database.url, schema="closeloop", clock=clock, check=health.check("doorbell")
        )
        self.runtime = Runtime(database=database, doorbell=doorbell, health=health, clock=clock)
        board = Board(console=console, hub=self.hub)
        routers = (api.router, board.router, console.assets_router)
        self.app: FastAPI = build_app(
            name="closeloop", database=database, health=health, routers=routers
        )
        self.app.state.stop = self.stop


@pytest.fixture
def served(database: Database) -> Served:
    return Served(database)


class LiveBoard:
    """A board that is served over HTTP by the machine's clock."""

    def __init__(self, served: Served, url: str) -> None:
        self.served = served
        self.url = url
        self.database = served.runtime.database

    async def hear(self, *events: Event[Any]) -> None:
        async with self.database.transaction() as tx:
            await handlers.on_alerts(POLICY, tx, events)

    async def move(self, task_id: str, command: Command) -> None:
        async with self.database.transaction() as tx:
            await handlers.move(tx, task_id, command)

    async def task_ids(self) -> Sequence[str]:
        async with self.database.read() as connection:
            found = await newest_tasks(connection, Filters(), before=None, limit=1_000)
        return [task.task_id for task in found[::-1]]


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[LiveBoard]:
    """Serve a board on a free port, with its feed."""
    async with emptied(url, clock=SystemClock(), ids=TimeOrderedIds()) as database:
        served = Served(database)
        loops = (served.feed.loop(served.runtime), served.runtime.doorbell.run)
        running = [asyncio.ensure_future(loop(served.stop)) for loop in loops]
        async with serve(served.app) as base_url:
            yield LiveBoard(served, base_url)
        served.stop.set()
        await asyncio.gather(*running)


@pytest.fixture
async def live_board(url: str) -> AsyncIterator[LiveBoard]:
    async with serving(url) as board:
        yield board


@pytest.fixture(name="an_alert")
def an_alert_fixture() -> Callable[..., Event[Any]]:
    return an_alert


@pytest.fixture(name="a_revision")
def a_revision_fixture() -> Callable[..., Event[Any]]:
    return a_revision
