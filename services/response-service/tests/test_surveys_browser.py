"""The console's survey pages in Chromium: readable for all, anywhere, by keyboard."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, ViewportSize, expect

from heardback.db import Database
from heardback.testing.browser import DESK, PHONE, faults_anywhere, serve
from response_service import survey_store

from .survey_builders import make_app

pytestmark = pytest.mark.browser

PAGES = {
    "list": "/console/surveys",
    "survey": "/console/surveys/relationship-nps",
    "new": "/console/new-survey",
    "editor": "/console/surveys/purchase-nps/edit",
    "missing": "/console/surveys/nonsense",
}


@pytest.fixture
async def base_url(database: Database) -> AsyncIterator[str]:
    await survey_store.publish_ready_made(database)
    async with serve(make_app(database)) as served:
        yield served


async def test_pages_are_accessible_and_fit_when_seen_anywhere(
    browser: Browser, base_url: str
) -> None:
    errors: list[str] = []
    page = await browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    for name, path in PAGES.items():
        await page.goto(base_url + path)
        assert await faults_anywhere(page, f"surveys-{name}") == []
    assert errors == []


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_faults_are_marked_and_corrected_without_reload(
    browser: Browser, base_url: str, size: ViewportSize
) -> None:
    page = await browser.new_page(viewport=size)
    await page.goto(f"{base_url}/console/surveys/purchase-nps/edit")
    await page.evaluate("window.marked = true")
    text = await page.locator("#text").input_value()
    await page.locator("#text").fill(text.replace("{{ occurred_on }}", "{% for %}"))
    await page.locator("#check").click()
    await expect(page.locator("#result-said")).to_contain_text("4 things to correct")
    await expect(page.locator("#gutter b")).to_have_count(4)
    assert await faults_anywhere(page, "surveys-faulty", widths=[size["width"]]) == []
    await page.locator("#text").fill(text)
    await page.locator("#check").click()
    await expect(page.locator("#result-said")).to_contain_text("This is what customers read")
    await expect(page.locator("#gutter b")).to_have_count(0)
    assert await page.evaluate("window.marked")
    assert await faults_anywhere(page, "surveys-checked", widths=[size["width"]]) == []


async def test_survey_is_previewed_and_published_by_keyboard(
    browser: Browser, base_url: str
) -> None:
    page = await browser.new_page()
    await page.goto(f"{base_url}/console/new-survey?from=blank")
    async with page.context.expect_page() as opened:
        await page.locator("#page").press("Enter")
    preview = await opened.value
    await expect(preview.locator("h1")).to_contain_text("How likely are you to recommend")
    await preview.close()
    await page.locator("#publish").press("Enter")
    await expect(page.locator("h1")).to_have_text("My survey")
    await expect(page.locator("main")).to_contain_text("Programs can name it from now on")
    await page.close()
