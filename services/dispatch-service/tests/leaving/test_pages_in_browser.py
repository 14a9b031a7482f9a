"""The preference pages in a real browser: every language, light and dark, keyboard, no script."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from heardback.testing.browser import faults_anywhere, overflow, serve
from heardback.words import LOCALES, words_of

pytestmark = pytest.mark.browser
Ask = Callable[..., Awaitable[str]]


async def check(page: Page, name: str) -> None:
    size = page.viewport_size
    assert size is not None
    assert await faults_anywhere(page, name, widths=[size["width"]]) == []


@pytest.mark.parametrize("width", [800, 360])
@pytest.mark.parametrize("locale", LOCALES)
async def test_pages_are_usable_by_everybody_when_seen_in(
    browser: Browser,
    build: Any,
    asked: Ask,
    way_out: Callable[..., str],
    locale: str,
    width: int,
) -> None:
    await asked(locale=locale)
    words = words_of(locale)
    async with serve(build()) as served:
        page = await browser.new_page(viewport={"width": width, "height": 760})
        link = f"{served}{way_out()}"
        await page.goto(link)
        await check(page, f"ask-{locale}")
        await page.get_by_label(words["preferences.channel_email"]).check()
        await page.get_by_role("button", name=words["preferences.send"]).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(
            words["preferences.left_title"]
        )
        await check(page, f"left-{locale}")
        await page.get_by_role("link", name=words["preferences.change"]).click()
        await check(page, f"ask-again-{locale}")
        await page.get_by_role("button", name=words["preferences.send"]).click()
        await check(page, f"left-all-{locale}")
        await page.get_by_role("button", name=words["preferences.come_back"]).click()
        await check(page, f"back-{locale}")
        await page.close()


async def test_way_out_works_by_keyboard_alone_when_there_is_no_script(
    browser: Browser, build: Any, asked: Ask, way_out: Callable[..., str], listed: Any
) -> None:
    await asked()
    async with serve(build()) as served:
        context = await browser.new_context(java_script_enabled=False)
        page = await context.new_page()
        await page.goto(f"{served}{way_out()}")
        for pressed in ("Tab", "ArrowDown", "ArrowDown", "Tab", "Enter"):
            await page.keyboard.press(pressed)
        await expect(page.get_by_role("heading", name="That has stopped")).to_be_visible()
        assert [row[2] for row in await listed()] == ["program"]
        for pressed in ("Tab", "Tab", "Enter"):
            await page.keyboard.press(pressed)
        await expect(page.get_by_role("heading", name="Good to have you back")).to_be_visible()
        assert await listed() == []
        await context.close()


async def test_targets_are_large_enough_when_touched(
    browser: Browser, build: Any, asked: Ask, way_out: Callable[..., str]
) -> None:
    await asked()
    async with serve(build()) as served:
        page = await browser.new_page(viewport={"width": 320, "height": 640})
        await page.goto(f"{served}{way_out()}")
        boxes = [await one.bounding_box() for one in await page.locator(".choice, button").all()]
        assert len(boxes) == 5
        assert all(box and box["height"] >= 44 and box["width"] >= 200 for box in boxes)
        assert await overflow(page) <= 0
        await page.close()
