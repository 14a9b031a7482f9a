"""Play a booking system: appointments.py [email] [host:port of Kafka].

Without an address: 200 appointments of the last 30 days. With one: one that ended just now.
"""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer

NOW = datetime.now(UTC)  # noqa: TID251  # a product system has a clock of its own


def appointment(number: int, customer: dict[str, str], ended_at: datetime) -> dict[str, object]:
    return {
        "customer_id": customer.get("email", f"walk-in-{number}"),
        "occurred_at": ended_at.isoformat(),
        "touchpoint": "appointment-kept",
        "subject": f"appointment:{number}",
        "customer": customer,
        "attributes": {"topic": "check-up" if number % 4 else "consultation"},
    }


def last_month() -> list[dict[str, object]]:
    booked = []
    for number in range(200):
        customer = {"email": f"patient-{number * 7 % 130}@example.com", "timezone": "Europe/Berlin"}
        if number % 20 == 0:
            del customer["email"]
        booked.append(appointment(number, customer, NOW - timedelta(hours=number * 3.5)))
    return booked


async def main(booked: list[dict[str, object]], broker: str) -> None:
    headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_type", b"touchpoint.recorded.v1"),
        ("ce_source", b"/booking"),
    ]
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        for event in booked:
            event_id = f"{event['subject']} {event['occurred_at']}".encode()
            key = str(event["customer_id"]).encode()
            body = json.dumps(event).encode()
            await producer.send("touchpoint", body, key, headers=[*headers, ("ce_id", event_id)])
        await producer.flush()
    sys.stdout.write(f"Published: {len(booked)} x appointment-kept.\n")


arguments = [argument for argument in sys.argv[1:] if "@" in argument]
booked = [appointment(1000, {"email": email}, NOW) for email in arguments] or last_month()
brokers = [argument for argument in sys.argv[1:] if "@" not in argument]
asyncio.run(main(booked, brokers[0] if brokers else "127.0.0.1:8109"))
