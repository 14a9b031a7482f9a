"""The dashboard in a real browser: live, accessible, readable on a phone, without script too."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from heardback.console.sse import Hub
from heardback.db import Database
from heardback.testing.browser import faults_anywhere, serve
from heardback.testing.clock import START, CountedIds, ManualClock

pytestmark = pytest.mark.browser


@pytest.fixture
def hub() -> Hub:
    return Hub(ids=CountedIds())


@pytest.fixture
async def base_url(
    database: Database, clock: ManualClock, make_app: Any, hub: Hub
) -> AsyncIterator[str]:
    async with serve(make_app(database, clock=clock, hub=hub)) as served:
        yield served


STORIES = {
    "full": {"seed": 5, "customers": 4_000, "days": 60},
    "small": {"seed": 3, "customers": 25, "days": 4},
    "empty": {"seed": 1, "customers": 0},
}


@pytest.mark.parametrize("story", STORIES)
async def test_page_is_accessible_and_fits(
    story: str, browser: Browser, base_url: str, apply: Any, tell: Any
) -> None:
    await apply(tell(**STORIES[story]).events)
    errors: list[str] = []
    page = await browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    await page.goto(f"{base_url}/?period=90")
    await expect(page.locator("#live")).to_have_text("Live")
    assert await faults_anywhere(page, story) == []
    assert errors == []


async def test_page_follows_the_figures_without_a_reload(
    browser: Browser, base_url: str, apply: Any, tell: Any, hub: Hub
) -> None:
    await apply(tell(seed=1, customers=100).events)
    page = await browser.new_page()
    await page.goto(base_url)
    await expect(page.locator("#live")).to_have_text("Live")
    await page.evaluate("window.marked = true")
    figure = page.locator("#figure-responses dd").first
    before = await figure.inner_text()
    await apply(tell(seed=2, customers=300).events)
    hub.reset()
    await expect(figure).not_to_have_text(before)
    assert await page.evaluate("window.marked")


async def test_filters_change_the_page_and_its_address_by_keyboard(
    browser: Browser, base_url: str, apply: Any, tell: Any
) -> None:
    await apply(tell(seed=1, customers=600).events)
    page = await browser.new_page()
    await page.goto(base_url)
    responses = page.locator("#figure-responses dd").first
    everyone = await responses.inner_text()
    await page.locator("#filter-segment").focus()
    await page.keyboard.type("enterprise")
    await expect(responses).not_to_have_text(everyone)
    assert "segment=enterprise" in page.url
    await expect(page.locator("#filter-segment")).to_be_focused()
    await expect(page.locator("#filter-segment")).to_have_value("enterprise")


async def test_page_works_without_script(
    browser: Browser, base_url: str, apply: Any, tell: Any
) -> None:
    await apply(tell(seed=1, customers=600, until=START - timedelta(days=1)).events)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(base_url)
    await page.select_option("#filter-segment", "self-serve")
    await page.get_by_role("button", name="Show").click()
    assert "segment=self-serve" in page.url
    await expect(page.locator("#filter-segment")).to_have_value("self-serve")
    await expect(page.locator("#figure-nps")).to_contain_text("±")
