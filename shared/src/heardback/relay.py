"""The relay: publishes the outbox in order and marks what the broker has acknowledged.

One relay works at a time per outbox; the others stand by. A crash between the broker's yes and
the mark publishes again, with the same ids: consumers drop that by natural keys.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner

from heardback import metrics, outbox
from heardback.clock import Clock, wait_any
from heardback.db import Database, is_transient
from heardback.envelope import OutgoingMessage
from heardback.health import Check
from heardback.kafka import BrokerSilent, OpenProducer, close, start, within
from heardback.retrying import describe, until_it_works

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_IDLE_SECONDS: Final = 5.0
_GATHER_SECONDS: Final = 0.05
_STANDBY_SECONDS: Final = 0.1
_SEND_SECONDS: Final = 15.0
_START_OVER_SECONDS: Final = 1.0
_TIDY_EVERY: Final = timedelta(seconds=15)
_PURGE_ROWS: Final = 10_000
_PARTITIONER: Final = DefaultPartitioner()


class Relay:
    """Empties one service's outbox into the broker."""

    def __init__(
        self,
        *,
        database: Database,
        open_kafka: OpenProducer,
        bell: asyncio.Event,
        batch_size: int,
        retention: timedelta,
        check: Check,
    ) -> None:
        self._database = database
        self._clock: Clock = database.clock
        self._open_kafka = open_kafka
        self._kafka: AIOKafkaProducer
        self._bell = bell
        self._batch_size = batch_size
        self._retention = retention
        self._check = check
        self._tidied_at = self._clock.now() - _TIDY_EVERY

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set, over as many connections as it takes."""
        while await self._until_it_works(self._connect, stop):
            try:
                await self._publish(stop)
            except BrokerSilent as error:
                # A producer that failed may have spent sequence numbers: it is not used again.
                _log.warning("relay_starts_over", error=str(error))
                self._check.fail(str(error))
            finally:
                await close(self._kafka)
            await wait_any(stop, clock=self._clock, seconds=_START_OVER_SECONDS)

    async def publish_batch(self) -> int | None:
        """Publish the oldest rows; return how many, or None when another relay is at work.

        Raises: BrokerSilent; the rows are published again by the next producer.
        """
        async with self._database.transaction() as tx:
            if not await outbox.lock(tx.connection):
                return None
            staged = await outbox.claim(tx.connection, limit=self._batch_size)
            if staged:
                await self._send([row.message for row in staged])
                await outbox.mark_published(tx.connection, [row.seq for row in staged], now=tx.now)
            return len(staged)

    async def _connect(self) -> bool:
        self._kafka = self._open_kafka()
        await start(self._kafka)
        return True

    async def _publish(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._bell.clear()
            published = await self._until_it_works(self.publish_batch, stop)
            await self._until_it_works(self._tidy, stop)
            if published is None:
                await wait_any(stop, clock=self._clock, seconds=_STANDBY_SECONDS)
            elif published < self._batch_size:
                # A turn costs as much as a hundred messages: under load, they gather.
                await wait_any(stop, clock=self._clock, seconds=_GATHER_SECONDS)
                await wait_any(stop, self._bell, clock=self._clock, seconds=_IDLE_SECONDS)

    async def _send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Publish `messages` and wait for the broker's yes to each."""
        try:
            await within(_SEND_SECONDS, self._send_all(messages))
        except (KafkaError, TimeoutError) as error:
            raise BrokerSilent(error=describe(error)) from error
        for topic, count in Counter(message.topic for message in messages).items():
            metrics.SENT.add(count, {"topic": topic})

    async def _send_all(self, messages: Sequence[OutgoingMessage]) -> None:
        """Hand over whole batches: one at a time, messages cost the client twice as much."""
        partitions = {
            topic: tuple(sorted(await self._kafka.partitions_for(topic)))
            for topic in {message.topic for message in messages}
        }
        lots: dict[tuple[str, int], list[OutgoingMessage]] = defaultdict(list)
        for message in messages:
            place = _partition_of(message.key, partitions[message.topic])
            lots[message.topic, place].append(message)
        await asyncio.gather(*(self._send_lot(*place, lot) for place, lot in lots.items()))

    async def _send_lot(self, topic: str, partition: int, lot: Sequence[OutgoingMessage]) -> None:
        acknowledged, batch = [], self._kafka.create_batch()
        for message in lot:
            if not _append(batch, message):
                sent = await self._kafka.send_batch(batch, topic, partition=partition)
                acknowledged.append(sent)
                batch = self._kafka.create_batch()
                _append(batch, message)  # a batch takes its first message whatever its size
        acknowledged.append(await self._kafka.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*acknowledged)

    async def _until_it_works(
        self, action: Callable[[], Awaitable[T]], stop: asyncio.Event
    ) -> T | None:
        return await until_it_works(
            action, worth_retrying=_worth_retrying, stop=stop, clock=self._clock, check=self._check
        )

    async def _tidy(self) -> bool:
        """Now and then: forget rows that were published long ago, measure what waits."""
        now = self._clock.now()
        if now - self._tidied_at < _TIDY_EVERY:
            return True
        async with self._database.transaction() as tx:
            before = now - self._retention
            purged = await outbox.purge(tx.connection, before=before, limit=_PURGE_ROWS)
            metrics.OUTBOX_BACKLOG.set(await outbox.backlog(tx.connection))
        if purged < _PURGE_ROWS:
            self._tidied_at = now
        return True


def _worth_retrying(error: BaseException) -> bool:
    return is_transient(error) or isinstance(error, KafkaError)


@lru_cache(maxsize=10_000)
def _partition_of(key: bytes | None, partitions: tuple[int, ...]) -> int:
    """Return where every Kafka client puts `key`; a customer's events come in a row.

    What has no key, they put anywhere; we, into one place.
    """
    return int(_PARTITIONER(key or b"", partitions, partitions))


def _append(batch: Any, message: OutgoingMessage) -> bool:
    """Add `message`; False: the batch is full."""
    added = batch.append(
        timestamp=None, key=message.key, value=message.value, headers=list(message.headers)
    )
    return added is not None
