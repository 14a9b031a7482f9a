"""What trigger-service is given: programs, and purchase events that are published beforehand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bench.publishing import publish
from heardback.contracts import registry
from heardback.contracts.payloads import Profile, PurchaseCompleted
from heardback.envelope import Event, OutgoingMessage, encode
from heardback.trace import new_traceparent

_LISTENING: Final = 3
_PROGRAMS: Final = 10
_SEGMENTS: Final = ("new", "regular", "vip", "business")
_WHEN: Final = "when: event.amount >= 20.0 && customer.segment != 'internal'"
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
    await publish(bootstrap_servers, _purchases(count, customers))


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
