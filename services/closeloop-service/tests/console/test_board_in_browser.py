"""The board in Chromium: live, kind to who types, readable for all, and alive without script."""

from datetime import timedelta

import pytest
from playwright.async_api import expect

from closeloop_service.console.board import MOST_ROWS
from closeloop_service.domain.commands import Acknowledge, Assign, Contact
from heardback.clock import SystemClock
from heardback.testing.browser import DESK, PHONE, everywhere, faults_anywhere, overflow

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_page_and_panel_are_accessible_and_fit_when_seen_anywhere(
    browser, live_board, a_board, size
):
    widths = [size["width"]]
    errors: list[str] = []
    for story in ("empty", "board"):
        if story == "board":
            await a_board()
        page = await browser.new_page(viewport=size)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        await page.goto(live_board.url)
        await expect(page.locator("#live")).to_have_text("Live")
        async for view, _ in everywhere(page, story, widths=widths):
            assert await overflow(page) <= 0, view
        # axe can't judge what is clipped.
        unclip = "document.querySelectorAll('.clip').forEach(e => e.classList.remove('clip'))"
        await page.evaluate(unclip)
        assert await faults_anywhere(page, f"{story}-unclipped", widths=widths) == []
        if story == "board":
            await page.locator("#tasks .pick input").first.check()
            await expect(page.locator("#bulk-count")).to_have_text("1 selected")
            assert await faults_anywhere(page, "selected", widths=widths) == []
            await page.get_by_role("link", name="Ada 4", exact=True).click()
            await page.locator("#do-contact-title").click()
            await expect(page.locator("#dialog #contact-note")).to_be_visible()
            assert await faults_anywhere(page, "panel", widths=widths) == []
        await page.close()
    assert errors == []


async def test_new_task_appears_in_its_place_when_an_alert_comes(
    browser, live_board, a_board, an_alert
):
    await a_board()
    page = await live_board.page(browser)
    await expect(page.locator("#figure-open dd").first).to_have_text("4")
    await page.evaluate("window.marked = true")
    soon = SystemClock().now() - timedelta(minutes=230)
    await live_board.hear(an_alert(9, alerted_at=soon))
    await expect(page.locator("#figure-open dd").first).to_have_text("5")
    names = await page.locator("#tasks th a").all_inner_texts()
    assert names == ["Ada 1", "Ada 9", "Ada 2", "Ada 3", "Ada 4"]
    assert await page.evaluate("window.marked")


async def test_task_is_taken_by_one_press_when_the_name_is_known(browser, live_board, a_board):
    await a_board()
    page = await live_board.page(browser, me="Ana Ruiz")
    row = page.locator("#tasks tr").first
    await row.get_by_role("button", name="Acknowledge Ada 1").click()
    await expect(row).to_contain_text("Ana Ruiz")
    await expect(row.get_by_role("link", name="Log contact Ada 1")).to_be_visible()


async def test_many_are_taken_at_once_when_selected(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser, me="Ana Ruiz")
    await page.locator("#tasks .pick input").first.click()
    await page.locator("#tasks .pick input").nth(3).click(modifiers=["Shift"])
    await expect(page.locator("#bulk-count")).to_have_text("4 selected")
    await live_board.move(ids[0], Acknowledge(actor="Ben"))
    await page.get_by_role("button", name="Acknowledge", exact=True).click()
    await expect(page.locator("#notice")).to_have_text(
        "2 acknowledged. 2 not: Ada 1 is acknowledged, Ada 4 is acknowledged."
    )
    await expect(page.locator("#bulk")).to_be_hidden()
    owners = [task.owner for task in await live_board.tasks()]
    assert owners == ["Ben", "Ana Ruiz", "Ana Ruiz", "Divya Nair"]


async def test_filter_follows_the_typing_and_the_changes_when_set(
    browser, live_board, a_board, an_alert
):
    await a_board()
    page = await live_board.page(browser)
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


