"""The board in Chromium: live, kind to who types, readable for all, and alive without script."""

import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from closeloop_service.domain.decisions import Acknowledge, Contact
from heardback.clock import SystemClock
from heardback.testing.browser import accessibility_faults, open_browser, overflow

pytestmark = pytest.mark.browser
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
VIEWS: dict[str, Any] = {
    "light": (DESK, "light"),
    "dark": (DESK, "dark"),
    "phone": (PHONE, "light"),
    "phone-dark": (PHONE, "dark"),
}
SHOTS = os.environ.get("HEARDBACK_SHOTS")
"""Where to keep pictures of the pages; none: nowhere."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


async def a_board(live_board, an_alert) -> None:
    """One task that is late, one due soon, one with time, one in another hand."""
    now = SystemClock().now()
    ages = (250, 225, 30, 20)
    await live_board.hear(
        *(
            an_alert(number, alerted_at=now - timedelta(minutes=age))
            for number, age in enumerate(ages, start=1)
        )
    )
    await live_board.move((await live_board.task_ids())[3], Acknowledge(actor="Divya Nair"))


async def open_board(browser: Browser, live_board, path: str = "/", **options: Any) -> Page:
    page = await browser.new_page(**options)
    await page.goto(live_board.url + path)
    await expect(page.locator("#live")).to_have_text("Live")
    return page


async def test_page_and_panel_are_accessible_and_fit_when_seen_anywhere(
    browser, live_board, an_alert
):
    errors: list[str] = []
    for story in ("empty", "board"):
        if story == "board":
            await a_board(live_board, an_alert)
        for view, (viewport, scheme) in VIEWS.items():
            page = await browser.new_page(viewport=viewport, color_scheme=scheme)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on(
                "console", lambda said: errors.append(said.text) if said.type == "error" else None
            )
            await page.goto(live_board.url)
            await expect(page.locator("#live")).to_have_text("Live")
            # axe can't judge what is clipped.
            unclip = "document.querySelectorAll('.clip').forEach(e => e.classList.remove('clip'))"
            assert await overflow(page) <= 0
            if SHOTS:
                await page.screenshot(path=Path(SHOTS) / f"{story}-{view}.png")
            await page.evaluate(unclip)
            assert await accessibility_faults(page) == []
            if story == "board":
                await page.get_by_role("link", name="Ada 4", exact=True).click()
                await expect(page.locator("#dialog #contact-note")).to_be_visible()
                assert await accessibility_faults(page) == []
            await page.close()
    assert errors == []


async def test_new_task_appears_in_its_place_when_an_alert_comes(browser, live_board, an_alert):
    await a_board(live_board, an_alert)
    page = await open_board(browser, live_board)
    await expect(page.locator("#figure-open dd").first).to_have_text("4")
    await page.evaluate("window.marked = true")
    soon = SystemClock().now() - timedelta(minutes=230)
    await live_board.hear(an_alert(9, alerted_at=soon))
    await expect(page.locator("#figure-open dd").first).to_have_text("5")
    names = await page.locator("#tasks th").all_inner_texts()
    assert names == ["Ada 1", "Ada 9", "Ada 2", "Ada 3", "Ada 4"]
    assert await page.evaluate("window.marked")


async def test_task_is_taken_by_one_press_when_the_name_is_known(browser, live_board, an_alert):
    await a_board(live_board, an_alert)
    page = await open_board(browser, live_board)
    await page.locator("#me-name").fill("Ana Reyes")
    await page.keyboard.press("Enter")
    row = page.locator("#tasks tr").first
    await row.get_by_role("button", name="Acknowledge Ada 1").click()
    await expect(row).to_contain_text("Ana Reyes")
    await expect(row.get_by_role("link", name="Log contact Ada 1")).to_be_visible()


async def test_half_typed_note_and_focus_stay_when_others_change_the_task(
    browser, live_board, an_alert
):
    await a_board(live_board, an_alert)
    task_id = (await live_board.task_ids())[3]
    page = await open_board(browser, live_board)
    await page.get_by_role("link", name="Ada 4", exact=True).click()
    note = page.locator("#contact-note")
    await note.fill("Spoke to them about")
    await note.press("End")
    await live_board.move(task_id, Contact(actor="Ben", channel="email", note="Wrote."))
    await expect(page.locator("#history")).to_contain_text("Wrote.")
    await expect(page.locator("#panel-state")).to_contain_text("contacted")
    await page.keyboard.type(" the refund")
    await expect(note).to_have_value("Spoke to them about the refund")


async def test_focus_stays_on_the_row_when_rows_move_around_it(browser, live_board, an_alert):
    await a_board(live_board, an_alert)
    page = await open_board(browser, live_board)
    link = page.get_by_role("link", name="Ada 2", exact=True)
    await link.focus()
    task_id = (await live_board.task_ids())[1]
    await live_board.move(task_id, Contact(actor="Ben", channel="phone"))
    await expect(page.locator("#tasks tr").last).to_contain_text("Ada 2")
    await expect(link).to_be_focused()


async def test_task_leaves_the_board_when_it_is_resolved_in_the_panel(
    browser, live_board, an_alert
):
    await a_board(live_board, an_alert)
    page = await open_board(browser, live_board)
    await page.get_by_role("link", name="Ada 3", exact=True).click()
    await page.locator("#contact-summary").click()
    await page.locator("#contact-owner").fill("Ana")
    await page.locator("#contact-send").click()
    await page.locator("#resolve-cause").select_option("late delivery")
    await page.locator("#resolve-send").click()
    await expect(page.locator("#panel-state")).to_contain_text("resolved")
    await page.keyboard.press("Escape")
    await expect(page.locator("#tasks")).not_to_contain_text("Ada 3")
    await expect(page.locator("#figure-open dd").first).to_have_text("3")


async def test_late_press_is_explained_when_somebody_was_faster(browser, live_board, an_alert):
    await a_board(live_board, an_alert)
    page = await open_board(browser, live_board)
    await page.get_by_role("link", name="Ada 1", exact=True).click()
    await page.route("**/live*", lambda route: route.abort())
    await page.locator("#acknowledge-owner").fill("Ana")
    task_id = (await live_board.task_ids())[0]
    await page.route("**/acknowledge", lambda route: _first(live_board, task_id, route))
    await page.locator("#acknowledge-send").click()
    await expect(page.locator("#panel-notice")).to_contain_text("acknowledged now")


async def _first(live_board, task_id: str, route) -> None:
    await live_board.move(task_id, Acknowledge(actor="Ben"))
    await route.continue_()


async def test_filter_follows_the_typing_and_the_changes_when_set(browser, live_board, an_alert):
    await a_board(live_board, an_alert)
    page = await open_board(browser, live_board)
    await page.locator("#q").press_sequentially("Ada 2")
    await expect(page.locator("#tasks tr")).to_have_count(1)
    assert "q=Ada+2" in page.url
    await live_board.hear(an_alert(5), an_alert(22))
    await expect(page.locator("#tasks tr")).to_have_count(2)
    await expect(page.locator("#q")).to_be_focused()


async def test_second_tab_hears_the_changes_from_the_first_when_both_are_open(
    browser, live_board, an_alert
):
    context = await browser.new_context()
    pages = [await context.new_page() for _ in range(3)]
    for page in pages:
        await page.goto(live_board.url)
    await expect(pages[0].locator("#live")).to_have_text("Live")
    await live_board.hear(an_alert())
    for page in pages:
        await expect(page.locator("#tasks tr")).to_have_count(1)
    assert live_board.served.hub.listeners == 1
    await pages[0].close()
    await live_board.hear(an_alert(2))
    for page in pages[1:]:
        await expect(page.locator("#tasks tr")).to_have_count(2)


async def test_loop_is_closed_when_there_is_no_script(browser, live_board, an_alert):
    await a_board(live_board, an_alert)
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(live_board.url)
    await page.get_by_role("link", name="Ada 1", exact=True).click()
    await page.locator("#acknowledge-owner").fill("Ana")
    await page.locator("#acknowledge-send").click()
    await page.locator("#contact-note").fill("Called; they are calm.")
    await page.locator("#contact-send").click()
    await expect(page.locator("#history")).to_contain_text("Called; they are calm.")
    await page.locator("#resolve-cause").select_option("price or billing")
    await page.locator("#resolve-send").click()
    await expect(page.locator("#panel-state")).to_contain_text("resolved")
    await page.get_by_role("link", name="All tasks").click()
    await expect(page.locator("#tasks")).not_to_contain_text("Ada 1")
    await page.get_by_label("State").select_option("resolved")
    await page.get_by_role("button", name="Show").click()
    await expect(page.locator("#tasks")).to_contain_text("Ada 1")
