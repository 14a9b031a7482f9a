"""The consumer on a real broker and a real Postgres: effects happen once, whatever happens."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from sqlalchemy import text

from heardback import offsets
from heardback.clock import SystemClock
from heardback.consumer import BatchHandler, Consumer
from heardback.contracts import topics
from heardback.db import Database, Transaction
from heardback.dead_letters import DeadLetterLimit
from heardback.embedded.broker import EmbeddedBroker
from heardback.embedded.topics import ensure_topics
from heardback.envelope import Event, OutgoingMessage, encode
from heardback.errors import Fenced
from heardback.health import Check, Health
from heardback.ids import TimeOrderedIds
from heardback.positions import Positions
from heardback.testing import toy
from heardback.testing.builders import a_purchase
from heardback.testing.waiting import until


@dataclass(slots=True, kw_only=True)
class Replica:
    """One running consumer of the toy service."""

    database: Database
    consumer: Consumer
    check: Check
    task: "asyncio.Task[None]"
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class Toy:
    """Starts replicas and publishes to them."""

    def __init__(self, url: str, broker: EmbeddedBroker) -> None:
        self.url = url
        self.broker = broker

    @asynccontextmanager
    async def replica(
        self, handler: BatchHandler = toy.on_events, *, limit: int = 1_000
    ) -> AsyncIterator[Replica]:
        database = Database(self.url, service="toy", clock=SystemClock(), ids=TimeOrderedIds())
        check, stop = Health().check("consumer"), asyncio.Event()
        consumer = Consumer(
            database=database,
            handlers={topics.PURCHASE: handler},
            open_kafka=lambda: AIOKafkaConsumer(
                bootstrap_servers=self.broker.bootstrap_servers,
                group_id="toy",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=100,
                max_partition_fetch_bytes=8_000_000,
                session_timeout_ms=1_500,
                heartbeat_interval_ms=500,
            ),
            limit=DeadLetterLimit(limit=limit, window=timedelta(seconds=60)),
            check=check,
        )
        task = asyncio.create_task(consumer.run(stop))
        try:
            yield Replica(database=database, consumer=consumer, check=check, task=task, stop=stop)
        finally:
            stop.set()
            await task
            await database.close()

    async def publish(self, *messages: OutgoingMessage) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self.broker.bootstrap_servers, max_request_size=8_000_000
        ) as producer:
            sends = [
                await producer.send(m.topic, m.value, key=m.key, headers=list(m.headers))
                for m in messages
            ]
            await asyncio.gather(*sends)


@pytest.fixture
def service(database: Database, fresh_broker: EmbeddedBroker) -> Toy:
    return Toy(database.url, fresh_broker)


def purchases(numbers: range) -> list[OutgoingMessage]:
    return [encode(a_purchase(n, customer_id=f"c{n}")) for n in numbers]


def keys(numbers: range) -> list[str]:
    return sorted(f"/shop#purchase-{n}" for n in numbers)


async def expect(database: Database, wanted: list[str]) -> None:
    async def happened() -> bool:
        return await toy.effects(database) == wanted

    await until(happened)


async def test_each_effect_happens_once_when_replicas_come_and_go(
    service: Toy, database: Database
) -> None:
    async with service.replica():
        await service.publish(*purchases(range(300)))
        await expect(database, keys(range(300)))
        async with service.replica():
            await service.publish(*purchases(range(300, 600)))
            await expect(database, keys(range(600)))
        await service.publish(*purchases(range(600, 700)))
        await expect(database, keys(range(700)))
    async with service.replica():
        await service.publish(*purchases(range(700, 800)))
        await expect(database, keys(range(800)))


async def test_partition_holds_up_no_other_when_its_batch_takes_long(
    service: Toy, database: Database
) -> None:
    first, *others = purchases(range(1, 40))
    is_held, may_end = asyncio.Event(), asyncio.Event()

    async def hold_the_first(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        if any(event.key == "c1" for event in events):
            is_held.set()
            await may_end.wait()
        await toy.on_events(tx, events)

    async with service.replica(hold_the_first):
        await service.publish(first)
        await is_held.wait()
        for message in others:
            await service.publish(message)

        async def others_go_on() -> bool:
            return len(await toy.effects(database)) > 10

        await until(others_go_on)
        may_end.set()
        await expect(database, keys(range(1, 40)))


async def test_reading_goes_on_at_the_database_offset_when_the_broker_knows_another(
    service: Toy, database: Database
) -> None:
    await service.publish(*purchases(range(50)))
    async with service.replica():
        await expect(database, keys(range(50)))
    async with database.engine.begin() as connection:
        await connection.execute(text("DELETE FROM effect"))
        await connection.execute(text("UPDATE partition_offset SET next_offset = 0"))
    async with service.replica():
        await expect(database, keys(range(50)))


async def test_bad_messages_are_set_aside_when_good_ones_stand_around_them(
    service: Toy, database: Database
) -> None:
    good = purchases(range(3))
    bad = OutgoingMessage(topic="purchase", key=b"c1", value=b"{}", headers=good[0].headers)
    null = OutgoingMessage(topic="purchase", key=b"c1", value=None, headers=good[0].headers)
    large = OutgoingMessage(
        topic="purchase", key=b"c1", value=b"x" * 2_000_000, headers=good[0].headers
    )
    alien = OutgoingMessage(topic="purchase", key=None, value=b"\x00\xff", headers=())
    async with service.replica():
        await service.publish(good[0], bad, null, good[1], large, alien, good[2])
        await expect(database, keys(range(3)))

        async def four_letters() -> bool:
            return len(await toy.staged(database)) == 4

        await until(four_letters)
    letters = {dict(m.headers)["dlq_reason"]: m for m in await toy.staged(database)}
    assert set(letters) == {b"invalid_payload", b"null_value", b"too_large", b"not_cloudevents"}
    assert letters[b"invalid_payload"].value == b"{}"
    assert letters[b"invalid_payload"].key == b"c1"
    assert dict(letters[b"invalid_payload"].headers)["ce_id"] == b"purchase-0"
    assert b"customer_id" in dict(letters[b"invalid_payload"].headers)["dlq_error"]
    assert letters[b"too_large"].value == b"x" * 2_000_000
    assert letters[b"not_cloudevents"].value == b"\x00\xff"


async def test_two_batches_are_under_way_at_once_when_more_than_one_partition_has_some(
    service: Toy, database: Database
) -> None:
    under_way, most = 0, 0

    async def count(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await toy.on_events(tx, events)
        under_way -= 1

    async with service.replica(count):
        for first in range(0, 20_000, 2_000):
            # How much lies ready at one moment is the broker's affair.
            await service.publish(*purchases(range(first, first + 2_000)))
            await expect(database, keys(range(first + 2_000)))
            if most == 2:
                break
    assert most == 2


async def test_order_is_kept_per_customer_when_batches_are_under_way_at_once(
    service: Toy, database: Database
) -> None:
    seen: dict[str, list[str]] = defaultdict(list)

    async def look(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        await toy.on_events(tx, events)
        for event in events:
            seen[event.key].append(event.id)

    messages = [encode(a_purchase(n, customer_id=f"c{n % 7}")) for n in range(1_000)]
    await service.publish(*messages)
    async with service.replica(look):
        await expect(database, keys(range(1_000)))
    assert seen == {f"c{c}": [f"purchase-{n}" for n in range(c, 1_000, 7)] for c in range(7)}


async def test_message_is_tried_once_more_when_it_has_failed_alone(
    service: Toy, database: Database
) -> None:
    tries = 0

    async def refuse_once_alone(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        nonlocal tries
        if any(event.id == "purchase-7" for event in events):
            tries += len(events) == 1
            if len(events) > 1 or tries == 1:
                raise ZeroDivisionError("not yet")
        await toy.on_events(tx, events)

    await service.publish(*purchases(range(20)))
    async with service.replica(refuse_once_alone):
        await expect(database, keys(range(20)))
    assert tries == 2
    assert await toy.staged(database) == []


async def test_only_the_culprit_is_set_aside_when_a_handler_fails(
    service: Toy, database: Database
) -> None:
    async def refuse_seven(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        if any(event.id == "purchase-7" for event in events):
            raise ZeroDivisionError("seven")
        await toy.on_events(tx, events)

    await service.publish(*purchases(range(20)))
    async with service.replica(refuse_seven):
        await expect(database, sorted(set(keys(range(20))) - {"/shop#purchase-7"}))

        async def one_letter() -> bool:
            return len(await toy.staged(database)) == 1

        await until(one_letter)
    (letter,) = await toy.staged(database)
    notes = dict(letter.headers)
    assert notes["dlq_reason"] == b"handler_failed"
    assert notes["dlq_error"] == b"ZeroDivisionError: seven"
    assert notes["dlq_service"] == b"toy"


async def test_an_outage_is_waited_for_when_the_handler_loses_the_database(
    service: Toy, database: Database
) -> None:
    outages = iter([ConnectionResetError(), TimeoutError()])
    seen_failing = []

    async def fail_twice(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        for outage in outages:
            raise outage
        seen_failing.append(replica.check.why_not)
        await toy.on_events(tx, events)

    await service.publish(*purchases(range(5)))
    async with service.replica(fail_twice) as replica:
        await expect(database, keys(range(5)))
        await until(lambda: replica.check.why_not is None)
    assert seen_failing[0] is not None
    assert await toy.staged(database) == []


async def test_consuming_waits_and_says_so_when_too_many_messages_are_bad(
    service: Toy, database: Database
) -> None:
    bad = OutgoingMessage(topic="purchase", key=b"c1", value=b"{}", headers=())
    async with service.replica(limit=10) as replica:
        await service.publish(*[bad] * 10)

        async def ten_letters() -> bool:
            return len(await toy.staged(database)) == 10

        await until(ten_letters)
        await service.publish(bad)
        await until(lambda: "dead-letter topic" in (replica.check.why_not or ""))
        assert len(await toy.staged(database)) == 10


async def test_batch_is_rolled_back_when_another_replica_moved_the_offset(
    service: Toy, database: Database
) -> None:
    async with database.transaction() as tx:
        await offsets.load(tx.connection, [("purchase", 0), ("purchase", 1)])
        place = ("purchase", 0)
        await offsets.advance(tx.connection, expected={place: 0}, following={place: 5})
    with pytest.raises(Fenced):
        async with database.transaction() as tx:
            await toy.on_events(tx, [a_purchase()])
            both = {place: 0, ("purchase", 1): 0}
            await offsets.advance(tx.connection, expected=both, following=dict.fromkeys(both, 9))
    assert await toy.effects(database) == []
    async with database.transaction() as tx:
        found = await offsets.load(tx.connection, [place, ("purchase", 1)])
    assert found == {place: 5, ("purchase", 1): 0}


async def test_consumer_places_itself_anew_when_it_was_fenced(
    service: Toy, database: Database
) -> None:
    async with service.replica():
        await service.publish(*purchases(range(30)))
        await expect(database, keys(range(30)))
        # What a second owner would have done: an earlier offset, its effects not yet there.
        async with database.engine.begin() as connection:
            await connection.execute(text("DELETE FROM effect"))
            await connection.execute(text("UPDATE partition_offset SET next_offset = 0"))
        await service.publish(*purchases(range(30, 90)))
        await expect(database, keys(range(90)))


async def test_headers_are_kept_when_one_has_no_value(service: Toy, database: Database) -> None:
    odd = OutgoingMessage(
        topic="purchase", key=b"c1", value=b"{}", headers=(("x", None), ("y", b"\xff"))
    )  # type: ignore[arg-type]  # what a producer elsewhere may send
    async with service.replica():
        await service.publish(odd, *purchases(range(2)))
        await expect(database, keys(range(2)))
    (letter,) = await toy.staged(database)
    assert dict(letter.headers)["x"] is None
    assert dict(letter.headers)["y"] == b"\xff"


class RewoundKafka:
    """A consumer of a topic that was made anew: it starts at 0 whatever offset is asked for."""

    def __init__(self) -> None:
        self._assigned = False
        message = encode(a_purchase())
        self._record = SimpleNamespace(
            topic="purchase",
            partition=0,
            offset=0,
            key=message.key,
            value=message.value,
            headers=message.headers,
        )

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def subscribe(self, _topics: object, *, listener: Positions) -> None:
        self._listener = listener

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("purchase", 0)}

    def seek(self, _partition: object, _offset: int) -> None: ...

    async def getmany(self, *_: TopicPartition, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        if not self._assigned:
            self._assigned = True
            await self._listener.on_partitions_assigned(list(self.assignment()))
            return {}
        return {TopicPartition("purchase", 0): [self._record]}


async def test_consuming_stops_and_says_so_when_a_topic_holds_less_than_was_read(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        place = ("purchase", 0)
        await offsets.load(tx.connection, [place])
        await offsets.advance(tx.connection, expected={place: 0}, following={place: 1_000})
    check, stop = Check(name="consumer"), asyncio.Event()
    consumer = Consumer(
        database=database,
        handlers={topics.PURCHASE: toy.on_events},
        open_kafka=RewoundKafka,
        limit=DeadLetterLimit(limit=10, window=timedelta(seconds=60)),
        check=check,
    )
    task = asyncio.create_task(consumer.run(stop))
    await until(lambda: "was lost or made anew" in (check.why_not or ""))
    assert await toy.effects(database) == []
    stop.set()
    await task


class RestlessKafka(RewoundKafka):
    """A consumer whose first partition is taken away and given back; then the second has news."""

    async def start(self) -> None:
        self._given_back = False
        self._positions = {0: 0, 1: 0}
        self._records: dict[int, list[Any]] = {0: [], 1: []}
        for number, message in enumerate(purchases(range(20))):
            partition, offset = divmod(number, 10)
            said = {"key": message.key, "value": message.value, "headers": message.headers}
            record = SimpleNamespace(topic="purchase", partition=partition, offset=offset, **said)
            self._records[partition].append(record)

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("purchase", number) for number in (0, 1)}

    def seek(self, partition: object, offset: int) -> None:
        assert isinstance(partition, TopicPartition)
        self._positions[partition.partition] = offset

    async def give_back(self) -> None:
        first = TopicPartition("purchase", 0)
        await self._listener.on_partitions_revoked([first])
        await self._listener.on_partitions_assigned([first])
        self._given_back = True

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int
    ) -> dict[TopicPartition, list[Any]]:
        if not self._assigned:
            return await super().getmany(timeout_ms=timeout_ms)
        await asyncio.sleep(timeout_ms / 1000)
        polled = {}
        for partition in partitions or self.assignment():
            number = partition.partition
            records = self._records[number][self._positions[number] :]
            if records and (number == 0 or self._given_back):
                polled[partition] = records
                self._positions[number] += len(records)
        return polled


async def test_partition_that_is_given_back_waits_for_its_batch_and_holds_up_no_other(
    database: Database,
) -> None:
    kafka, opened = RestlessKafka(), list[RestlessKafka]()
    is_held, may_end, batches = asyncio.Event(), asyncio.Event(), list[int]()

    def open_it() -> Any:
        opened.append(kafka)
        return kafka

    async def hold_the_first(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        batches.append(len(events))
        if any(event.key == "c0" for event in events):
            is_held.set()
            await may_end.wait()
        await toy.on_events(tx, events)

    stop = asyncio.Event()
    consumer = Consumer(
        database=database,
        handlers={topics.PURCHASE: hold_the_first},
        open_kafka=open_it,
        limit=DeadLetterLimit(limit=10, window=timedelta(seconds=60)),
        check=Check(name="consumer"),
    )
    task = asyncio.create_task(consumer.run(stop))
    await is_held.wait()
    await kafka.give_back()
    await expect(database, keys(range(10, 20)))
    may_end.set()
    await expect(database, keys(range(20)))
    assert (batches, len(opened)) == ([10, 10], 1)
    stop.set()
    await task


async def test_consuming_goes_on_when_the_broker_was_away(
    service: Toy, database: Database, fresh_broker: EmbeddedBroker
) -> None:
    async with service.replica() as replica:
        await service.publish(*purchases(range(5)))
        await expect(database, keys(range(5)))
        fresh_broker.kill()
        await until(lambda: replica.check.why_not is not None)
        # This broker forgets: what its supervisor does for the offsets is done here by hand.
        async with database.engine.begin() as connection:
            await connection.execute(text("UPDATE partition_offset SET next_offset = 0"))
        await fresh_broker.start()
        await ensure_topics(fresh_broker.bootstrap_servers, topics.ALL)
        await service.publish(*purchases(range(5, 9)))
        await expect(database, keys(range(9)))
