"""The relay: publishes the outbox in order and marks what the broker has acknowledged.

One relay works at a time per outbox; the others stand by. A crash between the broker's yes and
the mark publishes again, with the same ids: consumers drop that by natural keys.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from heardback import metrics, outbox
from heardback.clock import Clock, wait_any
from heardback.db import Database, is_transient
from heardback.health import Check
from heardback.retrying import until_it_works

T = TypeVar("T")
_IDLE_SECONDS: Final = 5.0
_STANDBY_SECONDS: Final = 0.1
_PURGE_EVERY: Final = timedelta(minutes=1)
_PURGE_ROWS: Final = 10_000


class Relay:
    """Empties one service's outbox into the broker."""

    def __init__(
        self,
        *,
        database: Database,
        kafka: AIOKafkaProducer,
        bell: asyncio.Event,
        batch_size: int,
        retention: timedelta,
        check: Check,
    ) -> None:
        self._database = database
        self._clock: Clock = database.clock
        self._kafka = kafka
        self._bell = bell
        self._batch_size = batch_size
        self._retention = retention
        self._check = check
        self._purged_at = self._clock.now() - _PURGE_EVERY

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set."""
        try:
            if await self._until_it_works(self._start, stop) is None:
                return
            while not stop.is_set():
                self._bell.clear()
                published = await self._until_it_works(self.publish_batch, stop)
                if published is None:
                    await wait_any(stop, clock=self._clock, seconds=_STANDBY_SECONDS)
                elif published < self._batch_size:
                    await self._until_it_works(self._tidy, stop)
                    await wait_any(stop, self._bell, clock=self._clock, seconds=_IDLE_SECONDS)
        finally:
            await self._kafka.stop()

    async def publish_batch(self) -> int | None:
        """Publish the oldest rows; return how many, or None when another relay is at work."""
        async with self._database.transaction() as tx:
            if not await outbox.lock(tx.connection):
                return None
            staged = await outbox.claim(tx.connection, limit=self._batch_size)
            if not staged:
                return 0
            sends = []
            for row in staged:
                out = row.message
                sends.append(
                    await self._kafka.send(
                        out.topic, value=out.value, key=out.key, headers=list(out.headers)
                    )
                )
                metrics.SENT.add(1, {"topic": out.topic})
            await asyncio.gather(*sends)
            await outbox.mark_published(tx.connection, [row.seq for row in staged], now=tx.now)
            return len(staged)

    async def _until_it_works(
        self, action: Callable[[], Awaitable[T]], stop: asyncio.Event
    ) -> T | None:
        return await until_it_works(
            action, worth_retrying=_worth_retrying, stop=stop, clock=self._clock, check=self._check
        )

    async def _start(self) -> bool:
        await self._kafka.start()
        return True

    async def _tidy(self) -> bool:
        """Forget rows that were published long ago, and measure what waits."""
        now = self._clock.now()
        if now - self._purged_at < _PURGE_EVERY:
            return True
        async with self._database.transaction() as tx:
            await outbox.purge(tx.connection, before=now - self._retention, limit=_PURGE_ROWS)
            metrics.OUTBOX_BACKLOG.set(await outbox.backlog(tx.connection))
        self._purged_at = now
        return True


def _worth_retrying(error: BaseException) -> bool:
    return is_transient(error) or isinstance(error, KafkaError)
