"""The loop to its end: from the answer of a detractor to their task that is verified."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from heardback.contracts import registry
from heardback.contracts.payloads import Profile, PurchaseCompleted
from heardback.envelope import Event
from heardback.testing.waiting import until
from heardback_local.places import Places, find_places
from heardback_local.publisher import Publisher
from heardback_local.survey_page import score_links
from heardback_local.visitor import Visitor

pytestmark = pytest.mark.timeout(120)

SEGMENT: Final = "closed-loop"
CUSTOMER: Final = "unhappy"
ADDRESS: Final = f"{CUSTOMER}@example.com"
OWNER: Final = "Nora Berg"
COMMENT: Final = "The parcel came nine days late."
TEAMS: Final = f"""\
teams:
  care: {{title: Customer care, calendar: always, members: [{{name: Ana Ruiz}}]}}
  key-accounts: {{title: Key accounts, calendar: always, members: [{{name: {OWNER}}}]}}
rules:
  - {{when: {{segments: [{SEGMENT}]}}, team: key-accounts}}
  - {{team: care}}
"""


@dataclass
class Loop:
    """The parts of a running stack that the loop goes through."""

    places: Places
    http: httpx2.AsyncClient

    async def get(self, url: str, **query: Any) -> Any:
        return (await self.http.get(url, params=query)).raise_for_status().json()

    async def move(self, task: Mapping[str, Any], move: str, **body: Any) -> Any:
        url = f"{self.places.closeloop}/tasks/{task['task_id']}/{move}"
        sent = await self.http.post(url, json={**body, "version": task["version"]})
        assert sent.is_success, sent.text
        return sent.json()

    async def buy(self) -> None:
        now = datetime.now(UTC)
        purchase = PurchaseCompleted(
            customer_id=CUSTOMER,
            order_id="1001",
            occurred_at=now,
            customer=Profile(email=ADDRESS, name="Ada", segment=SEGMENT),
        )
        event = Event(
            id="1001", source="/shop", type=registry.PURCHASE_COMPLETED, data=purchase, time=now
        )
        async with Publisher(self.places.kafka) as publisher:
            await publisher.publish(event)
            await publisher.flush()

    async def mail(self, number: int) -> Mapping[str, Any]:
        """Wait for mail `number` to the customer."""
        mails: list[Mapping[str, Any]] = []

        async def there() -> bool:
            found = await self.get(f"{self.places.mailbox}/api/messages", to=ADDRESS)
            mails[:] = found["messages"]
            return len(mails) >= number

        await until(there, seconds=30)
        assert len(mails) == number
        return mails[-1]

    async def answer(self, mail: Mapping[str, Any], score: int, comment: str) -> None:
        visitor = Visitor(self.http, patience_seconds=20)
        page = await visitor.open(score_links(text=mail["text"], html=mail["html"])[score])
        await visitor.submit(page, score=score, comment=comment)

    async def task(self, fits: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Wait until the customer's only task is so; return all of it."""
        found: list[Mapping[str, Any]] = []

        async def there() -> bool:
            tasks = await self.get(f"{self.places.closeloop}/tasks", customer_id=CUSTOMER)
            found[:] = tasks["tasks"]
            return bool(found) and fits(found[0])

        await until(there, seconds=30)
        (task,) = found
        whole: Mapping[str, Any] = await self.get(
            f"{self.places.closeloop}/tasks/{task['task_id']}"
        )
        return whole


@pytest.fixture
async def loop(demo_stack: Path) -> AsyncIterator[Loop]:
    async with httpx2.AsyncClient(timeout=10) as http:
        yield Loop(places=find_places(demo_stack), http=http)


async def test_rows_39_to_46_detractor_is_recovered_when_the_loop_is_closed(loop: Loop) -> None:
    teams = f"{loop.places.closeloop}/rulebooks/teams"
    (await loop.http.put(teams, json={"body": TEAMS, "saved_by": "Maya"})).raise_for_status()
    await loop.buy()
    await loop.answer(await loop.mail(1), 2, COMMENT)
    task = await loop.task(lambda task: task["owner"] is not None)
    assert (task["owner"], task["team"], task["comment"]) == (OWNER, "key-accounts", COMMENT)
    task = await _write(loop, task)
    await loop.move(task, "resolve", owner=OWNER, root_cause="late delivery", note="Refunded.")
    await loop.answer(await loop.mail(3), 9, "Fast and friendly this time.")
    task = await loop.task(lambda task: task["state"] == "verified")
    assert task["outcome"] == "recovered"
    told = [line["what"] for line in reversed(task["history"])]
    assert told == ["opened", "assigned", "wrote", "contacted", "resolved", "verified"]
    await _is_counted(loop)


async def _write(loop: Loop, task: Mapping[str, Any]) -> Mapping[str, Any]:
    """Send what the playbook has for it, and see that the clock stopped when it went out."""
    preview = f"{loop.places.closeloop}/tasks/{task['task_id']}/messages/preview"
    template = task["next_action"]["template"]
    words = await loop.get(preview, template_id=template, owner=OWNER)
    await loop.move(task, "messages", **words, template_id=template, actor=OWNER)
    mail = await loop.mail(2)
    assert (mail["subject"], OWNER in mail["text"]) == (words["subject"], True)
    task = await loop.task(lambda task: task["state"] == "contacted")
    (message,) = task["messages"]
    stopped_at = task["clocks"]["first_response"]["stopped_at"]
    assert message["state"] == "sent"
    assert stopped_at == message["settled_at"] == task["contacted_at"]
    assert message["requested_at"] <= stopped_at
    assert task["clocks"]["resolution"]["stopped_at"] is None
    return task


async def _is_counted(loop: Loop) -> None:
    """Both services say what came of it."""
    recovery = await loop.get(f"{loop.places.closeloop}/recovery", segment=SEGMENT)
    (group,) = (group for group in recovery["groups"] if group["category"] == "detractor")
    assert (group["resolved"], group["outcomes"]) == (1, {"recovered": 1})

    async def insights_knows() -> bool:
        sla = await loop.get(f"{loop.places.insights}/sla", segment=SEGMENT)
        return bool(sla["outcomes"]["recovered"] == 1 and sla["open"] == 0)

    await until(insights_knows, seconds=30)
