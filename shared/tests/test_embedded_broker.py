"""One contract for both brokers: start, topics, messages, a crash, and what is left after it."""

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from heardback.contracts.topics import Topic
from heardback.embedded.apache_kafka import ApacheKafka, why_not_available
from heardback.embedded.broker import Broker, EmbeddedBroker
from heardback.embedded.processes import HOST, PortTaken, free_port
from heardback.embedded.topics import ensure_topics
from heardback.testing.stack import KAFKA_VARIABLE

ORDERS = Topic(name="orders", retention_seconds=60, partitions=3)
PARTITION = TopicPartition(ORDERS.name, 0)


@pytest.fixture(params=["embedded", "apache"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    broker: Broker = EmbeddedBroker(free_port(), tmp_path / "broker.log")
    if request.param == "apache":
        if os.environ.get(KAFKA_VARIABLE) != "apache":
            pytest.skip(f"runs with {KAFKA_VARIABLE}=apache")
        obstacle = why_not_available()
        if obstacle is not None:
            pytest.skip(obstacle)
        broker = ApacheKafka(tmp_path, free_port())
    yield broker
    await broker.stop()


async def _publish(broker: Broker, value: bytes) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        acks="all",
        enable_idempotence=broker.idempotent,
    )
    await producer.start()
    await producer.send_and_wait(ORDERS.name, value, partition=0)
    await producer.stop()


async def _first(broker: Broker) -> bytes | None:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    await consumer.start()
    consumer.assign([PARTITION])
    await consumer.seek_to_beginning(PARTITION)
    batches = await consumer.getmany(timeout_ms=2000)
    await consumer.stop()
    return next((record.value for records in batches.values() for record in records), None)


async def _partitions(broker: Broker, name: str) -> int:
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await client.start()
    described = await client.describe_topics([name])
    await client.close()
    return len(described[0]["partitions"])


async def test_topic_has_its_partitions_when_created_twice(broker: Broker) -> None:
    await broker.start()
    await ensure_topics(broker.bootstrap_servers, [ORDERS])
    await ensure_topics(broker.bootstrap_servers, [ORDERS])
    assert await _partitions(broker, ORDERS.name) == ORDERS.partitions


async def test_message_comes_back_when_published(broker: Broker) -> None:
    await broker.start()
    await ensure_topics(broker.bootstrap_servers, [ORDERS])
    await _publish(broker, b"one")
    assert await _first(broker) == b"one"


async def test_only_a_durable_broker_keeps_messages_when_killed(broker: Broker) -> None:
    await broker.start()
    await ensure_topics(broker.bootstrap_servers, [ORDERS])
    await _publish(broker, b"one")
    broker.kill()
    assert not broker.running

    await broker.start()
    await ensure_topics(broker.bootstrap_servers, [ORDERS])

    assert await _first(broker) == (b"one" if broker.durable else None)


async def test_start_names_the_port_when_it_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as refusal:
            await EmbeddedBroker(port, tmp_path / "broker.log").start()
    assert (refusal.value.port, refusal.value.wanted_by) == (port, "broker")
