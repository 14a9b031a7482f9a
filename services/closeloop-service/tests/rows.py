"""For the tests of rows: the service as `app.service` describes it, without process and broker.

Events go in, HTTP is spoken with the real app, rules are saved as rulebooks, and what is said is
read from the outbox. Time passes where a test says so.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import select

from closeloop_service.app import service
from closeloop_service.settings import Settings
from closeloop_service.tables import OUTBOX
from heardback import outbox, timers
from heardback.clock import Clock
from heardback.contracts import registry
from heardback.contracts.registry import EventType
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.envelope import Event, decode
from heardback.health import Check, Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds
from heardback.service import Run, Runtime
from heardback.testing.builders import an_event
from heardback.testing.clock import START, ManualClock
from heardback.timer_loop import TimerHandler, TimerLoop

BOARD: Final = "http://board.example.com"
HOUR: Final = timedelta(hours=1)
SECOND: Final = timedelta(seconds=1)
ANA: Final = {"owner": "Ana"}
MAYA: Final = {"actor": "Maya"}
CALL: Final = {**ANA, "channel": "phone", "note": "She was glad of the call."}
FIX: Final = {**ANA, "root_cause": "late delivery", "note": "Refunded."}
CARE: Final = {"title": "Customer care", "calendar": "office", "lead": "Maya", "head": "Noor"}
POLICY: Final = {
    "id": "default",
    "calendar": "office",
    "first_response": "4h",
    "resolution": {"within": "48h", "calendar": "always"},
}
_HEARD_AT_ONCE: Final = 100
_TURN_SECONDS: Final = 0.01


class Died(BaseException):
    """The process ends here, and commits nothing more."""


class Whole:
    """One replica. `said` is what all of them said."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database, self.clock = database, database.clock
        self._service = service(settings)
        self.timers = self._timer_loop(self._service.timers, asyncio.Event())
        routers = self._service.routers
        self.app = build_app(name="closeloop", database=database, health=Health(), routers=routers)
        self.app.state.stop = asyncio.Event()
        transport = httpx2.ASGITransport(app=self.app)
        self.http = httpx2.AsyncClient(transport=transport, base_url=BOARD)

    async def hear(self, *events: Event[Any]) -> None:
        """Have events come in, those of one topic after the other in batches."""
        for start in range(0, len(events), _HEARD_AT_ONCE):
            batch = events[start : start + _HEARD_AT_ONCE]
            async with self.database.transaction() as tx:
                await self._service.handlers[batch[0].type.topic](tx, batch)

    async def said(self, *types: EventType) -> list[Any]:
        """Return what was said, in order; of these types only, if any are given."""
        query = select(OUTBOX).order_by(OUTBOX.c.seq)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).all()
        topics = {
            event_type.topic.name: event_type.topic for event_type in registry.EVENT_TYPES.values()
        }
        events = [decode(topics[row.topic], row.value, outbox.unpack(row.headers)) for row in rows]
        return [event.data for event in events if not types or event.type in types]

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **form: Any) -> Any:
        answer = await self.http.post(path, json=form)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def tasks(self, **query: Any) -> list[Any]:
        """Return the tasks, the oldest first."""
        return list((await self.get("/tasks", **query))["tasks"][::-1])

    async def task(self, **query: Any) -> Any:
        """Return the only task, with all that belongs to it."""
        (task,) = await self.tasks(**query)
        return await self.get(f"/tasks/{task['task_id']}")

    async def move(self, task: Mapping[str, Any], move: str, status: int = 200, **form: Any) -> Any:
        return await self.post(f"/tasks/{task['task_id']}/{move}", status, **form)

    async def put(self, kind: str, **parts: Any) -> None:
        """Put a rulebook in force as it is, with other `parts`."""
        document = (await self.get(f"/rulebooks/{kind}"))["document"] | parts
        body, headers = json.dumps(document), {"content-type": "application/yaml"}
        answer = await self.http.put(f"/rulebooks/{kind}", content=body, headers=headers)
        assert answer.status_code == 200, answer.text

    async def until(self, at: datetime) -> None:
        """Let the time come, and what is due then fire."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(at - self.clock.now())
        while await self.timers.fire():
            pass

    async def after(self, **by: float) -> None:
        await self.until(self.clock.now() + timedelta(**by))

    async def dies(self, kind: str) -> None:
        """Fire what is due, and die when timers of that kind had their effects, uncommitted."""

        async def handle(tx: Any, due: Any) -> None:
            await self._service.timers[kind](tx, due)
            raise Died

        loop = self._timer_loop({**self._service.timers, kind: handle}, asyncio.Event())
        with pytest.raises(Died):
            await loop.fire()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Run every loop of the process but those that speak with the broker."""
        health, stop, database = Health(), asyncio.Event(), self.database
        doorbell = Doorbell(
            url=database.url, schema="closeloop", clock=self.clock, check=health.check("doorbell")
        )
        runtime = Runtime(database=database, doorbell=doorbell, health=health, clock=self.clock)
        bell = doorbell.bell(timers.CHANNEL)
        runs: list[Run] = [self._timer_loop(self._service.timers, bell).run]
        runs += [make(runtime) for make in self._service.loops]
        running = [asyncio.ensure_future(run(stop)) for run in (*runs, doorbell.run)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*running)

    async def eventually(
        self, holds: Callable[[], bool | Awaitable[bool]], *, step: float = 1
    ) -> None:
        """Let time pass, so many seconds a step, until it holds; loops at work act in between."""
        assert isinstance(self.clock, ManualClock)
        for _ in range(1_000):
            came = holds()
            if came if isinstance(came, bool) else await came:
                return
            self.clock.advance(timedelta(seconds=step))
            await asyncio.sleep(_TURN_SECONDS)
        raise TimeoutError(getattr(holds, "__qualname__", str(holds)))

    def _timer_loop(self, handlers: Mapping[str, TimerHandler], bell: asyncio.Event) -> TimerLoop:
        return TimerLoop(
            database=self.database,
            handlers=handlers,
            bell=bell,
            batch_size=500,
            check=Check(name="timers"),
        )


