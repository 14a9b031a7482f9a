"""The page of messages in Chromium: for all, anywhere, by keyboard, and without script."""

import pytest
from playwright.async_api import Browser, expect

from heardback.db import Database
from heardback.testing.browser import faults_anywhere, serve

from .console_builders import PAGE, Inbox, an_app, an_smtp_adapter

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripted", [True, False])
async def test_messages_are_looked_at_and_tried_out_when_in_a_browser(
    database: Database, browser: Browser, scripted: bool
) -> None:
    inbox = Inbox()
    async with (
        an_smtp_adapter(inbox) as adapter,
        serve(an_app(database, adapter)) as served,
    ):
        page = await browser.new_page(
            viewport={"width": 1440, "height": 900}, java_script_enabled=scripted
        )
        await page.goto(served + PAGE)
        await page.get_by_label("Survey").select_option("support-ces")
        if not scripted:
            await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("heading", level=2).nth(1)).to_contain_text("support request")
        await page.get_by_label("Language").select_option("ar")
        if not scripted:
            await page.get_by_role("button", name="Show").click()
        frame = page.frame_locator("iframe").first
        await expect(frame.get_by_role("heading")).to_contain_text("المساعدة")
        await page.get_by_label("Send it to this address").fill("ada@example.com")
        await page.keyboard.press("Enter")
        await expect(page.locator("#said")).to_contain_text("took it for ada@example.com")
        assert len(inbox.mails) == 1
        await page.close()


async def test_page_is_accessible_and_fits_when_seen_anywhere(
    database: Database, browser: Browser
) -> None:
    paths = {
        "email": PAGE,
        "arabic": f"{PAGE}?locale=ar&survey=purchase-nps",
        "sms": f"{PAGE}?channel=sms",
        "webhook": f"{PAGE}?channel=webhook",
        "follow-up": f"{PAGE}?kind=follow_up",
    }
    async with (
        an_smtp_adapter(Inbox()) as adapter,
        serve(an_app(database, adapter)) as served,
    ):
        page = await browser.new_page()
        for name, path in paths.items():
            await page.goto(served + path)
            assert await faults_anywhere(page, f"messages-{name}") == []
