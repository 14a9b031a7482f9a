"""Publishes inbound events as a product system would: in batches, done when acknowledged."""

import asyncio
from types import TracebackType
from typing import Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from heardback.contracts.payloads import Payload
from heardback.envelope import Event, encode
from heardback.errors import Retryable

_MOST_IN_FLIGHT: Final = 2_000
_LINGER_MS: Final = 5
_BATCH_BYTES: Final = 65_536


class BrokerRefused(Retryable):
    """The broker did not take an event; see whether it runs and try again."""

    broker: str
    why: str


class Publisher:
    """Use as `async with Publisher(bootstrap_servers) as publisher`.

    At most a few thousand events wait for the broker's yes; then `publish` waits too.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self.acknowledged = 0
        self._broker = bootstrap_servers
        self._kafka = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers,
            acks="all",
            # Events carry stable ids, so a message that is sent twice has no second effect.
            enable_idempotence=False,
            linger_ms=_LINGER_MS,
            max_batch_size=_BATCH_BYTES,
        )
        self._room = asyncio.Semaphore(_MOST_IN_FLIGHT)
        self._in_flight: set[asyncio.Future[object]] = set()
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._kafka.start()
        except KafkaError as error:
            await self._kafka.stop()
            raise BrokerRefused(broker=self._broker, why=str(error)) from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._kafka.stop()

    async def publish(self, event: Event[Payload]) -> None:
        """Hand `event` over; it is published for sure once `flush` has returned.

        Raises: BrokerRefused (for this event or an earlier one).
        """
        message = encode(event)
        await self._room.acquire()
        self._raise_failure()
        try:
            sent = await self._kafka.send(
                message.topic, value=message.value, key=message.key, headers=list(message.headers)
            )
        except KafkaError as error:
            raise BrokerRefused(broker=self._broker, why=str(error)) from error
        self._in_flight.add(sent)
        sent.add_done_callback(self._settle)

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything.

        Raises: BrokerRefused.
        """
        while self._in_flight:
            await asyncio.wait(self._in_flight)
        self._raise_failure()

    def _settle(self, sent: asyncio.Future[object]) -> None:
        self._in_flight.discard(sent)
        self._room.release()
        if sent.cancelled():
            return
        failure = sent.exception()
        if failure is None:
            self.acknowledged += 1
        else:
            self._failure = self._failure or failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise BrokerRefused(broker=self._broker, why=str(self._failure)) from self._failure
