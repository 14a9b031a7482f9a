"""A replica of dispatch-service as its process is made of it; the broker is played by the test."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx2
from fastapi import FastAPI

from dispatch_service.app import service
from dispatch_service.domain.turn import LOOK_AGAIN
from dispatch_service.settings import Settings
from heardback import outbox
from heardback.contracts import topics
from heardback.contracts.registry import EventType
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.envelope import Event, decode
from heardback.health import Health
from heardback.http import build_app
from heardback.security import new_api_key
from heardback.service import Runtime, Service
from heardback.testing.clock import ManualClock
from heardback.testing.waiting import until
from heardback.timer_loop import TimerLoop

BASE_URL = "https://preferences.example.com"
API_KEY, _DIGEST = new_api_key()


@dataclass
class Replica:
    """Events in, timers that a test fires, HTTP, events out."""

    database: Database
    settings: Settings
    service: Service = field(init=False)
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.service = service(self.settings)
        self.app = build_app(
            name="dispatch",
            database=self.database,
            health=Health(),
            routers=self.service.routers,
            api_keys=f"shop:{_DIGEST}",
        )

    async def hear(self, *events: Event[Any]) -> None:
        """Have the effects of a batch, all of one topic."""
        handler = self.service.handlers[events[0].type.topic]
        async with self.database.transaction() as tx:
            await handler(tx, events)

    async def fire(self) -> int:
        """Fire the timers that are due; return how many there were."""
        loop = TimerLoop(
            database=self.database,
            handlers=self.service.timers,
            bell=asyncio.Event(),
            batch_size=500,
            check=Health().check("timers"),
        )
        return await loop.fire()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Replica"]:
        """Send, as the process does."""
        health, stop = Health(), asyncio.Event()
        doorbell = Doorbell(
            url=self.database.url,
            schema="dispatch",
            clock=self.database.clock,
            check=health.check("doorbell"),
        )
        runtime = Runtime(
            database=self.database, doorbell=doorbell, health=health, clock=self.database.clock
        )
        loops = [make(runtime) for make in self.service.loops]
        running = [asyncio.create_task(loop(stop)) for loop in (*loops, doorbell.run)]
        try:
            yield self
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*running), 20)

    @asynccontextmanager
    async def http(self, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
        """A browser, or a system that calls."""
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url=BASE_URL, headers=headers
        ) as client:
            yield client

    async def published(self, *event_types: EventType) -> list[Any]:
        """Return the payloads of what was published, in order; of some types, or of all."""
        async with self.database.read() as connection:
            staged = await outbox.claim(connection, limit=100_000)
        events = [decode(topics.DELIVERY, s.message.value, s.message.headers) for s in staged]
        return [e.data for e in events if not event_types or e.type in event_types]

    async def wait_for(self, count: int, *event_types: EventType) -> Sequence[Any]:
        """Wait until so much was published; return it."""
        has_published = partial(self._has_published, count, event_types)
        try:
            await until(has_published, seconds=5)
        except TimeoutError:
            # What was held up just as what it waited for went out is looked at again: by its clock.
            assert isinstance(self.database.clock, ManualClock)
            self.database.clock.advance(LOOK_AGAIN)
            await until(has_published)
        return await self.published(*event_types)

    async def _has_published(self, count: int, event_types: Sequence[EventType]) -> bool:
        return len(await self.published(*event_types)) >= count
