"""The page behind a link, in Chromium."""

from typing import Any

import pytest
from playwright.async_api import Browser

from closeloop_service.console.alerts import AlertPages
from heardback.console.pages import Console
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.browser import accessibility_faults, overflow, serve, shoot

from .conftest import an_alert_of

PHONE = {"width": 360, "height": 740}


@pytest.mark.browser
async def test_page_of_a_flood_is_used_on_a_phone(ops: Any, browser: Browser) -> None:
    await ops.use("hook")
    await ops.tell(*(an_alert_of(number) for number in range(500)))
    await ops.turn(seconds=30)
    path = ops.to.hook.taken[0]["data"]["acknowledge_url"].removeprefix(ops.links.board_url)
    console = Console(
        package="closeloop_service.console", active="Board", navigation=[], clock=ops.clock
    )
    pages = AlertPages(console=console, links=ops.links, keeper=ops.keeper)
    app = build_app(
        name="closeloop",
        database=ops.database,
        health=Health(),
        routers=(pages.router, console.assets_router),
    )
    async with serve(app) as url:
        page = await browser.new_page(viewport=PHONE)
        await page.goto(f"{url}{path}")
        assert await accessibility_faults(page) == []
        assert await overflow(page) <= 0
        await page.get_by_label("Your name").fill("Ana Ruiz")
        await shoot(page, "alert")
        await page.get_by_role("button", name="Acknowledge").click()
        await page.get_by_text("seen").first.wait_for()
        assert "take yours from the board" in await page.content()
        assert await accessibility_faults(page) == []
        await page.reload()
        assert "Ana Ruiz" in await page.content()
    assert all(alert.acknowledged_by == "Ana Ruiz" for alert in await ops.alerts())
