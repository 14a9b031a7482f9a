"""The mails in a real browser: light and dark, wide and narrow, each scale and direction."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from dispatch_service.domain.message import Kind
from heardback.testing.browser import accessibility_faults, overflow

from . import rendering_builders as build

pytestmark = pytest.mark.browser
VIEWS: dict[str, tuple[int, Any]] = {
    "light": (800, "light"),
    "dark": (800, "dark"),
    "phone": (390, "light"),
    "phone-dark": (390, "dark"),
    "small": (320, "light"),
}
SURVEYS = ("purchase-nps", "support-csat", "support-ces")
SHOTS = os.environ.get("HEARDBACK_SHOTS")
"""Where to keep pictures of the mails; none: nowhere."""


def as_shown(kind: Kind, survey_id: str, locale: str) -> str:
    """Return the HTML part within what a mail program has around it."""
    content = {"text": "Dear Ada,\n\nit is fixed.\nMax"} if kind is Kind.FOLLOW_UP else {}
    parcel = build.a_parcel(survey_id, kind, locale=locale, content=content)
    html = build.part(build.read(build.composers().mail.compose(parcel).content), "html")
    before, body, after = html.partition("<body")
    style, _, mail = after.partition(">")
    return f"{before}{body}{style}><main>{mail.replace('</body>', '</main></body>')}"


@pytest.mark.parametrize("view", VIEWS)
async def test_mail_is_readable_and_its_buttons_in_order_when_seen_in(
    view: str, browser: Browser
) -> None:
    width, scheme = VIEWS[view]
    page = await browser.new_page(viewport={"width": width, "height": 600}, color_scheme=scheme)
    for survey_id in SURVEYS:
        for locale in build.LOCALES:
            await page.set_content(as_shown(Kind.INVITATION, survey_id, locale))
            if SHOTS:
                path = Path(SHOTS) / f"{survey_id}-{locale}-{view}.png"
                await page.screenshot(path=path, full_page=True)
            assert await accessibility_faults(page) == [], (survey_id, locale)
            assert await overflow(page) <= 0, (survey_id, locale)
            boxes = [await link.bounding_box() for link in await page.locator(".score").all()]
            assert all(box and box["width"] >= 32 and box["height"] >= 40 for box in boxes)
            rows: dict[float, list[float]] = {}
            for box in boxes:
                assert box is not None
                rows.setdefault(box["y"], []).append(box["x"])
            assert len(rows) == (2 if survey_id == "purchase-nps" and width < 480 else 1)
            for places in rows.values():
                assert places == sorted(places, reverse=locale == "ar")
    await page.close()


@pytest.mark.parametrize("view", VIEWS)
async def test_reminder_and_follow_up_are_readable_when_seen_in(
    view: str, browser: Browser
) -> None:
    width, scheme = VIEWS[view]
    page = await browser.new_page(viewport={"width": width, "height": 600}, color_scheme=scheme)
    for kind in (Kind.REMINDER, Kind.FOLLOW_UP):
        await page.set_content(as_shown(kind, "purchase-nps", "de"))
        if SHOTS:
            await page.screenshot(path=Path(SHOTS) / f"{kind}-{view}.png", full_page=True)
        faults = await accessibility_faults(page)
        # A letter needs no heading.
        assert [fault for fault in faults if not fault.startswith("page-has-heading-one")] == []
        assert await overflow(page) <= 0
    await page.close()
