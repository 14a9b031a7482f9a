"""The dashboard's words, as a browser without script gets them."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from heardback.console.sse import Hub
from heardback.testing.clock import START, CountedIds, ManualClock
from insights_service.dashboard import refresher


async def test_page_says_what_it_waits_for_when_nothing_has_happened(
    client: httpx2.AsyncClient, database: Any
) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert "Nothing to count yet" in page.text
    assert 'id="strip"' not in page.text


async def test_page_shows_the_figures_of_the_api(
    client: httpx2.AsyncClient, apply: Any, tell: Any
) -> None:
    await apply(tell(seed=3, customers=600, days=60).events)
    nps = (await client.get("/nps")).json()
    page = (await client.get("/", params={"period": "all"})).text
    assert f"from {nps['responses']} responses" in page
    funnel = (await client.get("/funnel")).json()
    assert f"<dd>{funnel['scored']}</dd>" in page
    left_out = funnel["scored"] - nps["responses"]
    assert f"On other scales: {left_out} responses, not counted here." in page
    assert "cooldown" in page
    assert "90 % within" in page
    assert 'class="band"' in page


async def test_page_is_filtered_by_its_address(
    client: httpx2.AsyncClient, apply: Any, tell: Any
) -> None:
    await apply(tell(seed=3, customers=600, days=60).events)
    filters = {"segment": "enterprise", "touchpoint": "purchase"}
    funnel = (await client.get("/funnel", params=filters)).json()
    page = (await client.get("/", params={"period": "all", **filters})).text
    assert f"<dd>{funnel['scored']}</dd>" in page
    assert '<option value="enterprise" selected>' in page


async def test_page_says_that_a_sample_is_too_small(
    client: httpx2.AsyncClient, apply: Any, tell: Any
) -> None:
    await apply(tell(seed=3, customers=30).events)
    page = (await client.get("/")).text
    assert "too few to go by" in page


async def test_page_says_that_filters_leave_nothing(
    client: httpx2.AsyncClient, apply: Any, tell: Any
) -> None:
    await apply(tell(seed=3, customers=30).events)
    page = (await client.get("/", params={"segment": "<b>nobody</b>"})).text
    assert "Nothing happened within these filters" in page
    assert "<b>" not in page


async def test_period_is_refused_when_it_is_none(client: httpx2.AsyncClient, database: Any) -> None:
    assert (await client.get("/", params={"period": "5"})).status_code == 422


@pytest.mark.timeout(20)
async def test_open_pages_are_told_once_a_second_at_most() -> None:
    clock, bell, stop = ManualClock(START), asyncio.Event(), asyncio.Event()
    hub = Hub(ids=CountedIds())
    running = asyncio.create_task(refresher(hub, bell, clock)(stop))

    async def told_after_five_changes() -> int:
        for _ in range(5):
            bell.set()
            for _ in range(20):
                await asyncio.sleep(0)
        return int(hub.position.rpartition("-")[2])

    assert await told_after_five_changes() == 1
    clock.advance(timedelta(seconds=1))
    assert await told_after_five_changes() == 2
    stop.set()
    await running
