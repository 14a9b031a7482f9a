"""Trigger on a real Postgres, with a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import pytest

from heardback import outbox
from heardback.contracts import registry, topics
from heardback.contracts.payloads import Suppression
from heardback.contracts.registry import EventType
from heardback.db import Database
from heardback.envelope import Event, decode
from heardback.health import Health
from heardback.service import Service
from heardback.testing.clock import CountedIds, ManualClock
from heardback.testing.stack import ServiceDatabase
from heardback.timer_loop import TimerLoop
from trigger_service.app import service
from trigger_service.program_files import Folder, read_folder
from trigger_service.rules import install_files
from trigger_service.settings import READY_MADE_PROGRAMS, Settings


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """One replica of the service, without its processes: events in, timers due, events out."""

    database: Database
    clock: ManualClock

    @cached_property
    def service(self) -> Service:
        """What the process would be made of; its routes take a while."""
        return service(Settings(database_url=self.database.url))

    async def deliver(self, *events: Event[Any]) -> None:
        """Handle one batch; all of its events are of one topic."""
        handler = self.service.handlers[events[0].type.topic]
        async with self.database.transaction() as tx:
            await handler(tx, events)

    async def fire(self) -> int:
        """Fire what is due; return how many timers there were."""
        loop = TimerLoop(
            database=self.database,
            handlers=self.service.timers,
            bell=asyncio.Event(),
            batch_size=500,
            check=Health().check("timers"),
        )
        return await loop.fire()

    async def published(self, event_type: EventType | None = None) -> list[Any]:
        """Return the payloads of what was published, in order; of one type, or of all."""
        async with self.database.read() as connection:
            staged = await outbox.claim(connection, limit=10_000)
        events = [decode(topics.SURVEY, s.message.value, s.message.headers) for s in staged]
        return [e.data for e in events if event_type in (None, e.type)]

    async def suppressions(self) -> list[Suppression]:
        """Return what each program had against asking, in order."""
        events = await self.published(registry.SURVEY_SUPPRESSED)
        return [suppression for event in events for suppression in event.suppressions]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@cache
def ready_made() -> Folder:
    """The ready-made programs, read once."""
    return read_folder(READY_MADE_PROGRAMS)


@pytest.fixture
async def trigger(migrated_database: ServiceDatabase, clock: ManualClock) -> AsyncIterator[Trigger]:
    url = await migrated_database("trigger")
    database = Database(url, service="trigger", clock=clock, ids=CountedIds())
    files = ready_made()
    async with database.transaction() as tx:
        await install_files(tx, files.programs, files.governance)
    yield Trigger(database=database, clock=clock)
    await database.close()
