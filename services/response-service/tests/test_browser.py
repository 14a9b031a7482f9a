"""The survey in a real browser, from the link to what is published: no script, by keyboard."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from playwright.async_api import Browser, Page, expect

from heardback.db import Database
from heardback.envelope import Event
from heardback.surveys import Survey, ready_made
from heardback.testing.browser import serve
from heardback.testing.clock import ManualClock
from heardback.testing.people import BROWSER_HEADERS
from heardback.testing.waiting import until
from heardback.vocabulary import Category, Scale, category_of
from response_service import widget
from response_service.settings import Settings

pytestmark = pytest.mark.browser
Requested = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]
SURVEYS = ready_made()
BY_SCALE = {
    scale: next(survey for survey in SURVEYS.values() if survey.scale is scale) for scale in Scale
}


@asynccontextmanager
async def person(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """Open a page as somebody's own browser does: headless Chromium says that it is a program."""
    page = await browser.new_page(user_agent=BROWSER_HEADERS["User-Agent"], **options)
    try:
        yield page
    finally:
        await page.close()


@pytest.fixture
async def base(database: Database, make_app: Callable[..., FastAPI]) -> AsyncIterator[str]:
    async with serve(make_app(database, widget_origins="*")) as served:
        yield served


@pytest.fixture
def link_to(
    database: Database,
    base: str,
    path: str,
    requested: Requested,
    take: Take,
    clock: ManualClock,
) -> Callable[..., Awaitable[str]]:
    """Ask a customer; return the link. What the page is about was a moment ago from then on."""

    async def ask(survey_id: str = "nps", locale: str = "en") -> str:
        recipient = {"email": "ada@example.com", "name": "Ada", "locale": locale}
        await take(database, requested(survey_id=survey_id, recipient=recipient))
        return base + path

    return ask


async def answers(database: Database, published: Published) -> list[Any]:
    events = await published(database)
    return [e.data for e in events if e.type.name.startswith(("response.rec", "response.rev"))]


@pytest.mark.parametrize("group", Category)
@pytest.mark.parametrize("scale", Scale)
async def test_follow_up_and_thanks_fit_the_score_when_scripts_are_off(
    browser: Browser,
    database: Database,
    clock: ManualClock,
    published: Published,
    link_to: Callable[..., Awaitable[str]],
    scale: Scale,
    group: Category,
) -> None:
    survey: Survey = BY_SCALE[scale]
    texts = survey.texts("en")
    score = next(score for score in scale.scores if category_of(score, scale) is group)
    link = await link_to(survey.survey_id)
    async with person(browser, java_script_enabled=False) as page:
        await page.goto(link)
        await expect(page.get_by_role("textbox", name=texts.follow_up.source)).to_be_visible()
        await page.locator(f"input[name=score][value='{score}']").check()
        question = texts.follow_ups[group].source
        await expect(page.get_by_role("textbox", name=question, exact=True)).to_be_visible()
        await page.get_by_role("textbox").fill("Because.")
        clock.advance(timedelta(seconds=20))
        await page.get_by_role("button").click()
        thanks = texts.thanks[group].title.source
        await expect(page.get_by_role("heading", name=thanks)).to_be_visible()
        saved = f"Your answer is saved: {score} out of {scale.scores[-1]}."
        await expect(page.get_by_text(saved)).to_be_visible()
    (answer,) = await answers(database, published)
    assert (answer.score, answer.category, answer.comment) == (score, group, "Because.")


async def test_everything_is_answered_when_there_is_only_a_keyboard(
    browser: Browser,
    database: Database,
    clock: ManualClock,
    published: Published,
    link_to: Callable[..., Awaitable[str]],
) -> None:
    link = await link_to("relationship-nps")
    async with person(browser, java_script_enabled=False) as page:
        await page.goto(f"{link}?score=7")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("radio", name="7", exact=True)).to_be_focused()
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("radio", name="8", exact=True)).to_be_checked()
        await page.keyboard.press("Tab")
        await page.keyboard.type("Faster delivery")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")  # opens the ratings
        await page.keyboard.press("Tab")
        await page.keyboard.press("ArrowRight")
        await expect(page.locator("input[type=radio]:focus")).to_be_checked()
        for _ in range(3):
            await page.keyboard.press("Tab")
        clock.advance(timedelta(seconds=20))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    (answer,) = await answers(database, published)
    assert (answer.score, answer.comment) == (8, "Faster delivery")
    assert answer.drivers == {SURVEYS["relationship-nps"].drivers[0]: 2}


async def test_rating_is_taken_back_when_no_rating_is_chosen(
    browser: Browser,
    database: Database,
    clock: ManualClock,
    published: Published,
    link_to: Callable[..., Awaitable[str]],
) -> None:
    async with person(browser, java_script_enabled=False) as page:
        await page.goto(f"{await link_to('relationship-nps')}?score=9")
        await page.locator("summary").click()
        support = page.get_by_role("group", name="Support")
        await support.get_by_role("radio", name="5").check()
        await support.get_by_role("radio", name="No rating").check()
        await page.get_by_role("group", name="Features").get_by_role("radio", name="4").check()
        clock.advance(timedelta(seconds=20))
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    (answer,) = await answers(database, published)
    assert answer.drivers == {"features": 4}


