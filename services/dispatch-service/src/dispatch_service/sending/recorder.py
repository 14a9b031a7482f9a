"""Records what became of messages: one transaction for many of them.

It begins when half of the permits are used up, or a moment after the first result; measured, a
commit for whatever is there costs more processor time than sending. Permits bound what a crash can
repeat: one is taken before a message is handed over, and given back when its outcome is committed.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from dispatch_service import delivery, metrics, queue_store
from dispatch_service.domain.message import Result
from heardback.db import Database, is_transient
from heardback.health import Check
from heardback.metrics import LOOP_RESTARTS
from heardback.retrying import describe, until_it_works

_log = structlog.get_logger(__name__)
_MOMENT_SECONDS: Final = 0.01


class Recorder:
    """Takes results and commits them.

    `permits` are shared by all that send in this process. `given_back` is set when messages went
    back to the queue.
    """

    def __init__(
        self, *, database: Database, check: Check, permits: asyncio.Semaphore, enough: int
    ) -> None:
        """`enough`: so many results are recorded at once, without waiting for more."""
        self._database = database
        self._check = check
        self._permits = permits
        self._enough = enough
        self._results: list[Result] = []
        self._in_flight: list[Result] = []
        self._held = 0
        self._news = asyncio.Event()
        self._closing = False
        self.given_back = asyncio.Event()

    def add(self, result: Result, *, holds_permit: bool) -> None:
        """Have a result recorded, and its permit given back then."""
        self._results.append(result)
        self._held += holds_permit
        self._news.set()

    def close(self) -> None:
        """Let `run` end when everything is recorded."""
        self._closing = True
        self._news.set()

    def waits_longer_than(self, age: timedelta) -> bool:
        """Tell whether a result waits to be recorded whose claim is as old as that."""
        claimed_before = self._database.clock.now() - age
        waiting = (*self._in_flight, *self._results)
        return any(result.claim.claimed_at <= claimed_before for result in waiting)

    async def run(self, stop: asyncio.Event) -> None:
        """Record until closed. `stop`: what can't be recorded now is tried once more, then left."""
        while not (self._closing and not self._results):
            await self._news.wait()
            self._news.clear()
            if not self._results:
                continue
            await self._gather()
            self._in_flight, self._results = self._results, []
            held, self._held = self._held, 0
            await self._record(self._in_flight, stop)
            _count(self._in_flight)
            if any(result.retry_at for result in self._in_flight):
                self.given_back.set()
            self._in_flight = []
            for _ in range(held):
                self._permits.release()

    async def _gather(self) -> None:
        """Wait a moment for more, unless there is enough."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT_SECONDS):
                while len(self._results) < self._enough and not self._closing:
                    await self._news.wait()
                    self._news.clear()

    async def _record(self, results: list[Result], stop: asyncio.Event) -> None:
        """Record results; where one of them can't be, the others are, each by itself."""
        try:
            await self._settle(partial(self._flush, results), results, stop)
        except Exception:
            if len(results) == 1:
                await self._set_aside(results[0], stop)
                return
            for result in results:
                await self._record([result], stop)

    async def _set_aside(self, result: Result, stop: asyncio.Event) -> None:
        """Note no more than how an attempt ended: it must neither be repeated nor stop us."""
        message_id = result.claim.message.message_id
        _log.exception("result_set_aside", message_id=message_id, outcome=result.outcome.value)
        LOOP_RESTARTS.add(1, {"loop": "sender"})
        bare = replace(result, detail="can't be recorded: see the log", reference=None)
        try:
            await self._settle(partial(self._flush_bare, bare), [bare], stop)
        except Exception:
            _log.exception("results_lost", messages=1)

    async def _settle(
        self, flush: Callable[[], Awaitable[bool]], results: list[Result], stop: asyncio.Event
    ) -> None:
        done = await until_it_works(
            flush,
            worth_retrying=is_transient,
            stop=stop,
            clock=self._database.clock,
            check=self._check,
        )
        if done is None:
            await self._flush_at_last(flush, results)

    async def _flush(self, results: list[Result]) -> bool:
        async with self._database.transaction() as tx:
            await delivery.settle(tx, results)
        return True

    async def _flush_bare(self, result: Result) -> bool:
        async with self._database.transaction() as tx:
            await queue_store.settle(tx.connection, [result], now=tx.now)
        return True

    async def _flush_at_last(
        self, flush: Callable[[], Awaitable[bool]], results: list[Result]
    ) -> None:
        """Try once more while stopping; what is lost here is sent again after its lease."""
        try:
            await flush()
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("results_lost", messages=len(results), error=describe(error))
            LOOP_RESTARTS.add(1, {"loop": "sender"})


def _count(results: Sequence[Result]) -> None:
    ends = Counter(
        (r.outcome.value, r.claim.message.channel.value, r.claim.provider) for r in results
    )
    for (outcome, channel, provider), number in ends.items():
        labels = {"outcome": outcome, "channel": channel, "provider": provider}
        metrics.SENDS.add(number, labels)
