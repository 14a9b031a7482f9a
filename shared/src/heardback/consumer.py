"""The batch consumer: takes messages, has their effects happen once, and never loses one.

Each poll's messages of one topic are one transaction: offsets moved with compare-and-set, the
handler's effects, dead letters for what can't be read. What fails is tried again one by one, so
that one bad message never holds up the good ones. An outage is waited for.
"""

import asyncio
from asyncio import FIRST_COMPLETED
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from heardback import dead_letters, metrics, offsets
from heardback.clock import Clock, wait_any
from heardback.contracts.topics import Topic
from heardback.db import Database, Transaction, is_transient
from heardback.dead_letters import DeadLetterLimit
from heardback.envelope import Event
from heardback.errors import Fenced
from heardback.health import Check
from heardback.kafka import BrokerSilent, OpenConsumer, close, start, within
from heardback.offsets import Partition
from heardback.positions import Positions, Record, TopicWentBack, partitions_of
from heardback.retrying import describe, until_it_works
from heardback.trace import link_to

BatchHandler = Callable[[Transaction, Sequence[Event[Any]]], Awaitable[None]]
"""Folds a batch of one topic's events, in order per customer, into the transaction."""

Polled = Mapping[TopicPartition, Sequence[Record]]
_log = structlog.get_logger(__name__)
_tracer = trace.get_tracer("heardback")
T = TypeVar("T")
_LANES: Final = 2
_GLANCE: Final = 0.02
"""Seconds until a lane that found nothing looks again, while the other one is at work."""
_POLL_MS: Final = 250
_POLL_SECONDS: Final = 30.0
"""While a rebalance is under way a poll waits for it, whatever `_POLL_MS` says."""
_LOOK_EVERY: Final = timedelta(seconds=2)
_VISIT_SECONDS: Final = 5.0
_SILENT_AFTER: Final = timedelta(seconds=15)
_START_OVER_SECONDS: Final = 1.0
_MOST_LINKS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lane:
    """One of what runs side by side: when it ends, and what it says of itself."""

    stop: asyncio.Event
    check: Check


