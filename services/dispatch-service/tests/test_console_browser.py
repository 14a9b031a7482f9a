"""The page of messages in Chromium: for all, anywhere, by keyboard, and without script."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from heardback.db import Database
from heardback.testing.browser import accessibility_faults, overflow, serve

from .console_builders import PAGE, Inbox, an_app, an_smtp_adapter

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("HEARDBACK_SHOTS")
"""Where to keep pictures of the pages; none: nowhere."""


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
    views: dict[str, tuple[int, Any]] = {
        "light": (1440, "light"),
        "dark": (1440, "dark"),
        "phone": (390, "light"),
        "phone-dark": (390, "dark"),
    }
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
        for view, (width, scheme) in views.items():
            page = await browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=scheme
            )
            for name, path in paths.items():
                await page.goto(served + path)
                if SHOTS:
                    await page.screenshot(
                        path=Path(SHOTS) / f"messages-{name}-{view}.png", full_page=True
                    )
                assert await overflow(page) <= 0, (name, view)
                assert await accessibility_faults(page) == [], (name, view)
            await page.close()
