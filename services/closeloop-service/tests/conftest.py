"""A migrated schema, and the handlers as the loops call them.

Times are of a Monday morning at 9, as `heardback.testing.clock.START` is; by the ready-made rules
a detractor is to be contacted by 13:00, and heard back for good within 48 hours.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.commands import Command
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Task
from closeloop_service.handlers import commands
from closeloop_service.handlers.commands import Moved
from closeloop_service.handlers.listening import timer_handlers, topic_handlers
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store.rows import to_task
from closeloop_service.tables import OUTBOX, TASK, TASK_HISTORY
from heardback import outbox
from heardback.contracts import registry, topics
from heardback.contracts.payloads import Payload
from heardback.db import Database
from heardback.envelope import Event, decode
from heardback.health import Check
from heardback.testing.builders import an_event
from heardback.testing.clock import START, CountedIds, ManualClock
from heardback.testing.stack import ServiceDatabase
from heardback.timer_loop import TimerLoop

from .rows import make_whole as make_whole
from .rows import whole as whole


class FixedRules(Keeper):
    """A keeper of rules that a test gives it; without any it keeps those in force.

    The first that met the ready-made rules has read them for all.
    """

    _ready_made: ClassVar[Rules | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._rules = self._ready_made
        self._fixed: Rules | None = None

    def fix(self, rules: Rules | None) -> None:
        """Have these rules in force from now on; None: those that were saved."""
        self._fixed = rules

    async def change(self, connection: AsyncConnection, **parts: Any) -> Rules:
        """Have the rules in force with other `parts`, as a newer version; return them."""
        rules = await self.in_force(connection)
        self._fixed = replace(rules, version=rules.version + 1, **parts)
        return self._fixed

    async def in_force(self, connection: AsyncConnection) -> Rules:
        if self._fixed is not None:
            return self._fixed
        found = await super().in_force(connection)
        if found.version == 0:
            FixedRules._ready_made = found
        return found


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


def an_answer(number: int = 1, *, revision: int = 1, **data: Any) -> Event[Any]:
    """Return the answer of customer `number`: a passive's first one, who left words."""
    fields = {
        "customer_id": f"c{number}",
        "response_id": f"response-{number}",
        "invitation_id": f"invitation-{number}",
        "program_id": "after-purchase",
        "touchpoint": "purchase",
        "survey_id": "nps",
        "channel": "email",
        "revision": revision,
        "score": 7,
        "category": "passive",
        "comment": "Fine, but no dark mode.",
        "answered_at": START,
    }
    event_type = registry.RESPONSE_REVISED if revision > 1 else registry.RESPONSE_RECORDED
    return an_event(event_type, id=f"r{number}-{revision}", **{**fields, **data})


def a_revision(number: int = 1, *, revision: int = 2, **data: Any) -> Event[Any]:
    """Return how customer `number`, a detractor, changed the answer."""
    fields = {"score": 4, "category": "detractor", "comment": "They called, but still."}
    return an_answer(number, revision=revision, **{**fields, **data})


class Closeloop:
    """The service without its process: what happens to it, and what it says."""

    def __init__(self, database: Database, clock: ManualClock, keeper: FixedRules) -> None:
        self.database = database
        self.clock = clock
        self.keeper = keeper
        self._handlers = topic_handlers(keeper)
        self.timers = TimerLoop(
            database=database,
            handlers=timer_handlers(keeper),
            bell=asyncio.Event(),
            batch_size=500,
            check=Check(name="timers"),
        )

    async def hear(self, *events: Event[Any]) -> None:
        """Handle one batch; its first event tells the topic."""
        async with self.database.transaction() as tx:
            await self._handlers[events[0].type.topic](tx, events)

    async def move(self, task_id: str, command: Command, **options: Any) -> Task:
        async with self.database.transaction() as tx:
            return await commands.move(tx, self.keeper, task_id, command, **options)

    async def move_many(self, task_ids: list[str], command: Command) -> list[Moved]:
        async with self.database.transaction() as tx:
            return await commands.move_many(tx, self.keeper, task_ids, command)

    async def change_rules(self, **parts: Any) -> Rules:
        """Have the rules in force with other `parts`, as a newer version; return them."""
        async with self.database.read() as connection:
            return await self.keeper.change(connection, **parts)

    async def pass_time(self, **by: float) -> None:
        """Let time pass and fire the timers that fell due."""
        self.clock.advance(timedelta(**by))
        while await self.timers.fire():
            pass

    async def tasks(self) -> list[Task]:
        """Return all tasks, the oldest first."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(TASK).order_by(TASK.c.task_id))
            return [to_task(row) for row in rows]

    async def task(self) -> Task:
        """Return the only task."""
        (task,) = await self.tasks()
        return task

    async def said(self) -> list[Event[Payload]]:
        """Return what was said of tasks and waits in the outbox, in order."""
        query = select(OUTBOX).where(OUTBOX.c.topic == topics.TASK.name).order_by(OUTBOX.c.seq)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [decode(topics.TASK, row.value, outbox.unpack(row.headers)) for row in rows]

    async def families(self) -> list[str]:
        return [event.type.family for event in await self.said()]

    async def history(self) -> list[Any]:
        """Return all lines of all tasks, in order."""
        async with self.database.read() as connection:
            found = await connection.execute(select(TASK_HISTORY).order_by(TASK_HISTORY.c.seq))
            return list(found)

    async def timer_keys(self, *kinds: str) -> set[tuple[str, str]]:
        """Return the timers that wait, of these kinds or of all."""
        async with self.database.read() as connection:
            rows = await connection.execute(text("SELECT kind, key FROM timer"))
            return {(row.kind, row.key) for row in rows if not kinds or row.kind in kinds}


@pytest.fixture
async def url(migrated_database: ServiceDatabase) -> str:
    """The URL of a migrated schema."""
    return await migrated_database("closeloop")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(url: str, clock: ManualClock) -> AsyncIterator[Database]:
    opened = Database(url, service="closeloop", pool_size=6, clock=clock, ids=CountedIds())
    yield opened
    await opened.close()


@pytest.fixture
def keeper() -> FixedRules:
    return FixedRules()


@pytest.fixture
def closeloop(database: Database, clock: ManualClock, keeper: FixedRules) -> Closeloop:
    return Closeloop(database, clock, keeper)


@pytest.fixture(name="an_alert")
def an_alert_fixture() -> Callable[..., Event[Any]]:
    return an_alert


@pytest.fixture(name="an_answer")
def an_answer_fixture() -> Callable[..., Event[Any]]:
    return an_answer


@pytest.fixture(name="a_revision")
def a_revision_fixture() -> Callable[..., Event[Any]]:
    return a_revision
