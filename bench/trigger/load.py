"""What trigger-service is given: programs, and purchase events that are published beforehand."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from heardback.contracts import registry
from heardback.contracts.payloads import Profile, PurchaseCompleted
from heardback.envelope import Event, OutgoingMessage, encode
from heardback.trace import new_traceparent

_LISTENING: Final = 3
_PROGRAMS: Final = 10
_SEGMENTS: Final = ("new", "regular", "vip", "business")
_WHEN: Final = "when: event.amount >= 20.0 && customer.segment != 'internal'"
_CHUNK: Final = 5_000
_PROGRAM: Final = """
id: program-{number}
name: Program {number}
touchpoint: {touchpoint}
type: transactional
survey: purchase-nps
delay: 7d..{days}d
expires_after: 30d
{when}
"""


def write_programs(folder: Path, *, when: bool = True) -> Path:
    """Write ten active programs, of which three listen to purchases; return their folder.

    `when` gives each of them an expression.
    """
    folder.mkdir()
    for number in range(_PROGRAMS):
        touchpoint = "purchase" if number < _LISTENING else f"touchpoint-{number}"
        text = _PROGRAM.format(
            number=number, touchpoint=touchpoint, days=10 + number, when=_WHEN if when else ""
        )
        (folder / f"program-{number}.yaml").write_text(text)
    return folder


async def publish_purchases(bootstrap_servers: str, *, count: int, customers: int) -> None:
    """Publish `count` purchases; each customer comes again after all the others have come."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=5) as producer:
        sends = []
        for message in _purchases(count, customers):
            sends.append(
                await producer.send(
                    message.topic, message.value, key=message.key, headers=list(message.headers)
                )
            )
            if len(sends) == _CHUNK:
                await asyncio.gather(*sends)
                sends.clear()
        await asyncio.gather(*sends)


def _purchases(count: int, customers: int) -> Iterator[OutgoingMessage]:
    first_at = datetime.now(UTC) - timedelta(minutes=10)
    for number in range(count):
        customer = number % customers
        profile = Profile(
            email=f"customer-{customer}@example.com",
            name=f"Customer {customer}",
            locale="de-AT",
            timezone="Europe/Vienna",
            segment=_SEGMENTS[customer % len(_SEGMENTS)],
        )
        purchase = PurchaseCompleted(
            customer_id=f"customer-{customer}",
            occurred_at=first_at + timedelta(milliseconds=number),
            customer=profile,
            order_id=f"order-{number}",
            amount=49.9,
            currency="EUR",
            items=2,
            attributes={"store": "online", "country": "AT"},
        )
        yield encode(
            Event(
                id=f"purchase-{number}",
                source="/shop",
                type=registry.PURCHASE_COMPLETED,
                data=purchase,
                time=purchase.occurred_at,
                traceparent=new_traceparent(),
            )
        )