def at(text: str) -> datetime:
    """Return an instant that is written as `2026-03-02 09:00`, in UTC."""
    return datetime.fromisoformat(f"{text}Z")


def due(task: Any, which: str) -> datetime:
    """Return when a clock of a task runs out, as the API says it."""
    return datetime.fromisoformat(task[f"{which}_due_at"])


async def with_members(whole: Whole, *members: dict[str, Any]) -> None:
    """Have one team, of these members."""
    teams = {"care": {**CARE, "members": list(members)}}
    await whole.put("teams", teams=teams, rules=[{"team": "care"}])


def an_update(number: int = 1, **customer: Any) -> Event[Any]:
    """Return what customer data says of customer `number`."""
    return an_event(
        registry.CUSTOMER_UPDATED,
        id=f"update-{number}",
        customer_id=f"c{number}",
        customer=customer,
        occurred_at=START,
    )


@pytest.fixture
async def make_whole(url: str, database: Database) -> AsyncIterator[Callable[..., Whole]]:
    """Make a replica that knows these secrets, by the time of a test or by another."""
    async with AsyncExitStack() as stack:

        def make(*, clock: Clock | None = None, secrets: Any = None) -> Whole:
            own = database
            if clock is not None:
                own = Database(
                    url, service="closeloop", clock=clock, ids=TimeOrderedIds(), pool_size=4
                )
                stack.push_async_callback(own.close)
            settings = Settings(
                database_url=url,
                secrets=secrets or {},
                link_keys="only-for-tests-0123",
                board_public_url=BOARD,
                company="Example",
                allowed_networks="127.0.0.0/8",
            )
            whole = Whole(own, settings)
            stack.push_async_callback(whole.http.aclose)
            return whole

        yield make


@pytest.fixture
def whole(make_whole: Callable[..., Whole]) -> Whole:
    return make_whole()
