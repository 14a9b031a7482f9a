"""The survey page in a real browser: accessible, by keyboard, without script, on a phone."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from heardback.db import Database
from heardback.envelope import Event
from heardback.testing.browser import accessibility_faults, open_browser, overflow, serve

pytestmark = pytest.mark.browser
VIEWS: dict[str, tuple[int, int, Any]] = {
    "light": (1100, 900, "light"),
    "dark": (1100, 900, "dark"),
    "phone": (390, 844, "light"),
    "phone-dark": (390, 844, "dark"),
    "small": (320, 640, "light"),
}
SHOTS = os.environ.get("HEARDBACK_SHOTS")
"""Where to keep pictures of the pages; none: nowhere."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest.fixture
async def link(
    database: Database, make_app: Any, asked: Event[Any], path: str
) -> AsyncIterator[str]:
    """The link to the survey of a customer who was asked."""
    async with serve(make_app(database)) as served:
        yield served + path


async def check(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
    assert await accessibility_faults(page) == []
    assert await overflow(page) <= 0


@pytest.mark.parametrize("view", VIEWS)
async def test_each_page_is_accessible_and_fits_when_seen_in(
    view: str, browser: Browser, link: str
) -> None:
    width, height, scheme = VIEWS[view]
    size: Any = {"width": width, "height": height}
    page = await browser.new_page(viewport=size, color_scheme=scheme)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(f"{link}?score=4")
    assert len([url for url in requests if not url.startswith("data:")]) == 1
    await check(page, f"survey-{view}")
    await page.get_by_role("textbox").fill("The parcel was open and one cup is broken.")
    await page.get_by_role("button").click()
    await check(page, f"thanks-{view}")
    await page.goto(link)
    await check(page, f"again-{view}")
    await page.goto(f"{link}x")
    await check(page, f"unknown-{view}")
    await page.close()


@pytest.mark.parametrize(
    ("score", "question"),
    [
        (6, "What happened?"),
        (7, "What is the one thing that we should improve?"),
        (9, "What is the main reason for your score?"),
    ],
)
async def test_follow_up_fits_the_score_when_scripts_are_off(
    browser: Browser, link: str, score: int, question: str
) -> None:
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(link)
    await expect(page.get_by_label("What is the main reason for your score?")).to_be_visible()
    await page.get_by_role("radio", name=str(score), exact=True).check()
    await expect(page.get_by_role("textbox", name=question, exact=True)).to_be_visible()
    await page.get_by_role("button").click()
    await expect(page.get_by_text(f"Your answer is saved: {score} out of 10.")).to_be_visible()
    await page.close()


async def test_survey_is_answered_when_there_is_only_a_keyboard(
    browser: Browser, link: str, database: Database, published: Callable[..., Any]
) -> None:
    page = await browser.new_page()
    await page.goto(f"{link}?score=7")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("radio", name="7", exact=True)).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("radio", name="8", exact=True)).to_be_checked()
    await page.keyboard.press("Tab")
    await page.keyboard.type("Faster delivery")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    (event,) = await published(database)
    assert (event.data.score, event.data.comment) == (8, "Faster delivery")
    await page.close()


async def test_focus_is_seen_when_a_score_has_it(browser: Browser, link: str) -> None:
    page = await browser.new_page()
    await page.goto(link)
    await page.keyboard.press("Tab")
    outline = await page.evaluate(
        "getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    )
    assert outline == "solid"
    await page.close()


async def test_fault_is_told_and_words_kept_when_the_score_is_missing(
    browser: Browser, link: str
) -> None:
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    await page.goto(link)
    await page.evaluate("document.forms[0].noValidate = true")
    await page.get_by_role("textbox").fill("my words")
    await page.get_by_role("button").click()
    await expect(page.get_by_role("alert")).to_have_text("Please choose a number from 0 to 10.")
    await expect(page.get_by_role("textbox")).to_have_value("my words")
    await check(page, "fault")
    await page.close()
