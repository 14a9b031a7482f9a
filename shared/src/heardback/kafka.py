"""Kafka clients: how they are opened, and closed without waiting for a broker that is away.

A client can fall silent for good after an outage (a call that never returns, a background task that
died). Its owner then closes it and opens another; what happened so far stands in Postgres.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from heardback.errors import HeardbackError
from heardback.settings import ServiceSettings

LARGEST_MESSAGE_BYTES: Final = 8 * 1_048_576
"""As much as the dead-letter topic takes."""
_CLOSE_SECONDS: Final = 5
_log = structlog.get_logger(__name__)


class BrokerSilent(HeardbackError):
    """The broker does not answer; a new connection is tried."""


class _Client(Protocol):
    async def stop(self) -> None: ...


OpenConsumer = Callable[[], AIOKafkaConsumer]
OpenProducer = Callable[[], AIOKafkaProducer]


async def close(client: _Client) -> None:
    """Close `client`; one that can't say goodbye in time is left."""
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await client.stop()
            return
    _log.warning("kafka_client_left", client=type(client).__name__)


def consumers(settings: ServiceSettings, *, service: str) -> OpenConsumer:
    """Return what opens a consumer in the service's group; it reads from where it is told to."""
    session_ms = int(settings.kafka_session_timeout_seconds * 1_000)

    def open_consumer() -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            group_id=f"heardback.{service}",
            client_id=f"heardback.{service}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=settings.batch_size,
            max_partition_fetch_bytes=LARGEST_MESSAGE_BYTES,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 3,
        )

    return open_consumer


def producers(settings: ServiceSettings) -> OpenProducer:
    """Return what opens a producer that waits for every replica's yes."""

    def open_producer() -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            acks="all",
            enable_idempotence=settings.kafka_idempotence,
            max_request_size=LARGEST_MESSAGE_BYTES,
            linger_ms=2,
            request_timeout_ms=10_000,
        )

    return open_producer
