"""The mails in a real browser: light and dark, wide and narrow, each scale and direction."""

import pytest
from playwright.async_api import Browser, Page

from dispatch_service.domain.message import Kind
from heardback.testing.browser import accessibility_faults, everywhere, faults_anywhere, overflow

from . import rendering_builders as build

pytestmark = pytest.mark.browser
WIDTHS = (320, 390, 800)
SURVEYS = ("purchase-nps", "support-csat", "support-ces")


def as_shown(kind: Kind, survey_id: str, locale: str) -> str:
    """Return the HTML part within what a mail program has around it."""
    content = {"text": "Dear Ada,\n\nit is fixed.\nMax"} if kind is Kind.FOLLOW_UP else {}
    parcel = build.a_parcel(survey_id, kind, locale=locale, content=content)
    html = build.part(build.read(build.composers().mail.compose(parcel).content), "html")
    before, body, after = html.partition("<body")
    style, _, mail = after.partition(">")
    return f"{before}{body}{style}><main>{mail.replace('</body>', '</main></body>')}"


@pytest.mark.parametrize("locale", build.LOCALES)
@pytest.mark.parametrize("survey_id", SURVEYS)
async def test_mail_is_readable_and_its_buttons_in_order_when_seen_anywhere(
    survey_id: str, locale: str, browser: Browser
) -> None:
    page = await browser.new_page()
    await page.set_content(as_shown(Kind.INVITATION, survey_id, locale))
    async for view, width in everywhere(page, f"{survey_id}-{locale}", widths=WIDTHS):
        assert await accessibility_faults(page) == [], view
        assert await overflow(page) <= 0, view
        rows = await rows_of_buttons(page)
        assert len(rows) == (2 if survey_id == "purchase-nps" and width < 480 else 1)
        for places in rows.values():
            assert places == sorted(places, reverse=locale == "ar")


async def rows_of_buttons(page: Page) -> dict[float, list[float]]:
    """Return where the scores stand from the left, by their rows; each is large enough to hit."""
    rows: dict[float, list[float]] = {}
    for link in await page.locator(".score").all():
        box = await link.bounding_box()
        assert box and box["width"] >= 32 and box["height"] >= 40
        rows.setdefault(box["y"], []).append(box["x"])
    return rows


@pytest.mark.parametrize("kind", [Kind.REMINDER, Kind.FOLLOW_UP])
async def test_reminder_and_follow_up_are_readable_when_seen_anywhere(
    kind: Kind, browser: Browser
) -> None:
    page = await browser.new_page()
    await page.set_content(as_shown(kind, "purchase-nps", "de"))
    faults = await faults_anywhere(page, kind, widths=WIDTHS)
    # A letter needs no heading.
    assert [fault for fault in faults if "page-has-heading-one" not in fault] == []
