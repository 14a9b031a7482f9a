"""The console over HTTP: with a clock that stands still, and live in a browser."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from closeloop_service.console.live import BoardFeed
from closeloop_service.console.pages import Pages
from closeloop_service.domain.commands import Acknowledge, Command
from closeloop_service.domain.rules import Member, Rules
from closeloop_service.handlers import commands
from closeloop_service.handlers.listening import topic_handlers
from closeloop_service.ops_alerts.links import Links
from closeloop_service.settings import Settings
from closeloop_service.store.rows import to_task
from closeloop_service.tables import TASK
from heardback.clock import SystemClock
from heardback.contracts import registry
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.health import Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds
from heardback.service import Runtime
from heardback.testing.browser import serve
from heardback.testing.builders import an_event
from heardback.testing.clock import START

NAMES = ("Ana Ruiz", "Divya Nair")


def an_asking(number: int = 1) -> Any:
    """Return the question to which the alert `number` is the answer: it was asked by mail."""
    at = START - timedelta(days=1)
    return an_event(
        registry.SURVEY_REQUESTED,
        id=f"q{number}",
        customer_id=f"c{number}",
        invitation_id=f"invitation-{number}",
        program_id="after-purchase",
        touchpoint="purchase",
        touchpoint_id=f"shop/{number}",
        survey_id="nps",
        channel="email",
        recipient={"email": f"c{number}@example.com", "name": f"Ada {number}"},
        occurred_at=at,
        requested_at=at,
        expires_at=at + timedelta(days=30),
    )


class Served:
    """The HTTP app and the feed of one replica."""

    def __init__(self, database: Database, keeper: Any) -> None:
        clock = database.clock
        settings = Settings(
            database_url="postgresql://nowhere", board_url="/", dashboard_url="/dashboard"
        )
        links = Links("http://127.0.0.1", [])
        pages = Pages(
            settings=settings, keeper=keeper, links=links, ids=TimeOrderedIds(), clock=clock
        )
        self.hub = pages.hub
        self.stop = asyncio.Event()
        self.feed: BoardFeed = pages.feed
        health = Health()
        doorbell = Doorbell(
            url=database.url, schema="closeloop", clock=clock, check=health.check("doorbell")
        )
        self.runtime = Runtime(database=database, doorbell=doorbell, health=health, clock=clock)
        self.app: FastAPI = build_app(
            name="closeloop", database=database, health=health, routers=pages.routers
        )
        self.app.state.stop = self.stop


@pytest.fixture
def served(database, keeper) -> Served:
    return Served(database, keeper)


@pytest.fixture
async def http(served):
    transport = httpx2.ASGITransport(app=served.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://board.example") as client:
        yield client


@pytest.fixture(name="an_asking")
def an_asking_fixture() -> Callable[..., Any]:
    return an_asking


@pytest.fixture
async def task_id(closeloop, an_alert) -> str:
    await closeloop.hear(an_alert())
    return (await closeloop.tasks())[0].task_id


class LiveBoard:
    """A board that is served over HTTP by the machine's clock."""

    def __init__(self, served: Served, url: str, keeper: Any) -> None:
        self.served = served
        self.url = url
        self.keeper = keeper
        self.database = served.runtime.database
        self._handlers = topic_handlers(keeper)

    async def hear(self, *events: Any) -> None:
        async with self.database.transaction() as tx:
            await self._handlers[events[0].type.topic](tx, events)

    async def move(self, task_id: str, command: Command) -> None:
        async with self.database.transaction() as tx:
            await commands.move(tx, self.keeper, task_id, command)

    async def tasks(self) -> list[Any]:
        async with self.database.read() as connection:
            rows = await connection.execute(select(TASK).order_by(TASK.c.task_id))
            return [to_task(row) for row in rows]

    async def task_ids(self) -> list[str]:
        """Return the ids of all tasks, the oldest first."""
        return [task.task_id for task in await self.tasks()]

    async def page(
        self, browser: Browser, path: str = "/", *, me: str = "", **options: Any
    ) -> Page:
        """Open a page, wait until it is live, and say that it is `me` who sits there."""
        page = await browser.new_page(**options)
        await page.goto(self.url + path)
        await expect(page.locator("#live")).to_have_text("Live")
        if me:
            await page.locator("#me-name").fill(me)
            await page.locator("#me-save").click()
            await expect(page.locator("#me")).to_have_attribute("data-me", me)
        return page


def by_the_wall(rules: Rules) -> dict[str, Any]:
    """Return parts of rules in which every hour counts, and people are in the team."""
    policies = [
        replace(
            policy,
            calendar_id="always",
            targets={which: replace(t, calendar_id=None) for which, t in policy.targets.items()},
        )
        for policy in rules.policies
    ]
    teams = {
        team_id: replace(team, members=tuple(Member(name=name, capacity=0) for name in NAMES))
        for team_id, team in rules.routing.teams.items()
    }
    return {"policies": policies, "routing": replace(rules.routing, teams=teams)}


@asynccontextmanager
async def serving(url: str, keeper: Any) -> AsyncIterator[LiveBoard]:
    """Serve a board on a free port, with its feed."""
    database = Database(
        url, service="closeloop", pool_size=6, clock=SystemClock(), ids=TimeOrderedIds()
    )
    async with database.transaction() as tx:
        await keeper.change(tx.connection, **by_the_wall(await keeper.in_force(tx.connection)))
    served = Served(database, keeper)
    loops = (served.feed.loop(served.runtime), served.runtime.doorbell.run)
    running = [asyncio.ensure_future(loop(served.stop)) for loop in loops]
    async with serve(served.app) as base_url:
        yield LiveBoard(served, base_url, keeper)
    served.stop.set()
    await asyncio.gather(*running)
    await database.close()


@pytest.fixture
async def live_board(url: str, keeper) -> AsyncIterator[LiveBoard]:
    async with serving(url, keeper) as board:
        yield board


@pytest.fixture
def a_board(live_board, an_alert) -> Callable[..., Any]:
    """Open one task that is late, one due soon, and two with time; the last is Divya Nair's."""

    async def make() -> list[str]:
        now = SystemClock().now()
        ages = (250, 225, 30, 20)
        await live_board.hear(
            *(
                an_alert(number, alerted_at=now - timedelta(minutes=age))
                for number, age in enumerate(ages, start=1)
            )
        )
        ids = await live_board.task_ids()
        await live_board.move(ids[3], Acknowledge(actor="Divya Nair"))
        return ids

    return make
