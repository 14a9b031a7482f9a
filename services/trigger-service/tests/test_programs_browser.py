"""The programs' pages in Chromium: readable for all, anywhere, by keyboard, and without script."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, ViewportSize, expect

from heardback.testing.browser import DESK, PHONE, faults_anywhere, serve
from trigger_service.domain.program import ProgramState

from . import console_builders as build

pytestmark = pytest.mark.browser

PAGES = {
    "list": "/",
    "program": "/console/programs/purchase",
    "compared": "/console/programs/large-order",
    "new": "/console/new",
    "editor": "/console/new?from=purchase",
    "customer": "/console/customers?id=c001",
    "unknown-customer": "/console/customers?id=nobody",
    "missing": "/console/programs/nonsense",
}


@pytest.fixture
async def base_url(trigger: Any) -> AsyncIterator[str]:
    async with serve(build.make_app(trigger.database)) as served:
        yield served


async def a_story(trigger: Any) -> None:
    """Programs in every state, a month of decisions, a program of two versions."""
    await build.limit(trigger.database, 20)
    await build.write(trigger.database)
    await build.set_state(trigger.database, "large-order", ProgramState.SHADOW)
    await build.write(trigger.database, delay="2d..5d", channels=["email", "sms"])
    await build.set_state(trigger.database, "feature-used", ProgramState.ARCHIVED)
    await build.play_month(trigger)
    await trigger.deliver(*build.touchpoints(trigger, "visited", 3))


@pytest.mark.parametrize("story", ["empty", "month"])
async def test_pages_are_accessible_and_fit_when_seen_anywhere(
    story: str, browser: Browser, base_url: str, trigger: Any
) -> None:
    if story == "month":
        await a_story(trigger)
    errors: list[str] = []
    page = await browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    for name, path in PAGES.items():
        await page.goto(base_url + path)
        assert await faults_anywhere(page, f"{story}-{name}") == []
    assert errors == []


async def type_text(page: Page, text: str) -> None:
    await page.locator("#text").fill(text)


FAULTY = """\
id: large-order-2
name: After a large order
touchpoint: purchase
type: transactional
survey: purchase-nps
when: event.amout >= 100
delay: 3d..5d
send_hours: {from: "22:00", to: "23:00"}
expires_after: 10d
"""


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_faults_are_marked_and_nothing_typed_is_lost_when_checked(
    browser: Browser, base_url: str, size: ViewportSize
) -> None:
    page = await browser.new_page(viewport=size)
    await page.goto(f"{base_url}/console/new?from=blank")
    await page.evaluate("window.marked = true")
    await type_text(page, FAULTY)
    await page.locator("#check").click()
    await expect(page.locator("#result-said")).to_contain_text("things to correct")
    await expect(page.locator("#gutter b")).to_have_text(["!  6", "!  8"])
    await expect(page.locator(".faults li").first).to_contain_text("event.amount?")
    assert await page.locator("#text").input_value() == FAULTY
    assert await page.evaluate("window.marked")
    assert await faults_anywhere(page, "faulty", widths=[size["width"]]) == []


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_preview_shows_the_last_month_when_the_text_is_valid(
    browser: Browser, base_url: str, trigger: Any, size: ViewportSize
) -> None:
    await a_story(trigger)
    page = await browser.new_page(viewport=size)
    await page.goto(f"{base_url}/console/programs/purchase/edit")
    await page.locator("#preview").click()
    await expect(page.locator("#result-said")).to_contain_text("Would have asked")
    await expect(page.locator("#result")).to_contain_text("Asked recently")
    assert await faults_anywhere(page, "preview", widths=[size["width"]]) == []


async def test_program_is_written_and_activated_by_keyboard(
    browser: Browser, base_url: str
) -> None:
    page = await browser.new_page()
    await page.goto(f"{base_url}/console/new")
    await page.get_by_role("link", name="Almost empty").focus()
    await page.keyboard.press("Enter")
    await page.locator("#text").focus()
    await page.keyboard.press("Control+Home")
    await page.keyboard.type("# Mine\n")
    for _ in range(3):
        await page.keyboard.press("Tab")
    await expect(page.locator("#save")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#state .pill")).to_have_text("paused")
    await page.locator("#set-active").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#state-notice")).to_contain_text("Activated")
    await expect(page.locator("#state .pill")).to_have_text("active")
    await expect(page.locator("#set-active")).to_be_focused()


async def test_program_is_archived_only_after_a_second_press(
    browser: Browser, base_url: str
) -> None:
    page = await browser.new_page()
    await page.goto(f"{base_url}/console/programs/purchase")
    await expect(page.locator("#set-archived")).to_be_hidden()
    await page.locator("#archive-summary").click()
    await page.locator("#set-archived").click()
    await expect(page.locator("#state .pill")).to_have_text("archived")
    await expect(page.locator("#archive")).to_have_count(0)


async def test_pages_work_without_script(browser: Browser, base_url: str, trigger: Any) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{base_url}/console/programs/purchase/edit")
    text = (await page.locator("#text").input_value()).replace("7d..10d", "10d..7d")
    await type_text(page, text)
    await page.locator("#check").click()
    await expect(page.locator(".faults")).to_contain_text("ends before it begins")
    assert await page.locator("#text").input_value() == text
    await type_text(page, text.replace("10d..7d", "8d..10d"))
    await page.locator("#save").click()
    await expect(page.locator("#state")).to_contain_text("version 2")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#state .pill")).to_have_text("paused")
    await page.locator("select[name=older]").select_option("1")
    await page.get_by_role("button", name="Compare").click()
    await expect(page.locator("#versions")).to_contain_text("8d..10d")
