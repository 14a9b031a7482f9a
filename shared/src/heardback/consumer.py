"""The batch consumer: takes messages, has their effects happen once, and never loses one.

Each poll's messages of one topic are one transaction: offsets moved with compare-and-set, the
handler's effects, dead letters for what can't be read. What fails is tried again one by one, so
that one bad message never holds up the good ones. An outage is waited for.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence, Set
from contextlib import suppress
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
from heardback.contracts.payloads import Payload
from heardback.contracts.topics import Topic
from heardback.db import Database, Transaction, is_transient
from heardback.dead_letters import DeadLetter, DeadLetterLimit
from heardback.envelope import Event, InvalidEvent, decode
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
_POLL_MS: Final = 250
_POLL_SECONDS: Final = 30.0
"""While a rebalance is under way a poll waits for it, whatever `_POLL_MS` says."""
_LOOK_EVERY: Final = timedelta(seconds=2)
_VISIT_SECONDS: Final = 5.0
_SILENT_AFTER: Final = timedelta(seconds=15)
_START_OVER_SECONDS: Final = 1.0
_MOST_LINKS: Final = 64


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
        while await self._until_it_works(self._connect, stop):
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
        while not stop.is_set():
            await self._place(stop)
            polled = await self._until_it_works(partial(self._ask, self._poll, _POLL_SECONDS), stop)
            if polled:
                await self._take_in_two_lanes(polled, stop)
            await self._look_after_broker(stop)

    async def _place(self, stop: asyncio.Event) -> None:
        """Seek to where the database says that each new partition was left."""
        wanted = frozenset(self._positions.unplaced)
        if not wanted:
            return

        async def load() -> dict[Partition, int]:
            async with self._database.transaction() as tx:
                return await offsets.load(tx.connection, wanted)

        for partition, offset in (await self._until_it_works(load, stop) or {}).items():
            if partition in self._positions.unplaced & self._assigned():
                self._kafka.seek(TopicPartition(*partition), offset)
                self._positions.place(partition, offset)

    def _assigned(self) -> set[Partition]:
        return {(tp.topic, tp.partition) for tp in self._kafka.assignment()}

    async def _poll(self) -> Polled:
        polled: Polled = await self._kafka.getmany(timeout_ms=_POLL_MS)
        return polled

    async def _take_in_two_lanes(self, polled: Polled, stop: asyncio.Event) -> None:
        """Apply what was polled, and beside it what lies ready of the other partitions.

        One lane's Python runs while the other waits for Postgres. A partition is in one of them,
        so each customer's events stay in order.
        """
        lanes = (self._take(polled, stop), self._take_others(polled.keys(), stop))
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _take(self, polled: Polled, stop: asyncio.Event) -> None:
        for topic, records in self._positions.by_topic(polled).items():
            await self._process(topic, records, stop)

    async def _take_others(self, taken: Set[TopicPartition], stop: asyncio.Event) -> None:
        others = self._kafka.assignment() - taken
        if not others:
            return
        polled: Polled = {}
        # What goes wrong here goes wrong at the next poll again, and is waited for there.
        with suppress(KafkaError, TimeoutError):
            polled = await within(_VISIT_SECONDS, self._kafka.getmany(*others))
        await self._take(polled, stop)

    # Outages: said, waited for, and not trusted to one client for ever.

    async def _until_it_works(
        self, action: Callable[[], Awaitable[T]], stop: asyncio.Event
    ) -> T | None:
        """Run `action` through outages; what it waits for stands in readiness meanwhile."""
        result = await until_it_works(
            action, worth_retrying=_worth_retrying, stop=stop, clock=self._clock, check=self._check
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
        self, topic: str, records: Sequence[Record], stop: asyncio.Event, *, again: bool = False
    ) -> None:
        """Apply `records` together; where that fails, one by one; what fails alone is set aside.

        Not before it has failed twice: another replica may have been in its way.
        """
        try:
            await self._until_it_works(partial(self._apply, topic, records), stop)
        except Fenced:
            self._lose(topic, records)
        except Exception as error:
            if again:
                await self._give_up(topic, records[0], error, stop)
                return
            _log.warning("batch_split", topic=topic, size=len(records), error=describe(error))
            for record in records:
                await self._process(topic, [record], stop, again=len(records) == 1)

    async def _give_up(
        self, topic: str, record: Record, error: Exception, stop: asyncio.Event
    ) -> None:
        _log.error("message_failed", topic=topic, offset=record.offset, exc_info=error)
        apply = partial(self._apply, topic, [record], failure=error)
        try:
            await self._until_it_works(apply, stop)
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
        events, letters = self._read(self._topics[topic], records, failure)
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

    def _read(
        self, topic: Topic, records: Sequence[Record], failure: Exception | None
    ) -> tuple[list[Event[Payload]], list[DeadLetter]]:
        """Parse `records`: the events, and what is none. `failure` condemns all of them."""
        events: list[Event[Payload]] = []
        letters: list[DeadLetter] = []
        for record in records:
            try:
                if failure is not None:
                    raise InvalidEvent(reason="handler_failed", detail=describe(failure))
                events.append(decode(topic, record.value, record.headers))
            except InvalidEvent as error:
                letters.append(_letter(record, error))
        return events, letters

    def _lose(self, topic: str, records: Sequence[Record]) -> None:
        """Another replica moved the offsets: forget the place and ask the database again."""
        lost = partitions_of(topic, records)
        _log.warning("fenced", partitions=sorted(lost))
        metrics.FENCED.add(1)
        self._positions.forget(lost)
        self._positions.unplaced |= lost & self._assigned()

    # For operators.

    async def _look_after_broker(self, stop: asyncio.Event) -> None:
        """Now and then: see that the broker answers, commit offsets to it, measure the lag."""
        if self._clock.now() - self._looked_at < _LOOK_EVERY:
            return
        await self._until_it_works(partial(self._ask, self._visit, _VISIT_SECONDS), stop)
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


def _letter(record: Record, error: InvalidEvent) -> DeadLetter:
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=record.headers,
        reason=error.reason,
        error=error.detail,
    )


def _worth_retrying(error: BaseException) -> bool:
    return not isinstance(error, Fenced) and (is_transient(error) or isinstance(error, KafkaError))
