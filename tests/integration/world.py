"""A running stack, and all who deal with it: shops, customers, trusted systems, who listens."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
from aiokafka import AIOKafkaConsumer

from heardback.contracts import registry, topics
from heardback.contracts.payloads import Payload, Profile, PurchaseCompleted
from heardback.contracts.registry import EventType
from heardback.envelope import Event, decode
from heardback.ids import TimeOrderedIds
from heardback.testing.people import BROWSER_HEADERS
from heardback.testing.waiting import until
from heardback_local.publisher import Publisher
from heardback_local.stack import Stack
from heardback_local.visitor import Visitor

HEARD: Final = (topics.SURVEY, topics.DELIVERY, topics.RESPONSE, topics.TASK)


@dataclass
class World:
    """A stack, and all who deal with it."""

    stack: Stack
    http: httpx2.AsyncClient
    publisher: Publisher
    heard: list[Event[Any]] = field(default_factory=list)

    @property
    def key(self) -> dict[str, str]:
        """The headers of a trusted system."""
        return {"Authorization": f"Bearer hb_{self.stack.state.secret('api-key')}"}

    async def publish(self, event_type: EventType, payload: Payload) -> None:
        event = Event(
            id=TimeOrderedIds().new(),
            source="/shop",
            type=event_type,
            data=payload,
            time=datetime.now(UTC),
        )
        await self.publisher.publish(event)
        await self.publisher.flush()

    async def buy(self, customer_id: str, shop: str, **contact: str) -> None:
        """Have a customer buy in the shop that the program of its name asks about."""
        purchase = PurchaseCompleted(
            customer_id=customer_id,
            order_id=f"order of {customer_id}",
            occurred_at=datetime.now(UTC),
            customer=Profile(name="Ada", **contact),
            attributes={"shop": shop},
        )
        await self.publish(registry.PURCHASE_COMPLETED, purchase)

    async def told(self, event_type: EventType, customer_id: str, number: int = 1) -> Any:
        """Wait for event `number` of a type about a customer; return what it says."""
        found: list[Any] = []

        def is_there() -> bool:
            found[:] = [
                event.data
                for event in self.heard
                if event.type is event_type and event.data.key == customer_id
            ]
            return len(found) >= number

        await until(is_there)
        assert len(found) == number
        return found[-1]

    async def texts_to(self, phone: str, number: int = 1) -> list[dict[str, Any]]:
        """Wait until a phone has got `number` texts; return them."""
        found: list[dict[str, Any]] = []

        async def are_there() -> bool:
            url = f"{self.stack.url('mailbox')}/api/messages"
            found[:] = (await self.http.get(url, params={"to": phone})).json()["messages"]
            return len(found) >= number

        await until(are_there)
        assert len(found) == number
        assert {text["kind"] for text in found} == {"sms"}
        return found

    async def reply(self, message: Mapping[str, Any], text: str) -> None:
        """Answer a text, as its recipient does on the mailbox's page."""
        url = f"{self.stack.url('mailbox')}/messages/{message['id']}/reply"
        page = await self.http.post(url, data={"text": text})
        assert page.status_code == 200
        assert 'role="alert"' not in page.text

    async def answer_on_the_page(self, link: str, score: int, comment: str) -> None:
        visitor = Visitor(self.http, patience_seconds=20)

        async def is_known() -> bool:
            """Topics are read each at its own pace; HEAD leaves no trace."""
            return (await self.http.head(link)).status_code == 200

        await until(is_known)
        await visitor.submit(await visitor.open(link), score=score, comment=comment)

    async def answer_from_the_widget(self, url: str, said: Mapping[str, Any]) -> Any:
        """Send an answer as the widget does, again while it is told to; return the last reply."""
        replies: list[httpx2.Response] = []

        async def is_taken() -> bool:
            content = json.dumps(said)
            replies.append(await self.http.post(url, content=content, headers=BROWSER_HEADERS))
            return replies[-1].status_code != httpx2.codes.SERVICE_UNAVAILABLE

        await until(is_taken)
        return replies[-1].json()

    async def task_of(self, customer_id: str) -> dict[str, Any]:
        """Wait for a customer's only task."""
        found: list[dict[str, Any]] = []

        async def is_there() -> bool:
            url, query = f"{self.stack.url('closeloop')}/tasks", {"customer_id": customer_id}
            found[:] = (await self.http.get(url, params=query)).json()["tasks"]
            return bool(found)

        await until(is_there)
        (task,) = found
        return task


async def listen(world: World) -> None:
    async with AIOKafkaConsumer(
        *(topic.name for topic in HEARD),
        bootstrap_servers=world.stack.kafka_bootstrap,
        auto_offset_reset="earliest",
    ) as consumer:
        known = {topic.name: topic for topic in HEARD}
        async for record in consumer:
            world.heard.append(decode(known[record.topic], record.value, record.headers))
