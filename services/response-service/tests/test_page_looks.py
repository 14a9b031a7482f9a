"""Every page in a real browser: each language, light and dark, small, enlarged, in few colours."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI, Response
from playwright.async_api import Browser, Page

from heardback.customer_pages import CustomerPages
from heardback.surveys import parse, ready_made
from heardback.testing.browser import faults_anywhere, overflow, serve
from heardback.vocabulary import Channel
from heardback.words import LOCALES
from response_service.domain.answer import Answer
from response_service.domain.answer import Response as Held
from response_service.domain.invitation import Invitation
from response_service.pages import Draft, Fault, SurveyPages
from response_service.queries import Asked

pytestmark = pytest.mark.browser

AT = datetime(2026, 2, 23, 12, tzinfo=UTC)
SURVEYS = ready_made()
PAGES = SurveyPages(company="Northwind")
REVIEW = {
    "en": "Tell others about it",
    "de": "Erzählen Sie anderen davon",
    "fr": "Parlez-en autour de vous",
    "ar": "أخبروا الآخرين بذلك",
}
COMMENT = "The parcel was open and one cup is broken."


def asked(locale: str, answer: Answer | None = None) -> Asked:
    invitation = Invitation(
        invitation_id="i1",
        customer_id="c1",
        program_id="p1",
        touchpoint="purchase",
        survey_id="nps",
        segment=None,
        channel=Channel.EMAIL,
        recipient={"locale": locale, "name": "Ada"},
        occurred_at=AT,
        expires_at=AT,
        traceparent=None,
    )
    held = answer and Held(
        response_id="r1", revision=1, answer=answer, alert_id=None, answered_at=AT
    )
    return Asked(invitation=invitation, held=held)


def form(survey_id: str, **draft: Any) -> Callable[[str], Response]:
    return lambda locale: PAGES.survey(asked(locale), Draft(**draft), SURVEYS[survey_id])


def thanks(survey_id: str, score: int, comment: str | None = None) -> Callable[[str], Response]:
    survey = SURVEYS[survey_id]
    answer = Answer(scale=survey.scale, score=score, comment=comment)
    return lambda locale: PAGES.thanks(answer, survey, asked(locale), made="t")


def held(locale: str) -> Response:
    answered = asked(locale, Answer(score=4, comment=COMMENT))
    return PAGES.survey(answered, Draft(score=4, comment=COMMENT), SURVEYS["nps"])


def offer(locale: str) -> Response:
    document = dict(SURVEYS["nps"].document) | {"review_url": "https://example.com/review"}
    document["texts"] = {
        language: texts | {"review_label": REVIEW[language]}
        for language, texts in document["texts"].items()
    }
    answer = Answer(score=10)
    return PAGES.thanks(answer, parse(document, version=1), asked(locale), made="t")


FRIENDLY: CustomerPages = PAGES.customer_pages
EVERY_PAGE: dict[str, Callable[[str], Response]] = {
    "survey": form("purchase-nps", score=4),
    "survey-csat": form("support-csat"),
    "survey-ces": form("support-ces", score=5),
    "survey-drivers": form("relationship-nps", score=8, drivers={"support": 2}),
    "survey-fault": form("nps", comment=COMMENT, fault=Fault("page.score_missing")),
    "survey-held": held,
    "thanks-detractor": thanks("purchase-nps", 3, COMMENT),
    "thanks-passive": thanks("purchase-nps", 7),
    "thanks-promoter": offer,
    "not-found": lambda locale: FRIENDLY.not_found(locale),
    "expired": lambda locale: FRIENDLY.expired(locale),
    "too-many": lambda locale: FRIENDLY.too_many(60, locale),
    "too-large": lambda locale: FRIENDLY.too_large(locale),
    "unavailable": lambda locale: FRIENDLY.unavailable(retry=True, locale=locale),
}


@pytest.fixture
async def base() -> AsyncIterator[str]:
    app = FastAPI()

    @app.get("/{name}/{locale}")
    async def show(name: str, locale: str) -> Response:
        return EVERY_PAGE[name](locale)

    async with serve(app) as served:
        yield served


@asynccontextmanager
async def opened(browser: Browser, **options: Any) -> AsyncIterator[tuple[Page, list[str]]]:
    """Open a page; the list holds what its console complains about."""
    page = await browser.new_page(**options)
    complaints: list[str] = []

    def hear(message: Any) -> None:
        if "Failed to load resource" not in message.text:  # the status of a page that says no
            complaints.append(f"{message.type}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page, complaints
    finally:
        await page.close()


@pytest.mark.parametrize("locale", LOCALES)
async def test_page_is_accessible_and_fits_when_seen_in(
    browser: Browser, base: str, locale: str
) -> None:
    async with opened(browser) as (page, complaints):
        for name in EVERY_PAGE:
            await page.goto(f"{base}/{name}/{locale}")
            assert await faults_anywhere(page, f"{name}-{locale}", widths=[390]) == []
            for width in (320, 1100):
                await page.set_viewport_size({"width": width, "height": 640})
                assert await overflow(page) <= 0, (name, width)
        assert complaints == []


@pytest.mark.parametrize("locale", ["de", "ar"])
async def test_nothing_is_cut_off_when_letters_are_twice_as_large(
    browser: Browser, base: str, locale: str
) -> None:
    async with opened(browser, viewport={"width": 640, "height": 800}) as (page, _):
        session = await page.context.new_cdp_session(page)
        await session.send("Page.enable")
        await session.send("Page.setFontSizes", {"fontSizes": {"standard": 32}})
        for name in EVERY_PAGE:
            await page.goto(f"{base}/{name}/{locale}")
            assert await page.evaluate("getComputedStyle(document.body).fontSize") == "34px"
            assert await overflow(page) <= 0, name
