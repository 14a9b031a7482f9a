"""One customer through the running stack, seen from outside: topics, mail, pages."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from heardback.contracts import registry, topics
from heardback.contracts.payloads import Profile, PurchaseCompleted
from heardback.envelope import Event, OutgoingMessage, encode
from heardback.testing.waiting import until
from heardback.trace import new_traceparent, trace_id_of
from heardback_local.measuring import decisions
from heardback_local.places import Places, find_places
from heardback_local.survey_page import score_links
from heardback_local.visitor import Visitor

pytestmark = pytest.mark.timeout(120)


def a_purchase(customer_id: str, *, number: int = 1, traceparent: str | None = None) -> Event:
    now = datetime.now(UTC)
    purchase = PurchaseCompleted(
        customer_id=customer_id,
        order_id=f"{customer_id}-{number}",
        occurred_at=now,
        customer=Profile(email=f"{customer_id}@example.com", name="Ada"),
    )
    return Event(
        id=f"{customer_id}-{number}",
        source=f"/shop/{customer_id}",
        type=registry.PURCHASE_COMPLETED,
        data=purchase,
        time=now,
        traceparent=traceparent,
    )


async def publish(places: Places, *messages: OutgoingMessage) -> None:
    async with AIOKafkaProducer(bootstrap_servers=places.kafka) as producer:
        for m in messages:
            await producer.send_and_wait(m.topic, m.value, key=m.key, headers=list(m.headers))


@asynccontextmanager
async def reading(places: Places, topic: topics.Topic) -> AsyncIterator[AIOKafkaConsumer]:
    async with AIOKafkaConsumer(
        topic.name,
        bootstrap_servers=places.kafka,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8_000_000,
    ) as consumer:
        yield consumer


async def messages_of(
    places: Places, topic: topics.Topic, key: bytes, count: int
) -> list[Mapping[str, bytes]]:
    """Return the headers of the first `count` messages under a key, with the value as `value`."""
    found: list[Mapping[str, bytes]] = []
    async with reading(places, topic) as consumer, asyncio.timeout(30):
        while len(found) < count:
            record = await consumer.getone()
            if record.key == key:
                found.append({**dict(record.headers), "value": record.value})
    return found


async def test_one_trace_leads_to_the_task_when_a_detractor_answers(demo_stack: Path) -> None:
    places, customer = find_places(demo_stack), "traced"
    traceparent = new_traceparent()
    await publish(places, encode(a_purchase(customer, traceparent=traceparent)))
    async with httpx2.AsyncClient(timeout=10) as client:
        mails: list[dict[str, str]] = []

        async def mail_is_there() -> bool:
            query = {"to": f"{customer}@example.com"}
            answer = await client.get(f"{places.mailbox}/api/messages", params=query)
            mails[:] = answer.json()["messages"]
            return bool(mails)

        await until(mail_is_there, seconds=30)
        visitor = Visitor(client, patience_seconds=20)
        page = await visitor.open(score_links(text=mails[0]["text"], html=mails[0]["html"])[3])
        await visitor.submit(page, score=3, comment="Nobody called back.")
    for topic, event_type in [
        (topics.DELIVERY, registry.INVITATION_SENT),
        (topics.RESPONSE, registry.RESPONSE_RECORDED),
        (topics.DETRACTOR_ALERT, registry.DETRACTOR_ALERTED),
        (topics.TASK, registry.TASK_OPENED),
    ]:
        (message,) = await messages_of(places, topic, customer.encode(), 1)
        assert message["ce_type"] == event_type.name.encode()
        assert trace_id_of(message["traceparent"].decode()) == trace_id_of(traceparent)


async def test_bad_messages_are_set_aside_and_the_good_ones_decided_when_mixed(
    demo_stack: Path,
) -> None:
    places, customer = find_places(demo_stack), "careless"
    key, good = customer.encode(), encode(a_purchase(customer))
    ours = dict(good.headers)

    def bad(value: bytes | None, **changes: bytes) -> OutgoingMessage:
        headers = {**ours, **changes}
        return OutgoingMessage(topic="purchase", key=key, value=value, headers=(*headers.items(),))

    wrong = {
        "invalid_payload": bad(b'{"customer_id": "careless"}'),
        "unknown_type": bad(good.value, ce_type=b"purchase.imagined.v1"),
        "unsupported_version": bad(good.value, ce_type=b"purchase.completed.v9"),
        "null_value": bad(None),
        "too_large": bad(b"x" * 900_000),
        "not_cloudevents": OutgoingMessage(topic="purchase", key=key, value=b"hello", headers=()),
    }
    await publish(places, *wrong.values(), good)
    letters = {
        letter["dlq_reason"].decode(): letter
        for letter in await messages_of(places, topics.DEAD_LETTER, key, len(wrong))
    }
    assert letters.keys() == wrong.keys()
    for reason, letter in letters.items():
        assert letter["value"] == wrong[reason].value
        assert letter["dlq_service"] == b"trigger"
        assert letter["dlq_topic"] == b"purchase"
    async with httpx2.AsyncClient(timeout=10) as client:

        async def decided() -> bool:
            summary = await decisions(places, client, source=f"/shop/{customer}")
            return summary["scheduled"] == 1

        await until(decided)
