"""Publishing many events beforehand."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from aiokafka import AIOKafkaProducer

from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EventType
from heardback.envelope import Event, OutgoingMessage, encode
from heardback.trace import new_traceparent

_CHUNK: Final = 5_000


async def publish(bootstrap_servers: str, messages: Iterable[OutgoingMessage]) -> None:
    """Publish `messages`, and wait until the broker has all of them."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=5) as producer:
        sends = []
        for message in messages:
            sends.append(
                await producer.send(
                    message.topic, message.value, key=message.key, headers=list(message.headers)
                )
            )
            if len(sends) == _CHUNK:
                await asyncio.gather(*sends)
                sends.clear()
        await asyncio.gather(*sends)


def messages_of(event_type: EventType, payloads: Iterable[Payload]) -> Iterator[OutgoingMessage]:
    """Return each payload as an event of that type, in a message."""
    for number, payload in enumerate(payloads):
        yield encode(
            Event(
                id=f"bench-{number}",
                source="/bench",
                type=event_type,
                data=payload,
                traceparent=new_traceparent(),
            )
        )