async def test_loop_is_closed_when_there_is_no_script(browser, live_board, a_board):
    await a_board()
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(live_board.url)
    await page.locator("#me-name").fill("Ana")
    await page.locator("#me-save").click()
    await page.locator("#tasks .pick input").nth(1).check()
    await page.locator("#tasks .pick input").nth(2).check()
    await page.get_by_role("button", name="Acknowledge", exact=True).click()
    await expect(page.locator("#told")).to_have_text("2 acknowledged.")
    await page.get_by_role("link", name="Ada 1", exact=True).click()
    await page.locator("#acknowledge-send").click()
    await page.locator("#do-contact-title").click()
    await page.locator("#contact-note").fill("Called; they are calm.")
    await page.locator("#contact-send").click()
    await expect(page.locator("#history")).to_contain_text("Called; they are calm.")
    await page.locator("#do-resolve-title").click()
    await page.locator("#resolve-cause").select_option("other")
    await page.locator("#resolve-send").click()
    await expect(page.locator("#panel-state")).to_contain_text("resolved")
    await page.get_by_role("link", name="All tasks").click()
    await expect(page.locator("#tasks")).not_to_contain_text("Ada 1")
    await page.get_by_role("link", name="Resolved", exact=True).click()
    await expect(page.locator("#tasks")).to_contain_text("Ada 1")


async def test_page_is_not_fetched_when_a_change_belongs_elsewhere(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser, "/?view=mine", me="Divya Nair")
    await expect(page.locator("#tasks tr")).to_have_count(1)
    await expect(page.locator("#tasks")).to_have_attribute("data-only-owner", "Divya Nair")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    await live_board.move(ids[0], Acknowledge(actor="Ana Ruiz"))
    await expect(page.locator("#figure-unowned dd").first).to_have_text("2")
    await live_board.move(ids[3], Assign(actor="Divya Nair", owner="Ana Ruiz"))
    await expect(page.locator("#tasks tr")).to_have_count(0)
    await live_board.move(ids[2], Acknowledge(actor="Divya Nair"))
    await expect(page.locator("#tasks th a")).to_have_text(["Ada 3"])
    assert len(fetched) <= 2


async def test_page_holds_no_more_rows_when_many_tasks_come(browser, live_board, a_board, an_alert):
    now = SystemClock().now()
    await live_board.hear(*(an_alert(number, alerted_at=now) for number in range(MOST_ROWS)))
    page = await live_board.page(browser)
    await expect(page.locator("#tasks tr")).to_have_count(MOST_ROWS)
    await live_board.hear(*(an_alert(1_000 + n, alerted_at=now) for n in range(5)))
    await expect(page.locator("#page-next")).to_be_visible()
    await expect(page.locator("#tasks tr")).to_have_count(MOST_ROWS)


async def test_refusal_is_in_sight_when_the_page_is_scrolled(
    browser, live_board, a_board, an_alert
):
    ids = await a_board()
    await live_board.hear(*(an_alert(number) for number in range(10, 40)))
    page = await live_board.page(browser, me="Ana Ruiz", viewport=PHONE)
    await page.route("**/live*", lambda route: route.abort())
    row = page.locator(f"#task-{ids[2]}")

    async def first(route) -> None:
        await live_board.move(ids[2], Acknowledge(actor="Ben"))
        await route.continue_()

    await page.route("**/acknowledge", first)
    await row.get_by_role("button").click()
    await expect(page.locator("#notice")).to_contain_text("Not done")
    assert await page.evaluate("scrollY") > 0
    await expect(page.locator("#notice")).to_be_in_viewport()


async def test_page_listens_anew_when_nothing_was_heard_for_long(browser, live_board, a_board):
    await a_board()
    page = await browser.new_page()
    await page.clock.install()
    deaf = """
        window.opened = 0;
        window.EventSource = class extends EventTarget {
            constructor() { super(); opened += 1; }
            close() {}
        };
    """
    await page.add_init_script(deaf)
    await page.goto(live_board.url)
    await page.clock.run_for(30_000)
    assert await page.evaluate("opened") == 1
    await page.clock.run_for(40_000)
    assert await page.evaluate("opened") > 1
    await expect(page.locator("#live")).to_have_text("Reconnecting…")


async def test_page_is_fetched_when_it_is_looked_at_again(browser, live_board, a_board):
    ids = await a_board()
    page = await live_board.page(browser, "/?view=due")
    await expect(page.locator("#tasks tr")).to_have_count(1)
    look = "Object.defineProperty(document, 'hidden', { value: %s, configurable: true })"
    await page.evaluate(look % "true")
    await live_board.move(ids[1], Contact(actor="Ben", channel="phone"))
    await expect(page.locator("#figure-due-soon dd").first).to_have_text("0")
    await expect(page.locator("#tasks tr")).to_have_count(1)
    await page.evaluate(look % "false")
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#tasks tr")).to_have_count(0)