async def test_passive_says_the_one_thing_when_the_thank_you_page_asks(
    browser: Browser,
    database: Database,
    clock: ManualClock,
    published: Published,
    link_to: Callable[..., Awaitable[str]],
) -> None:
    async with person(browser, java_script_enabled=False) as page:
        await page.goto(f"{await link_to()}?score=7")
        clock.advance(timedelta(seconds=20))
        await page.get_by_role("button").click()
        one_thing = SURVEYS["nps"].texts("en").follow_ups[Category.PASSIVE].source
        await page.get_by_role("textbox", name=one_thing).fill("Opening hours")
        clock.advance(timedelta(seconds=20))
        await page.get_by_role("button").click()
        await expect(page.get_by_text("Opening hours")).to_be_visible()
        await expect(page.get_by_role("textbox")).to_have_count(0)
        await page.get_by_role("link", name="Change your answer").click()
        await expect(page.get_by_role("radio", name="7", exact=True)).to_be_checked()
        await expect(page.get_by_role("textbox")).to_have_value("Opening hours")
    said = [(a.score, a.comment, a.revision) for a in await answers(database, published)]
    assert said == [(7, None, 1), (7, "Opening hours", 2)]


@pytest.mark.parametrize(
    ("locale", "button"), [("de-AT", "Antwort senden"), ("ar", "إرسال الإجابة")]
)
async def test_survey_speaks_the_customers_language_whatever_the_browser_prefers(
    browser: Browser,
    clock: ManualClock,
    link_to: Callable[..., Awaitable[str]],
    locale: str,
    button: str,
) -> None:
    link = await link_to(locale=locale)
    async with person(browser, locale="fr-FR") as page:
        await page.goto(f"{link}?score=2")
        clock.advance(timedelta(seconds=20))
        await page.get_by_role("button", name=button).click()
        language = await page.locator("html").get_attribute("lang")
        assert language == locale[:2]
        await page.goto(f"{link}x")
        await expect(page.get_by_role("heading", name="Ce lien ne fonctionne pas")).to_be_visible()


async def test_focus_is_seen_when_a_score_has_it(
    browser: Browser, link_to: Callable[..., Awaitable[str]]
) -> None:
    async with person(browser) as page:
        await page.goto(await link_to())
        await page.keyboard.press("Tab")
        outline = await page.evaluate(
            "getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
        )
        assert outline == "solid"


async def test_choice_is_seen_when_the_system_chooses_the_colours(
    browser: Browser, link_to: Callable[..., Awaitable[str]]
) -> None:
    async with person(browser, forced_colors="active") as page:
        await page.goto(f"{await link_to()}?score=4")
        colour = "e => getComputedStyle(e).backgroundColor"
        chosen = await page.locator("input:checked + b").evaluate(colour)
        other = await page.locator("input[value='5'] + b").evaluate(colour)
        assert chosen != other
        border = "e => getComputedStyle(e).borderTopWidth"
        assert await page.get_by_role("button").evaluate(border) == "1px"


async def test_fault_is_told_and_words_kept_when_the_score_is_missing(
    browser: Browser, link_to: Callable[..., Awaitable[str]]
) -> None:
    async with person(browser) as page:
        await page.goto(await link_to())
        await page.evaluate("document.forms[0].noValidate = true")
        await page.get_by_role("textbox").fill("my words")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("alert")).to_have_text("Please choose a score.")
        await expect(page.get_by_role("textbox")).to_have_value("my words")


async def test_trap_is_met_by_nobody_who_reads_or_listens(
    browser: Browser, link_to: Callable[..., Awaitable[str]]
) -> None:
    async with person(browser) as page:
        await page.goto(await link_to())
        assert not await page.locator("[name=website]").is_visible()
        await expect(page.get_by_role("textbox")).to_have_count(1)
        for _ in range(6):
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.name") != "website"


async def test_widget_records_and_completes_an_answer_when_used_on_another_site(
    browser: Browser,
    database: Database,
    clock: ManualClock,
    published: Published,
    base: str,
    link_to: Callable[..., Awaitable[str]],
) -> None:
    link = await link_to()
    product = FastAPI()
    product.include_router(
        widget.router(Settings(database_url="postgresql://x", link_keys="k" * 16))
    )
    texts = SURVEYS["nps"].texts("en")
    card = {
        "message_id": "m1",
        "locale": "en",
        "direction": "ltr",
        "texts": {"label": "From Northwind", "close": "Close", "send": "Send", "hint": "Hint"},
        "scores": list(range(11)),
        "groups": [category_of(score).value for score in range(11)],
        "about": "About it",
        "question": "How likely?",
        "lowest": "Not",
        "highest": "Very",
        "follow_ups": {g.value: texts.follow_ups[g].source for g in Category},
        "thanks": {g.value: {"title": "Thanks", "text": "Bye"} for g in Category},
        "review": None,
        "answer_url": link.replace("/s/", "/w/"),
        "dismiss_url": f"{base}/livez",
    }

    @product.get("/")
    async def page_of_the_product() -> Response:
        script = '<script src="/widget.js" data-dispatch="" data-token="t"></script>'
        return HTMLResponse(f"<title>Product</title><body>{script}")

    @product.get("/in-app/t")
    async def cards() -> dict[str, Any]:
        return {"cards": [card]}

    async with serve(product) as served, person(browser) as page:
        await page.goto(served)
        await page.get_by_role("button", name="3", exact=True).click()

        async def is_scored() -> bool:
            return len(await answers(database, published)) == 1

        await until(is_scored)
        await page.get_by_role("textbox", name="What happened?").fill("It broke")
        await page.get_by_role("button", name="Send").click()

        async def is_complete() -> bool:
            return len(await answers(database, published)) == 2

        await until(is_complete)
    said = [(a.score, a.comment, a.channel) for a in await answers(database, published)]
    assert said == [(3, None, "in_app"), (3, "It broke", "in_app")]
