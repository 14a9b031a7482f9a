"""The widget in a real browser, over real HTTP: a page, dispatch and the survey, three origins."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from importlib import resources
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from playwright.async_api import Browser, Page, expect

from heardback.surveys import ready_made
from heardback.testing.browser import accessibility_faults, serve, shoot
from heardback.testing.waiting import until
from heardback.words import LOCALES
from response_service import widget
from response_service.settings import Settings

from .product_page import Backend, Place, card_of, product_page

SCRIPT = (resources.files("response_service") / "assets" / "widget.js").read_bytes()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """A page with a strict policy and a hostile style."""
    backend = Backend(cards=[card_of(ready_made()["nps"], "en")])
    pages, scripts = FastAPI(), FastAPI()
    settings = Settings(database_url="postgresql://x", link_keys="k" * 16, widget_demo=True)
    scripts.include_router(widget.router(settings))
    async with AsyncExitStack() as stack:
        backend.base = await stack.enter_async_context(serve(backend.app()))
        script_base = await stack.enter_async_context(serve(scripts))
        found = Place(url="", backend=backend, widget_url=script_base)

        @pages.get("/")
        async def page(attributes: str = "") -> Response:
            policy = (
                f"default-src 'none'; style-src 'nonce-n'; script-src {script_base}; "
                f"connect-src {backend.base}; require-trusted-types-for 'script'"
            )
            html = product_page(found, attributes)
            return HTMLResponse(html, headers={"Content-Security-Policy": policy})

        found.url = await stack.enter_async_context(serve(pages))
        yield found


Visit = Callable[..., Awaitable[Page]]


@pytest.fixture
async def visit(browser: Browser, place: Place) -> AsyncIterator[Visit]:
    """Open the product page; nothing may be complained about in its console."""
    complaints: list[str] = []

    async def opened(query: str = "", **options: Any) -> Page:
        page = await browser.new_page(**options)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(place.url + query)
        return page

    yield opened
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def test_script_is_under_4_kb_and_under_2_kb_packed() -> None:
    assert len(SCRIPT) < 4096
    assert len(gzip.compress(SCRIPT, mtime=0)) < 2048


@pytest.mark.browser
async def test_score_counts_at_once_and_comment_completes_it_when_clicked(
    visit: Visit, place: Place
) -> None:
    page = await visit()
    await page.get_by_role("button", name="3", exact=True).click()
    await until(lambda: place.backend.answers == [{"score": 3}])
    await expect(page.get_by_role("textbox", name="What happened?")).to_be_focused()
    await page.get_by_role("textbox", name="What happened?").fill("  It broke. ")
    await page.get_by_role("button", name="Send").click()
    await until(lambda: len(place.backend.answers) == 2)
    assert place.backend.answers[1] == {"score": 3, "comment": "It broke."}
    await expect(page.get_by_text("We are sorry", exact=False)).to_be_focused()
    await page.get_by_role("button", name="Close").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert place.backend.preflights == 0
    await until(lambda: place.backend.dismissed == 1)


@pytest.mark.browser
async def test_last_score_and_comment_count_when_the_network_is_slow(
    visit: Visit, place: Place
) -> None:
    place.backend.pause = 0.5
    page = await visit()
    await page.get_by_role("button", name="8", exact=True).click()
    await page.get_by_role("button", name="7", exact=True).click()
    assert await page.get_by_role("button", name="7", pressed=True).count() == 1
    assert await page.get_by_role("button", pressed=True).count() == 1
    await page.locator("textarea").fill("Speed")
    await page.get_by_role("button", name="Send").click()
    await until(lambda: len(place.backend.answers) == 3)
    # The comment does not wait: the page may be left at any moment.
    assert place.backend.answers == [
        {"score": 7, "comment": "Speed"},
        {"score": 8},
        {"score": 7},
    ]


@pytest.mark.browser
async def test_everything_works_when_there_is_only_a_keyboard(visit: Visit, place: Place) -> None:
    page = await visit()
    await expect(page.get_by_role("dialog", name="From Northwind")).to_be_visible()
    await page.keyboard.type("nothing takes the focus")
    await page.get_by_label("Search").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Close")).to_be_focused()
    for _ in range(11):
        await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="10", exact=True)).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type("All of it")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="Tell others about it")).to_be_visible()
    await until(lambda: len(place.backend.answers) == 2)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_label("Search")).not_to_be_focused()


@pytest.mark.browser
async def test_escape_dismisses_and_gives_the_focus_back_when_nothing_was_said(
    visit: Visit, place: Place
) -> None:
    page = await visit("/?attributes=defer")
    await page.get_by_label("Search").focus()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await until(lambda: place.backend.dismissed == 1)
    assert place.backend.answers == []


@pytest.mark.browser
async def test_score_arrives_when_the_page_is_left_at_once(visit: Visit, place: Place) -> None:
    page = await visit()
    await page.get_by_role("button", name="9", exact=True).click()
    await page.goto("about:blank")
    await until(lambda: place.backend.answers == [{"score": 9}])


@pytest.mark.browser
async def test_card_comes_again_when_the_score_could_not_be_saved(
    visit: Visit, place: Place
) -> None:
    place.backend.answer_status = 503
    page = await visit()
    await page.get_by_role("button", name="9", exact=True).click()
    await until(lambda: place.backend.answers == [{"score": 9}])
    await page.get_by_role("button", name="Close").click()
    await page.wait_for_load_state("networkidle")
    assert place.backend.dismissed == 0


@pytest.mark.browser
async def test_words_stay_and_are_sent_again_when_they_could_not_be_saved(
    visit: Visit, place: Place
) -> None:
    place.backend.answer_status = 503
    page = await visit()
    await page.get_by_role("button", name="3", exact=True).click()
    await expect(page.get_by_role("alert")).to_have_text("Not saved yet. Please send it again.")
    await page.locator("textarea").fill("It broke.")
    await page.get_by_role("button", name="Send").click()
    await until(lambda: len(place.backend.answers) == 2)
    await expect(page.locator("textarea")).to_have_value("It broke.")
    assert await page.get_by_text("We are sorry", exact=False).count() == 0
    assert await accessibility_faults(page) == []
    place.backend.answer_status = 200
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("We are sorry", exact=False)).to_be_focused()
    assert await page.get_by_role("alert").count() == 0
    assert place.backend.answers[-1] == {"score": 3, "comment": "It broke."}
    await until(lambda: place.backend.dismissed == 1)


@pytest.mark.browser
async def test_score_is_sent_again_when_only_it_could_not_be_saved(
    visit: Visit, place: Place
) -> None:
    place.backend.answer_status = 503
    page = await visit()
    await page.get_by_role("button", name="9", exact=True).click()
    await expect(page.get_by_role("alert")).to_be_visible()
    place.backend.answer_status = 200
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("link", name="Tell others about it")).to_be_visible()
    assert place.backend.answers == [{"score": 9}, {"score": 9}]


@pytest.mark.browser
async def test_follow_up_is_shown_as_a_message_when_it_is_the_first_card(
    visit: Visit, place: Place
) -> None:
    card = place.backend.cards[0]
    named = {key: card[key] for key in ("message_id", "locale", "direction", "texts")}
    place.backend.cards = [{**named, "kind": "follow_up", "subject": "Fixed", "text": "<b>Now</b>"}]
    page = await visit()
    await expect(page.get_by_text("<b>Now</b>")).to_be_visible()
    assert await accessibility_faults(page) == []
    await page.get_by_role("button", name="Close").click()
    await until(lambda: place.backend.dismissed == 1)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, '{"cards": []}'), (401, "{}"), (500, "<html>"), (200, '{"cards": [{}]}')],
)
async def test_page_goes_on_in_silence_when_dispatch_says(
    visit: Visit, place: Place, status: int, body: str
) -> None:
    place.backend.status, place.backend.body = status, body
    page = await visit()
    await page.wait_for_load_state("networkidle")
    assert await page.locator("heardback-card").count() == 0
    await expect(page.get_by_label("Search")).to_be_visible()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", LOCALES)
async def test_widget_is_accessible_and_fits_when_seen_in(
    visit: Visit, place: Place, locale: str, scheme: Any
) -> None:
    names = {"en": "nps", "de": "support-ces", "fr": "support-csat", "ar": "purchase-nps"}
    place.backend.cards = [card_of(ready_made()[names[locale]], locale)]
    page = await visit(color_scheme=scheme, viewport={"width": 800, "height": 700})
    score = page.get_by_role("button", name="4", exact=True)
    await expect(page.get_by_role("status")).not_to_be_empty()
    for step in ("asks", "listens", "thanks"):
        if step == "listens":
            await score.click()
        if step == "thanks":
            await page.locator(".b").click()
        for width, height in ((800, 700), (320, 500)):
            await page.set_viewport_size({"width": width, "height": height})
            box = await page.get_by_role("dialog").bounding_box()
            assert box and box["x"] >= 0 and box["y"] >= 0
            assert box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
            is_left = box["x"] < width - box["x"] - box["width"]
            assert is_left is (locale == "ar") or width == 320
            await shoot(page, f"widget-{step}-{locale}-{scheme}-{width}")
        assert await accessibility_faults(page) == [], step


@pytest.mark.browser
async def test_theme_is_the_pages_when_it_says_so(visit: Visit, place: Place) -> None:
    page = await visit("/?attributes=data-theme%3Ddark", color_scheme="light")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_be_visible()
    assert await dialog.evaluate("e => getComputedStyle(e).colorScheme") == "dark"


@pytest.mark.browser
async def test_demo_shows_the_widget_when_it_is_told_where_from(
    browser: Browser, place: Place
) -> None:
    page = await browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await page.goto(f"{place.widget_url}/widget/demo")
    assert await accessibility_faults(page) == []
    await page.goto(f"{place.widget_url}/widget/demo?token=t&dispatch={place.backend.base}")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await accessibility_faults(page) == []
    assert complaints == []
