"""Wakes sleeping loops when another transaction, here or in another replica, rings."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy.engine import make_url

from heardback.clock import Clock, wait_any
from heardback.db import is_transient
from heardback.health import Check
from heardback.retrying import until_it_works

_log = structlog.get_logger(__name__)
_PROBE_SECONDS: Final = 15.0
_ANSWER_SECONDS: Final = 5.0
_GATHER_SECONDS: Final = 0.1


def at_each_ring(
    bell: asyncio.Event,
    action: Callable[[], Awaitable[None]],
    *,
    idle_seconds: float,
    clock: Clock,
    check: Check,
) -> Callable[[asyncio.Event], Coroutine[Any, Any, None]]:
    """Return a loop that acts when `bell` rings, through outages, and each `idle_seconds` anyhow.

    Many rings at once are one: it acts ten times a second at most.
    """

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            bell.clear()
            await until_it_works(
                action, worth_retrying=is_transient, stop=stop, clock=clock, check=check
            )
            await wait_any(bell, stop, clock=clock, seconds=idle_seconds)
            await wait_any(stop, clock=clock, seconds=_GATHER_SECONDS)

    return run


class Doorbell:
    """One connection that listens. A lost connection rings every bell: something was missed."""

    def __init__(self, *, url: str, schema: str, clock: Clock, check: Check) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._schema = schema
        self._clock = clock
        self._check = check
        self._bells: dict[str, asyncio.Event] = {}
        self._lost = asyncio.Event()

    def bell(self, channel: str) -> asyncio.Event:
        """Return the event that is set when `channel` rings; the loop that waits clears it."""
        return self._bells.setdefault(channel, asyncio.Event())

    def ring_all(self) -> None:
        """Wake everyone."""
        for bell in self._bells.values():
            bell.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, over as many connections as it takes."""
        while not stop.is_set():
            connection = await until_it_works(
                self._listen,
                worth_retrying=is_transient,
                stop=stop,
                clock=self._clock,
                check=self._check,
            )
            if connection is None:
                return
            self.ring_all()
            while not (stop.is_set() or self._lost.is_set()):
                await wait_any(stop, self._lost, clock=self._clock, seconds=_PROBE_SECONDS)
                if not stop.is_set():
                    await self._probe(connection)
            if self._lost.is_set():
                self._check.fail("connection lost")
                _log.warning("doorbell_lost")
            connection.terminate()

    async def _listen(self) -> "asyncpg.Connection[asyncpg.Record]":
        connection = await asyncpg.connect(self._url, timeout=10)
        self._lost.clear()
        connection.add_termination_listener(lambda _connection: self._lost.set())
        try:
            for channel in self._bells:
                await connection.add_listener(f"{self._schema}_{channel}", self._rang)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _probe(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """See that the connection is alive: one that is cut in silence rings no more."""
        try:
            await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            self._lost.set()

    def _rang(self, _connection: object, _pid: int, channel: str, _payload: object) -> None:
        self._bells[channel.removeprefix(f"{self._schema}_")].set()
