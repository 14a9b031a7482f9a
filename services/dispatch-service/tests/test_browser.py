"""The mail and the unsubscribe page in a real browser, light and dark, wide and narrow."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from dispatch_service import api
from dispatch_service.domain.invitation import Invitation
from dispatch_service.mail import Composer
from dispatch_service.settings import Settings
from heardback.db import Database
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.browser import accessibility_faults, open_browser, overflow, serve
from heardback.testing.clock import START
from heardback.vocabulary import Channel

pytestmark = pytest.mark.browser
VIEWS: dict[str, tuple[int, Any]] = {
    "light": (800, "light"),
    "dark": (800, "dark"),
    "phone": (390, "light"),
    "phone-dark": (390, "dark"),
    "small": (320, "light"),
}
SHOTS = os.environ.get("HEARDBACK_SHOTS")
"""Where to keep pictures of the pages; none: nowhere."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


@pytest.fixture
def invitation() -> Invitation:
    return Invitation(
        invitation_id="00000000-0000-7000-8000-000000000001",
        customer_id="c1",
        program_id="post-purchase",
        touchpoint="purchase",
        survey_id="nps",
        segment=None,
        channel=Channel.EMAIL,
        email="c1@example.com",
        name="Ada",
        occurred_at=START - timedelta(days=7),
        expires_at=START + timedelta(days=14),
        traceparent=None,
    )


async def check(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)
    assert await accessibility_faults(page) == []
    assert await overflow(page) <= 0


@pytest.mark.parametrize("view", VIEWS)
async def test_mail_is_readable_when_seen_in(
    view: str, browser: Browser, composer: Composer, invitation: Invitation
) -> None:
    width, scheme = VIEWS[view]
    page = await browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    await page.set_content(composer.html(invitation))
    await check(page, f"mail-{view}")
    sizes = [await link.bounding_box() for link in await page.locator(".score").all()]
    assert len(sizes) == 11
    assert all(box and box["width"] >= 40 and box["height"] >= 40 for box in sizes)
    await page.close()


@pytest.mark.parametrize("view", VIEWS)
async def test_way_out_works_by_keyboard_and_without_script_when_seen_in(
    view: str,
    browser: Browser,
    database: Database,
    composer: Composer,
    invitation: Invitation,
    requested: Callable[..., Event[Any]],
    take: Callable[..., Awaitable[None]],
) -> None:
    await take(database, requested())
    settings = Settings(
        database_url=database.url,
        mail_from="feedback@example.com",
        survey_url="https://survey.example.com",
        preferences_url="https://preferences.example.com",
        link_keys="a-key-that-is-long-enough",
    )
    routers = [api.router(settings)]
    app = build_app(name="dispatch", database=database, health=Health(), routers=routers)
    width, scheme = VIEWS[view]
    async with serve(app) as served:
        page = await browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
        token = composer.unsubscribe_link(invitation).rpartition("/")[2]
        await page.goto(f"{served}/unsubscribe/{token}")
        await check(page, f"unsubscribe-{view}")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="You are off the list")).to_be_visible()
        await check(page, f"unsubscribed-{view}")
        await page.close()
