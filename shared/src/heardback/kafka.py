"""Kafka clients: how they are opened, and closed without waiting for a broker that is away.

A client can fall silent for good after an outage (a call that never returns, a background task that
died). Its owner then closes it and opens another; what happened so far stands in Postgres.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError

from heardback.errors import HeardbackError
from heardback.settings import ServiceSettings

LARGEST_MESSAGE_BYTES: Final = 8 * 1_048_576
"""As much as the dead-letter topic takes."""
_BATCH_BYTES: Final = 262_144
"""As much as fits into a message of any topic; a larger message is a batch of its own."""
_START_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 5.0
_left_behind: set["asyncio.Task[Any]"] = set()
T = TypeVar("T")
_log = structlog.get_logger(__name__)


class BrokerSilent(HeardbackError):
    """The broker does not answer; a new connection is tried."""


class _Client(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


OpenConsumer = Callable[[], AIOKafkaConsumer]
OpenProducer = Callable[[], AIOKafkaProducer]


async def within(seconds: float, call: Coroutine[Any, Any, T]) -> T:
    """Return what `call` does, for at most `seconds`.

    A call that does not let itself be cancelled, as aiokafka's may, is left behind: waiting for its
    end is how a loop would hang for good.

    Raises: TimeoutError.
    """
    task = asyncio.ensure_future(call)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if task.cancelled():
        # aiokafka awaits tasks of its own that were cancelled: that must not end the caller's loop.
        raise TimeoutError
    if done:
        return task.result()
    task.cancel()
    _left_behind.add(task)
    task.add_done_callback(_bury)
    raise TimeoutError


async def close(client: _Client) -> None:
    """Close `client`; one that can't say goodbye in time is left."""
    with suppress(KafkaError, TimeoutError):
        await within(_CLOSE_SECONDS, client.stop())
        return
    _log.warning("kafka_client_left", client=type(client).__name__)


async def start(client: _Client) -> None:
    """Start `client`, or close it again.

    Raises: KafkaError, TimeoutError.
    """
    try:
        await within(_START_SECONDS, client.start())
    except BaseException:
        await close(client)
        raise


def _bury(task: "asyncio.Task[Any]") -> None:
    _left_behind.discard(task)
    if not task.cancelled():
        task.exception()


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
            max_batch_size=_BATCH_BYTES,
            linger_ms=2,
            request_timeout_ms=10_000,
        )

    return open_producer
