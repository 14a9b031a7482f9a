"""Publish a purchase to a running stack: first_event.py you@example.com [host:port of Kafka]."""

import asyncio
import json
import sys
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer


async def main(email: str, broker: str) -> None:
    now = datetime.now(UTC).isoformat()  # noqa: TID251  # a product system has a clock of its own
    purchase = {
        "customer_id": email,
        "order_id": f"order-{now}",
        "occurred_at": now,
        "amount": 49.9,
        "currency": "EUR",
        "customer": {"email": email, "name": "Ada Lovelace"},
    }
    headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_type", b"purchase.completed.v1"),
        ("ce_source", b"/my-shop"),
        ("ce_id", purchase["order_id"].encode()),
    ]
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        await producer.send_and_wait(
            "purchase", json.dumps(purchase).encode(), key=email.encode(), headers=headers
        )
    sys.stdout.write(f"Published. The mail to {email} will be in the mailbox in a few seconds.\n")


if len(sys.argv) < 2:
    sys.exit(__doc__)
asyncio.run(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:8109"))
