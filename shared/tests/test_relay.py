"""The relay: in order per customer, nothing lost, nothing marked that was not acknowledged."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from msgspec import structs
from sqlalchemy import text

from heardback import outbox
from heardback.clock import SystemClock
from heardback.contracts import registry, topics
from heardback.contracts.payloads import CustomerChurned
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.embedded.broker import EmbeddedBroker
from heardback.envelope import OutgoingMessage, decode
from heardback.health import Health
from heardback.ids import TimeOrderedIds
from heardback.relay import Relay
from heardback.testing import toy
from heardback.testing.builders import TRACEPARENT
from heardback.testing.clock import START, ManualClock
from heardback.testing.waiting import until


async def emit(database: Database, count: int, *, customers: int = 5) -> None:
    async with database.transaction() as tx:
        for number in range(count):
            tx.emit(
                registry.CUSTOMER_CHURNED,
                CustomerChurned(customer_id=f"c{number % customers}", occurred_at=START),
                traceparent=TRACEPARENT,
            )


@asynccontextmanager
async def running_relay(
    url: str, broker: EmbeddedBroker, *, batch_size: int = 50
) -> AsyncIterator[Database]:
    database = Database(url, service="toy", clock=SystemClock(), ids=TimeOrderedIds())
    health, stop = Health(), asyncio.Event()
    doorbell = Doorbell(url=url, schema="toy", clock=SystemClock(), check=health.check("doorbell"))
    relay = Relay(
        database=database,
        open_kafka=lambda: AIOKafkaProducer(
            bootstrap_servers=broker.bootstrap_servers, request_timeout_ms=1_000
        ),
        bell=doorbell.bell(outbox.CHANNEL),
        batch_size=batch_size,
        retention=timedelta(days=1),
        check=health.check("relay"),
    )
    tasks = [asyncio.create_task(relay.run(stop)), asyncio.create_task(doorbell.run(stop))]
    try:
        await until(lambda: health.ready)
        yield database
    finally:
        stop.set()
        await asyncio.gather(*tasks)
        await database.close()


async def published(broker: EmbeddedBroker, count: int) -> dict[str, list[str]]:
    """Read `count` messages; the event ids of each customer in the order of the partition."""
    ids: dict[str, list[str]] = defaultdict(list)
    async for record in read(broker, topics.CUSTOMER.name, count):
        event = decode(topics.CUSTOMER, record.value, record.headers)
        assert event.traceparent == TRACEPARENT
        ids[event.key].append(event.id)
    return ids


async def read(broker: EmbeddedBroker, topic: str, count: int) -> AsyncIterator[Any]:
    """Read the first `count` messages of a topic."""
    async with (
        AIOKafkaConsumer(
            topic, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer,
        asyncio.timeout(20),
    ):
        for _ in range(count):
            yield await consumer.getone()


async def test_events_are_in_order_per_customer_when_two_relays_work(
    database: Database, fresh_broker: EmbeddedBroker
) -> None:
    async with (
        running_relay(database.url, fresh_broker) as first,
        running_relay(database.url, fresh_broker) as second,
    ):
        for _ in range(5):
            await emit(first, 40)
            await emit(second, 40)
        ids = await published(fresh_broker, 400)
    async with database.read() as connection:
        rows = await connection.execute(text("SELECT headers::bytea, key FROM outbox ORDER BY seq"))
        expected: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            expected[row.key.decode()].append(dict(outbox.unpack(row.headers))["ce_id"].decode())
    assert ids == expected


async def test_events_go_where_any_client_puts_their_key(
    database: Database, fresh_broker: EmbeddedBroker
) -> None:
    keys = [f"c{number}".encode() for number in range(50)]
    async with AIOKafkaProducer(bootstrap_servers=fresh_broker.bootstrap_servers) as producer:
        places = {
            key: (await producer.send_and_wait(topics.CUSTOMER.name, b"", key=key)).partition
            for key in keys
        }
    async with running_relay(database.url, fresh_broker) as writer:
        await emit(writer, 200, customers=50)
        async for record in read(fresh_broker, topics.CUSTOMER.name, 250):
            assert record.partition == places[record.key]


async def test_each_message_is_published_once_when_one_is_larger_than_a_batch(
    database: Database, fresh_broker: EmbeddedBroker
) -> None:
    sizes = [20_000, 10, 40_000, 10, 10]
    async with running_relay(database.url, fresh_broker) as writer:
        async with writer.transaction() as tx:
            for size in sizes:
                value = b"x" * size
                tx.publish_raw(OutgoingMessage(topic="purchase", key=b"c", value=value, headers=()))
        assert [len(r.value) async for r in read(fresh_broker, "purchase", 5)] == sizes


async def test_fields_are_read_as_an_event_when_they_were_written_as_they_are(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        fields = {"customer_id": "Zoë", "occurred_at": START}
        tx.emit_fields(registry.CUSTOMER_CHURNED, fields, traceparent=TRACEPARENT)
        tx.emit(registry.CUSTOMER_CHURNED, CustomerChurned(**fields), traceparent=TRACEPARENT)
    by_fields, by_payload = [
        decode(topics.CUSTOMER, message.value, message.headers)
        for message in await toy.staged(database)
    ]
    assert by_fields.data == by_payload.data == CustomerChurned(**fields)
    assert structs.replace(by_fields, id=by_payload.id) == by_payload


async def test_nothing_is_published_when_the_transaction_rolls_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            tx.emit(registry.CUSTOMER_CHURNED, CustomerChurned(customer_id="c1", occurred_at=START))
            await tx.flush()
            raise ZeroDivisionError
    assert await toy.staged(database) == []


async def test_events_wait_in_the_outbox_when_the_broker_is_away(
    database: Database, fresh_broker: EmbeddedBroker
) -> None:
    async with running_relay(database.url, fresh_broker) as writer:
        await emit(writer, 10)
        await published(fresh_broker, 10)
        fresh_broker.kill()
        await emit(writer, 10)
        assert len(await toy.staged(database)) == 10


async def test_rows_are_kept_for_a_while_when_they_are_published(
    database: Database, clock: ManualClock
) -> None:
    await emit(database, 10)
    async with database.transaction() as tx:
        rows = await outbox.claim(tx.connection, limit=6)
        await outbox.mark_published(tx.connection, [row.seq for row in rows], now=clock.now())
        assert await outbox.purge(tx.connection, before=clock.now(), limit=100) == 0
        later = clock.now() + timedelta(seconds=1)
        assert await outbox.purge(tx.connection, before=later, limit=4) == 4
        assert await outbox.backlog(tx.connection) == 4


async def test_one_relay_works_when_two_claim_at_once(database: Database) -> None:
    async with database.transaction() as first, database.transaction() as second:
        assert await outbox.lock(first.connection)
        assert not await outbox.lock(second.connection)
