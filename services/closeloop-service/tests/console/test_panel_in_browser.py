"""A task's panel in Chromium: it is kind to who types, and shows how the task stands."""

import asyncio

import pytest
from playwright.async_api import expect

from closeloop_service.domain.commands import Acknowledge, Contact, Note, Resolve
from heardback.clock import SystemClock

pytestmark = pytest.mark.browser


async def test_half_typed_note_and_focus_stay_when_others_change_the_task(
    browser, live_board, a_board
):
    ids = await a_board()
    page = await live_board.page(browser)
    await page.get_by_role("link", name="Ada 4", exact=True).click()
    await page.locator("#do-contact-title").click()
    note = page.locator("#contact-note")
    await note.fill("Spoke to them about")
    await note.press("End")
    await live_board.move(ids[3], Contact(actor="Ben", channel="email", note="Wrote."))
    await expect(page.locator("#history")).to_contain_text("Wrote.")
    await expect(page.locator("#panel-state")).to_contain_text("contacted")
    await page.keyboard.type(" the refund")
    await expect(note).to_have_value("Spoke to them about the refund")


async def test_half_typed_words_stay_when_their_form_is_not_allowed_any_more(
    browser, live_board, a_board
):
    ids = await a_board()
    await live_board.move(ids[3], Contact(actor="Divya Nair", channel="phone"))
    page = await live_board.page(browser, me="Ana Ruiz")
    await page.get_by_role("link", name="Ada 4", exact=True).click()
    await page.locator("#do-resolve-title").click()
    await page.locator("#resolve-note").fill("I sent a voucher")
    await live_board.move(ids[3], Resolve(actor="Ben", root_cause="other"))
    await expect(page.locator("#panel-state")).to_contain_text("resolved")
    await page.locator("#resolve-note").press("End")
    await page.keyboard.type(" today")
    await page.locator("#resolve-cause").select_option("other")
    await page.locator("#resolve-send").click()
    await expect(page.locator("#panel-notice")).to_contain_text("it is resolved now")
    await expect(page.locator("#note-note-kept")).to_have_value("I sent a voucher today")


async def test_draft_comes_back_when_the_panel_was_closed(browser, live_board, a_board):
    await a_board()
    page = await live_board.page(browser)
    await page.get_by_role("link", name="Ada 4", exact=True).click()
    await page.locator("#do-note-title").click()
    await page.locator("#note-note").press_sequentially("They prefer mornings")
    await page.keyboard.press("Escape")
    await expect(page.locator("#dialog")).to_be_hidden()
    await page.get_by_role("link", name="Ada 4", exact=True).click()
    await expect(page.locator("#note-note")).to_have_value("They prefer mornings")


async def test_late_press_is_explained_when_somebody_was_faster(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser)
    await page.get_by_role("link", name="Ada 1", exact=True).click()
    await page.route("**/live*", lambda route: route.abort())
    await page.locator("#acknowledge-owner").fill("Ana")

    async def first(route) -> None:
        await live_board.move(ids[0], Acknowledge(actor="Ben"))
        await route.continue_()

    await page.route("**/acknowledge", first)
    await page.locator("#acknowledge-send").click()
    await expect(page.locator("#panel-notice")).to_contain_text("it is acknowledged now")
    await expect(page.locator("#panel-state")).to_contain_text("Ben")


async def test_refusal_stays_to_be_read_when_others_go_on(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser, me="Ana Ruiz")
    await page.get_by_role("link", name="Ada 1", exact=True).click()

    async def first(route) -> None:
        await live_board.move(ids[0], Acknowledge(actor="Ben"))
        await route.continue_()

    await page.route("**/acknowledge", first)
    await page.locator("#acknowledge-send").click()
    await expect(page.locator("#panel-notice")).to_contain_text("it is acknowledged now")
    await live_board.move(ids[0], Note(actor="Ben", note="I call them now."))
    await expect(page.locator("#history")).to_contain_text("I call them now.")
    await expect(page.locator("#panel-notice")).to_contain_text("it is acknowledged now")
    await page.locator("#do-note-title").click()
    await page.locator("#note-note").fill("Good.")
    await page.locator("#note-send").click()
    await expect(page.locator("#panel-notice")).to_be_hidden()


async def test_message_is_written_from_a_template_and_edited(
    browser, live_board, an_alert, an_asking
):
    await live_board.hear(an_asking(1))
    await live_board.hear(an_alert(1, alerted_at=SystemClock().now()))
    page = await live_board.page(browser, me="Ana Ruiz")
    await page.get_by_role("link", name="Ada 1", exact=True).click()
    await page.locator("#next-write").click()
    text = page.locator("#write-text-thank-and-ask")
    await expect(text).to_be_focused()
    assert "Hello Ada 1," in await text.input_value()
    await text.press("Control+End")
    await page.keyboard.type("P.S. I am here until five.")
    await page.locator("#write-send").click()
    await expect(page.locator("#messages-list")).to_contain_text("P.S. I am here until five.")
    await expect(page.locator("#do-write")).not_to_have_attribute("open", "")


async def test_panel_stays_closed_when_it_was_being_fetched_again(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser)
    await page.get_by_role("link", name="Ada 4", exact=True).click()
    await expect(page.locator("#panel-title")).to_be_visible()
    fetched = asyncio.Event()

    async def late(route) -> None:
        await page.keyboard.press("Escape")
        await expect(page.locator("#dialog")).to_be_hidden()
        await route.continue_()
        fetched.set()

    await page.route("**/board/tasks/*", late)
    await live_board.move(ids[3], Contact(actor="Ben", channel="phone"))
    await fetched.wait()
    await expect(page.locator("#tasks tr").last).to_contain_text("contacted")
    await page.wait_for_load_state("networkidle")
    await expect(page.locator("#dialog")).to_be_hidden()


async def test_panel_shows_what_was_asked_for_last_when_answers_overtake_each_other(
    browser, live_board, a_board
):
    ids = await a_board()
    page = await live_board.page(browser)
    await page.get_by_role("link", name="Ada 3", exact=True).click()
    await expect(page.locator("#panel-title")).to_have_text("Ada 3")
    late, is_late = asyncio.Event(), asyncio.Event()

    async def hold(route) -> None:
        is_late.set()
        await late.wait()
        await route.continue_()

    await page.route(f"**/board/tasks/{ids[2]}", hold)
    await live_board.move(ids[2], Note(actor="Ben", note="Looked at it."))
    await is_late.wait()
    await page.keyboard.press("k")
    await expect(page.locator("#panel-title")).to_have_text("Ada 2")
    async with page.expect_response(f"**/board/tasks/{ids[2]}"):
        late.set()
    await page.wait_for_load_state("networkidle")
    await expect(page.locator("#panel-title")).to_have_text("Ada 2")


async def test_board_stays_when_a_task_can_not_be_fetched(browser, live_board, a_board):
    await a_board()
    page = await live_board.page(browser)
    await page.route("**/board/tasks/*", lambda route: route.abort())
    await page.get_by_role("link", name="Ada 4", exact=True).click()
    await expect(page.locator("#notice")).to_contain_text("Check the connection")
    await expect(page.locator("#tasks tr")).to_have_count(4)
