"""The board by keyboard alone: single keys do the work, and the focus is never lost."""

import pytest
from playwright.async_api import expect

from closeloop_service.domain.commands import Contact, Resolve
from heardback.testing.browser import accessibility_faults

pytestmark = pytest.mark.browser


async def test_keys_do_the_work_when_no_mouse_is_there(browser, live_board, a_board):
    await a_board()
    page = await live_board.page(browser, me="Ana Ruiz")
    await page.locator("#main").focus()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.get_by_role("link", name="Ada 2", exact=True)).to_be_focused()
    await page.keyboard.press("k")
    await page.keyboard.press("a")
    await expect(page.locator("#tasks tr").first).to_contain_text("Ana Ruiz")
    await page.keyboard.press("c")
    await expect(page.locator("#dialog #contact-note")).to_be_focused()
    await page.keyboard.type("jax? Called")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#history")).to_contain_text("jax? Called")
    await expect(page.locator("#do-contact-title")).to_be_focused()
    await page.keyboard.press("r")
    await expect(page.locator("#resolve-cause")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#dialog")).to_be_hidden()
    await page.keyboard.press("x")
    await expect(page.locator("#bulk-count")).to_have_text("1 selected")
    await page.keyboard.press("?")
    await expect(page.locator("#keys")).to_be_visible()
    assert await accessibility_faults(page) == []
    await page.keyboard.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.keyboard.press("/")
    await expect(page.locator("#q")).to_be_focused()


async def test_keys_do_nothing_when_they_are_switched_off(browser, live_board, a_board):
    await a_board()
    page = await live_board.page(browser)
    await page.locator("#help").click()
    await page.locator("#keys-on").uncheck()
    await page.keyboard.press("Escape")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.keyboard.press("/")
    await expect(page.locator("#q")).not_to_be_focused()


async def test_focus_stays_on_the_row_when_rows_move_around_it(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser)
    link = page.get_by_role("link", name="Ada 2", exact=True)
    await link.focus()
    await live_board.move(ids[1], Contact(actor="Ben", channel="phone"))
    await expect(page.locator("#tasks tr").last).to_contain_text("Ada 2")
    await expect(link).to_be_focused()


async def test_focus_goes_to_the_next_row_when_its_own_leaves(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser)
    await page.get_by_role("link", name="Ada 2", exact=True).focus()
    await live_board.move(ids[1], Contact(actor="Ben", channel="phone"))
    await expect(page.locator("#tasks tr").last).to_contain_text("Ada 2")
    await live_board.move(ids[1], Resolve(actor="Ben", root_cause="other"))
    await expect(page.locator("#tasks tr")).to_have_count(3)
    await expect(page.get_by_role("link", name="Ada 4", exact=True)).to_be_focused()


async def test_focus_goes_to_the_next_row_when_its_task_was_resolved_in_the_panel(
    browser, live_board, a_board
):
    ids = await a_board()
    await live_board.move(ids[1], Contact(actor="Ana Ruiz", channel="phone"))
    await live_board.move(ids[3], Contact(actor="Ana Ruiz", channel="phone"))
    page = await live_board.page(browser, me="Ana Ruiz")
    await page.get_by_role("link", name="Ada 2", exact=True).focus()
    await page.keyboard.press("r")
    await page.locator("#resolve-cause").select_option("other")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#tasks tr")).to_have_count(3)
    await expect(page.locator("#panel-state")).to_contain_text("resolved")
    await expect(page.locator("#panel-title")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name="Ada 4", exact=True)).to_be_focused()
