from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from heardback.contracts import registry
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from trigger_service.api.decisions import router


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    app = build_app(name="trigger", database=trigger.database, health=Health(), routers=[router])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://trigger.example") as http:
        yield http


async def test_summary_counts_each_touchpoint_once_when_asked_by_source(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(*(a_purchase(n, customer_id=f"c{n % 3}") for n in range(9)))
    await trigger.deliver(
        an_event(
            registry.TOUCHPOINT_RECORDED, customer_id="c1", occurred_at=START, touchpoint="visited"
        )
    )
    summary = (await http.get("/decisions/summary", params={"source": "/shop"})).json()
    assert summary == {
        "touchpoints": 10,
        "scheduled": 3,
        "suppressed": {"cooldown_any": 6, "no_program": 1},
    }


async def test_summary_is_empty_when_nothing_is_known_of_the_source(
    http: httpx2.AsyncClient,
) -> None:
    summary = (await http.get("/decisions/summary", params={"source": "/nobody"})).json()
    assert summary == {"touchpoints": 0, "scheduled": 0, "suppressed": {}}


async def test_decisions_come_newest_first_page_by_page_when_a_customer_has_several(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    for number in range(5):
        await trigger.deliver(a_purchase(number))
    path, cursor, seen = "/customers/c1/decisions", None, []
    while True:
        page = await http.get(path, params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += page.json()["decisions"]
        cursor = page.json()["next"]
        if cursor is None:
            break
    assert [d["event_id"] for d in seen] == [f"purchase-{n}" for n in (4, 3, 2, 1, 0)]
    assert seen[0]["outcome"] == "suppressed"
    assert seen[0]["reasons"] == ["cooldown_any", "cooldown_type", "cooldown_program"]
    assert seen[0]["invitation"] is None
    assert seen[-1]["outcome"] == "scheduled"
    assert seen[-1]["invitation"]["state"] == "pending"


async def test_decisions_are_found_when_the_customer_id_has_a_slash(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(a_purchase(customer_id="eu/7", customer={"email": "a@example.com"}))
    assert len((await http.get("/customers/eu%2F7/decisions")).json()["decisions"]) == 1


async def test_decisions_are_told_when_a_date_was_absurd(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    absurd = (datetime(9999, 12, 30, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC))
    for number, occurred_at in enumerate(absurd):
        await trigger.deliver(a_purchase(number, occurred_at=occurred_at))
    decisions = (await http.get("/customers/c1/decisions")).json()["decisions"]
    assert [d["reasons"] for d in decisions] == [["stale"], ["in_future"]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "cursor=%00", "cursor=%27", "limit=many"]
)
async def test_page_is_refused_when_the_query_makes_no_sense(
    http: httpx2.AsyncClient, query: str
) -> None:
    assert (await http.get(f"/customers/c1/decisions?{query}")).status_code == 422