class Consumer:
    """Reads the topics of one service as a member of its group."""

    def __init__(
        self,
        *,
        database: Database,
        handlers: Mapping[Topic, BatchHandler],
        open_kafka: OpenConsumer,
        limit: DeadLetterLimit,
        check: Check,
    ) -> None:
        self._database = database
        self._clock: Clock = database.clock
        self._handlers = {topic.name: handler for topic, handler in handlers.items()}
        self._topics = {topic.name: topic for topic in handlers}
        self._open_kafka = open_kafka
        self._kafka: AIOKafkaConsumer
        self._limit = limit
        self._check = check
        self._positions = Positions()
        self._heard_at = self._looked_at = database.clock.now()

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set, over as many connections as it takes."""
        while await self._until_it_works(self._connect, _Lane(stop=stop, check=self._check)):
            try:
                await self._consume(stop)
            except (BrokerSilent, TopicWentBack) as error:
                _log.error("consumer_starts_over", error=str(error))
                self._check.fail(str(error))
            finally:
                await close(self._kafka)
            await wait_any(stop, clock=self._clock, seconds=_START_OVER_SECONDS)

    async def _connect(self) -> bool:
        self._positions = Positions()
        self._kafka = self._open_kafka()
        await start(self._kafka)
        self._heard_at = self._clock.now()
        self._kafka.subscribe(list(self._topics), listener=self._positions)
        return True

    async def _consume(self, stop: asyncio.Event) -> None:
        """Process what is polled, in lanes: one's Python runs while another waits for Postgres.

        Each takes what lies ready of the partitions that no other has in hand, so each customer's
        events stay in order.
        """
        main = _Lane(stop=stop, check=self._check)
        free = [_Lane(stop=stop, check=check) for check in self._check.split(_LANES)]
        busy: dict[asyncio.Task[None], tuple[_Lane, Set[TopicPartition]]] = {}
        try:
            while not stop.is_set():
                in_hand = {partition for _, taken in busy.values() for partition in taken}
                await self._place(in_hand, main)
                polled = await self._poll_others(in_hand, main) if free else {}
                if polled:
                    lane = free.pop()
                    busy[asyncio.create_task(self._take(polled, lane))] = lane, polled.keys()
                elif busy:
                    await asyncio.wait(busy, timeout=_GLANCE, return_when=FIRST_COMPLETED)
                for ended in [task for task in busy if task.done()]:
                    free.append(busy.pop(ended)[0])
                    ended.result()
                await self._look_after_broker(main)
        finally:
            await asyncio.gather(*busy, return_exceptions=True)

    async def _place(self, in_hand: Set[TopicPartition], lane: _Lane) -> None:
        """Seek to where the database says that each new partition was left.

        Not yet where a batch from before it was taken away and given back may still commit.
        """
        wanted = self._positions.unplaced - {(tp.topic, tp.partition) for tp in in_hand}
        if not wanted:
            return

        async def load() -> dict[Partition, int]:
            async with self._database.transaction() as tx:
                return await offsets.load(tx.connection, wanted)

        for partition, offset in (await self._until_it_works(load, lane) or {}).items():
            if partition in self._positions.unplaced & self._assigned():
                self._kafka.seek(TopicPartition(*partition), offset)
                self._positions.place(partition, offset)

    def _assigned(self) -> set[Partition]:
        return {(tp.topic, tp.partition) for tp in self._kafka.assignment()}

    async def _poll_others(self, in_hand: Set[TopicPartition], lane: _Lane) -> Polled:
        """Return what lies ready beside what is in hand; wait a little where nothing is."""
        others = self._kafka.assignment() - in_hand
        if in_hand and not others:
            return {}
        wait_ms = 0 if in_hand else _POLL_MS
        poll = partial(self._kafka.getmany, *others, timeout_ms=wait_ms)
        return await self._until_it_works(partial(self._ask, poll, _POLL_SECONDS), lane) or {}

    async def _take(self, polled: Polled, lane: _Lane) -> None:
        for topic, records in self._positions.by_topic(polled).items():
            await self._process(topic, records, lane)

    # Outages: said, waited for, and not trusted to one client for ever.

    async def _until_it_works(self, action: Callable[[], Awaitable[T]], lane: _Lane) -> T | None:
        """Run `action` through outages; what it waits for stands in readiness meanwhile."""
        result = await until_it_works(
            action,
            worth_retrying=_worth_retrying,
            stop=lane.stop,
            clock=self._clock,
            check=lane.check,
        )
        if not self._positions.joined:
            self._check.fail("waiting for partitions")
        return result

    async def _ask(self, action: Callable[[], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Run a call to the broker within `seconds`.

        Raises: BrokerSilent when calls fail and none has been answered for a while.
        """
        try:
            return await within(seconds, action())
        except (KafkaError, TimeoutError) as error:
            if self._clock.now() - self._heard_at > _SILENT_AFTER:
                raise BrokerSilent(error=describe(error)) from error
            raise

    # Effects: once each.

    async def _process(
        self, topic: str, records: Sequence[Record], lane: _Lane, *, again: bool = False
    ) -> None:
        """Apply `records` together; where that fails, one by one; what fails alone is set aside.

        Not before it has failed twice: another replica may have been in its way.
        """
        try:
            await self._until_it_works(partial(self._apply, topic, records), lane)
        except Fenced:
            self._lose(topic, records)
        except Exception as error:
            if again:
                await self._give_up(topic, records[0], error, lane)
                return
            _log.warning("batch_split", topic=topic, size=len(records), error=describe(error))
            for record in records:
                await self._process(topic, [record], lane, again=len(records) == 1)

    async def _give_up(self, topic: str, record: Record, error: Exception, lane: _Lane) -> None:
        _log.error("message_failed", topic=topic, offset=record.offset, exc_info=error)
        apply = partial(self._apply, topic, [record], failure=error)
        try:
            await self._until_it_works(apply, lane)
        except Fenced:
            self._lose(topic, [record])

    async def _apply(
        self, topic: str, records: Sequence[Record], failure: Exception | None = None
    ) -> None:
        """Have the effects of `records`, all or none, and move past them."""
        records = self._positions.takeable(topic, records)
        if not records:
            return
        following = {(topic, record.partition): record.offset + 1 for record in records}
        expected = {partition: self._positions.known[partition] for partition in following}
        started_at = self._clock.now()
        events, letters = dead_letters.sort_out(self._topics[topic], records, failure)
        self._limit.check(len(letters), now=started_at)
        links = [link_to(e.traceparent) for e in events[:_MOST_LINKS] if e.traceparent]
        with _tracer.start_as_current_span(f"process {topic}", kind=SpanKind.CONSUMER, links=links):
            async with self._database.transaction() as tx:
                await offsets.advance(tx.connection, expected=expected, following=following)
                if events:
                    await self._handlers[topic](tx, events)
                dead_letters.set_aside(tx, letters, service=self._database.service)
        self._positions.move(following)
        self._limit.take(len(letters), now=started_at)
        dead_letters.count(letters)
        metrics.CONSUMED.add(len(records), {"topic": topic})
        elapsed = self._clock.now() - started_at
        metrics.PROCESS_SECONDS.record(elapsed.total_seconds(), {"topic": topic})

    def _lose(self, topic: str, records: Sequence[Record]) -> None:
        """Another replica moved the offsets: forget the place and ask the database again."""
        lost = partitions_of(topic, records)
        _log.warning("fenced", partitions=sorted(lost))
        metrics.FENCED.add(1)
        self._positions.forget(lost)
        self._positions.unplaced |= lost & self._assigned()

    # For operators.

    async def _look_after_broker(self, lane: _Lane) -> None:
        """Now and then: see that the broker answers, commit offsets to it, measure the lag."""
        if self._clock.now() - self._looked_at < _LOOK_EVERY:
            return
        await self._until_it_works(partial(self._ask, self._visit, _VISIT_SECONDS), lane)
        self._looked_at = self._clock.now()
        behind: dict[str, int] = defaultdict(int)
        for (topic, number), offset in self._positions.known.items():
            end = self._kafka.highwater(TopicPartition(topic, number))
            behind[topic] += max(0, (end or 0) - offset)
        for topic in self._topics:
            metrics.LAG.set(behind[topic], {"topic": topic})

    async def _visit(self) -> None:
        await self._kafka.topics()
        await self._commit()
        # Only now: a group whose coordinator never answers is as good as no connection.
        self._heard_at = self._clock.now()

    async def _commit(self) -> None:
        known = self._positions.known
        committed = {TopicPartition(*place): offset for place, offset in known.items()}
        if not committed:
            return
        try:
            await self._kafka.commit(committed)
        except KafkaError as error:
            # Postgres holds the truth; a rebalance in between only makes operators' lag older.
            _log.debug("commit_skipped", error=describe(error))


def _worth_retrying(error: BaseException) -> bool:
    return not isinstance(error, Fenced) and (is_transient(error) or isinstance(error, KafkaError))
