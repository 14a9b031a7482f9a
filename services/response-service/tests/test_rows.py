"""Every promise about surveys and answers, by its number in the product's list.

Events in, pages and calls, events out, on a real Postgres; where a promise speaks of pages, in a
real browser.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import chain
from typing import Any, Final

import httpx2
import pytest
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from heardback.contracts import registry
from heardback.db import Database
from heardback.envelope import Event
from heardback.surveys import ready_made
from heardback.telemetry import set_up_telemetry
from heardback.testing.browser import accessibility_faults, overflow, serve
from heardback.testing.clock import ManualClock
from heardback.testing.people import BROWSER_HEADERS
from heardback.testing.waiting import until
from heardback.vocabulary import Category
from heardback.words import LOCALES, words_of

from .product_page import card_of
from .replica import Replica, a_document, form_of, invitation_id, link_of, start_replica
from .score_board import ScoreBoard

VERSIONS: Final = "/surveys/mine/versions"
SCANNER: Final = "203.0.113.7"
LONG_COMMENT: Final = "I would recommend you to all of my friends."
PHONE: Final = {"width": 390, "height": 844}
Requested = Callable[..., Event[Any]]


@pytest.fixture
async def response(database: Database, clock: ManualClock) -> Replica:
    return await start_replica(database, clock)


@pytest.fixture
async def base(response: Replica) -> AsyncIterator[str]:
    async with serve(response.app) as served:
        yield served


@pytest.fixture
def ask(response: Replica, requested: Requested) -> Any:
    """Ask customer number `number`; return the path of the link."""

    async def send(number: int = 1, **data: Any) -> str:
        known = {"customer_id": f"c{number}", "invitation_id": invitation_id(number)}
        await response.deliver(requested(**known, **data))
        return link_of(number)

    return send


@asynccontextmanager
async def person(browser: Browser, **options: Any) -> AsyncIterator[Page]:
    """Open a page as somebody's own browser does, where scripts are off."""
    known = {"user_agent": BROWSER_HEADERS["User-Agent"], "java_script_enabled": False}
    page = await browser.new_page(**{**known, **options})
    try:
        yield page
    finally:
        await page.close()


async def publish(response: Replica, document: dict[str, Any]) -> httpx2.Response:
    async with response.machine() as http:
        return await http.post(VERSIONS, json=document)


async def answers(response: Replica) -> list[Any]:
    return await response.published(registry.RESPONSE_RECORDED, registry.RESPONSE_REVISED)


async def nps(response: Replica) -> float | None:
    return ScoreBoard(await response.events()).nps


async def suspects(response: Replica) -> list[dict[str, Any]]:
    async with response.machine() as http:
        found: list[dict[str, Any]] = (await http.get("/quarantine")).json()["suspects"]
        return found


@pytest.mark.parametrize(
    ("survey_id", "groups", "none"),
    [
        (
            "nps",
            {"detractor": [0, 1, 2, 3, 4, 5, 6], "passive": [7, 8], "promoter": [9, 10]},
            [-1, 11],
        ),
        ("support-csat", {"detractor": [1, 2], "passive": [3], "promoter": [4, 5]}, [0, 6]),
        ("support-ces", {"detractor": [1, 2, 3], "passive": [4], "promoter": [5, 6, 7]}, [0, 8]),
    ],
)
async def test_row_18_scores_fall_into_three_groups_when_the_scale_is(
    response: Replica, ask: Any, survey_id: str, groups: dict[str, list[int]], none: list[int]
) -> None:
    for number, score in enumerate(sorted(chain(*groups.values()))):
        link = await ask(number + 1, survey_id=survey_id)
        client = response.browser(f"198.51.100.{number}")
        assert (await response.answer(link, score, client=client)).status_code == 200
    for score in none:
        refused = await response.answer(await ask(99, survey_id=survey_id), score)
        assert refused.status_code == 422
    found = defaultdict(list)
    for answer in await answers(response):
        found[answer.category.value].append(answer.score)
        assert answer.scale == {"nps": "nps"}.get(survey_id, survey_id.partition("-")[2])
    assert found == groups


@pytest.mark.browser
async def test_row_19_follow_up_fits_the_score_and_everything_else_is_optional_when_asked(
    response: Replica, ask: Any, base: str, browser: Browser
) -> None:
    link = base + await ask(survey_id="relationship-nps")
    async with person(browser) as page:
        await page.goto(link)
        for score, question in [
            (9, "What is the main reason for your score?"),
            (7, "What is the one thing that we should improve?"),
            (2, "What happened?"),
        ]:
            await page.locator(f"input[name=score][value='{score}']").check()
            await expect(page.get_by_role("textbox", name=question, exact=True)).to_be_visible()
        await page.locator("summary").click()
        for driver in ("Support", "Features", "Purchasing"):
            ratings = page.get_by_role("group", name=driver).get_by_role("radio")
            assert await ratings.count() == 6  # 1 to 5, and none
        await page.get_by_role("group", name="Features").get_by_role("radio", name="4").check()
        response.clock.advance(timedelta(seconds=9))
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    (answer,) = await answers(response)
    assert (answer.score, answer.comment, answer.drivers) == (2, None, {"features": 4})


async def test_row_19_ratings_are_limited_when_a_survey_asks_for_more(response: Replica) -> None:
    drivers = ["support", "features", "purchasing", "delivery"]
    called = {driver: driver for driver in drivers}
    refused = await publish(response, a_document(drivers=drivers, texts={"drivers": called}))
    fault = {"field": "drivers", "message": "name at most 3"}
    assert (refused.status_code, refused.json()["errors"]) == (422, [fault])


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("How was it, {{ customer.nam }}?", "there is nothing called customer.nam"),
        ("How was it{% if customer.name %}?", "if"),
        ("{% for n in (1..9) %}{{ n }}{% endfor %}", "for is not available"),
        ("{% assign a = company %}{{ a }}", "assign is not available"),
        ("{{ company | times: 9 }}", "there is no filter times"),
        ("How was it? " * 200, "write at most 2,000 characters"),
        ("How was it? " * 50, "with long names this has"),
        ("{{ customer.name }}", "this says nothing to a customer without a name"),
    ],
)
async def test_row_20_text_is_refused_with_its_place_when_it_is_saved_as(
    response: Replica, question: str, said: str
) -> None:
    refused = await publish(response, a_document(texts={"question": question}))
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert fault["field"] == "texts.en.question"
    assert said in fault["message"]


async def test_row_20_survey_is_refused_when_it_is_too_large(response: Replica) -> None:
    texts = {"x" * 60 + str(number): "y" * 2_000 for number in range(40)}
    refused = await publish(response, a_document(texts=texts))
    assert refused.status_code == 422
    assert "write at most 65,536" in refused.json()["errors"][0]["message"]


@pytest.mark.browser
@pytest.mark.parametrize(
    ("locale", "question", "purpose"),
    [
        ("en", "Ada, how was it?", "less than a minute"),
        ("de-AT", "Wie wahrscheinlich ist es", "weniger als eine Minute"),
        ("fr", "Ada, how was it?", "moins d’une minute"),
        ("it", "Ada, how was it?", "less than a minute"),
    ],
)
async def test_row_20_text_names_customer_interaction_time_and_purpose_when_the_language_is(
    response: Replica,
    ask: Any,
    base: str,
    browser: Browser,
    locale: str,
    question: str,
    purpose: str,
) -> None:
    texts = {
        "question": "{% if customer.name %}{{ customer.name }}, how{% else %}How{% endif %} was it?"
    }
    document = a_document(texts=texts)
    document["texts"]["en"]["about"] = "About your {{ touchpoint }} on {{ occurred_on }}"
    for language in ("de", "fr", "ar"):
        del document["texts"][language]["about"]
    del document["texts"]["fr"]["question"]
    assert (await publish(response, document)).status_code == 201
    recipient = {"email": "ada@example.com", "name": "Ada", "locale": locale}
    link = base + await ask(survey_id="mine", recipient=recipient)
    async with person(browser) as page:
        await page.goto(link)
        await expect(page.get_by_role("heading")).to_contain_text(question)
        await expect(page.get_by_text("About your purchase on 23")).to_be_visible()
        await expect(page.get_by_text(purpose)).to_be_visible()


async def test_row_21_version_stays_what_it_is_when_others_are_published(
    response: Replica, ask: Any
) -> None:
    first = a_document(texts={"question": "The first question?"})
    assert (await publish(response, first)).headers["ETag"] == '"1"'
    pinned = await ask(1, survey_id="mine", survey_version=1)
    newest = await ask(2, survey_id="mine")
    for number in (2, 3):
        document = a_document(texts={"question": f"Question {number}?"})
        assert (await publish(response, document)).status_code == 201
    late = await ask(3, survey_id="mine", survey_version=3)
    async with response.machine() as http:
        for method in ("PUT", "PATCH", "DELETE", "POST"):
            changed = await http.request(method, f"{VERSIONS}/1", json=document)
            assert changed.status_code == 405
        assert (await http.get(f"{VERSIONS}/1")).json()["document"] == first
    for link, question in [
        (pinned, "The first question?"),
        (newest, "The first question?"),
        (late, "Question 3?"),
    ]:
        async with response.browser() as http:
            assert question in (await http.get(link)).text
        await response.answer(link, 9)
    assert [answer.survey_version for answer in await answers(response)] == [1, 1, 3]
    told = await response.published(registry.SURVEY_VERSION_PUBLISHED)
    mine = [(v.version, v.document["texts"]["en"]["question"]) for v in told if v.key == "mine"]
    assert mine == [(1, "The first question?"), (2, "Question 2?"), (3, "Question 3?")]


async def test_row_22_everybody_sees_their_variant_and_answers_with_it_when_there_are_some(
    response: Replica, ask: Any
) -> None:
    variants = {"friendly": {"en": {"question": "Would you tell a friend?"}}, "plain": {"en": {}}}
    document = a_document(texts={"question": "Recommend us?"}, variants=variants)
    await publish(response, document)
    shown = {"friendly": "Would you tell a friend?", "plain": "Recommend us?", None: "Recommend us"}
    for number, (variant, question) in enumerate(shown.items(), start=1):
        link = await ask(number, survey_id="mine", variant=variant)
        for _ in range(2):
            async with response.browser() as http:
                assert question in (await http.get(link)).text
        await response.answer(link, 9)
    assert [answer.variant for answer in await answers(response)] == [*shown]


@pytest.mark.browser
async def test_row_32_friendly_page_says_so_when_a_link_is_tampered_with_or_expired(
    response: Replica, ask: Any, base: str, browser: Browser
) -> None:
    link = await ask()
    stranger = link_of(keys=["not-one-of-our-keys-at-all"])
    async with person(browser) as page:
        for wrong in (f"{link}x", f"{link[:-6]}aaaaaa", stranger, "/s/nothing"):
            answer = await page.goto(base + wrong)
            assert answer and answer.status == 404
            heading = page.get_by_role("heading", name="This link does not work")
            await expect(heading).to_be_visible()
        response.clock.advance(timedelta(days=14))
        answer = await page.goto(base + link)
        assert answer and answer.status == 410
        await expect(page.get_by_role("heading", name="This survey is closed")).to_be_visible()
    for wrong, status in ((link, 410), (stranger, 404)):
        async with response.browser() as http:
            assert (await http.post(wrong, data={"score": "9"})).status_code == status
    assert await answers(response) == []


async def test_row_32_link_answers_its_own_invitation_alone_when_keys_rotate(
    response: Replica, ask: Any
) -> None:
    await ask(1)
    await ask(2)
    await response.answer(link_of(1, keys=["an-older-key-long-enough"]), 9)
    await response.answer(link_of(2), 3)
    # Nothing that a form says turns the link of one invitation into that of another.
    await response.answer(link_of(1), 4, invitation_id=invitation_id(2), customer_id="c2")
    found = [(answer.invitation_id, answer.score) for answer in await answers(response)]
    one, two = invitation_id(1), invitation_id(2)
    assert found == [(one, 9), (two, 3), (one, 4)]


@pytest.fixture(scope="module")
def counters() -> None:
    """Have the counters of this process be read at /metrics, as at the start of the service."""
    set_up_telemetry("response", otlp_endpoint=None)


async def test_row_32_links_are_counted_by_their_outcome_when_opened(
    response: Replica, ask: Any, counters: None
) -> None:
    link = await ask()

    async def count(outcome: str) -> float:
        async with response.browser() as http:
            told = (await http.get("/metrics")).text
        found = re.search(rf'heardback_response_links_total{{outcome="{outcome}"}} (\S+)', told)
        return float(found[1]) if found else 0.0

    outcomes = ("ok", "tampered", "expired")
    before = [await count(outcome) for outcome in outcomes]
    async with response.browser() as http:
        await http.get(link)
        await http.get(f"{link}x")
        await http.get(f"{link}y")
        response.clock.advance(timedelta(days=14))
        await http.get(link)
    after = [await count(outcome) for outcome in outcomes]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 2, 1]


@pytest.mark.browser
@pytest.mark.parametrize("comment", ["", "Quick and kind."])
async def test_row_33_answer_counts_when_a_person_confirms_what_the_link_chose(
    response: Replica, ask: Any, base: str, browser: Browser, comment: str
) -> None:
    link = base + await ask()
    async with person(browser) as page:
        await page.goto(f"{link}?score=9")
        await expect(page.get_by_role("radio", name="9", exact=True)).to_be_checked()
        assert await answers(response) == []
        await page.get_by_role("textbox").fill(comment)
        response.clock.advance(timedelta(seconds=4))
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    (answer,) = await answers(response)
    assert (answer.score, answer.comment) == (9, comment or None)


@pytest.mark.parametrize("presses", [False, True])
async def test_row_33_scanner_never_counts_when_it_follows_every_link(
    response: Replica, ask: Any, presses: bool
) -> None:
    link = await ask()
    for score in range(11):
        async with response.browser(SCANNER) as http:
            assert (await http.head(f"{link}?score={score}")).status_code == 200
            page = await http.get(f"{link}?score={score}")
            if presses:
                sent = await http.post(link, data=form_of(page.text, score))
                assert "Thank you" in sent.text  # it gives nothing away
        response.clock.advance(timedelta(seconds=0.2))
    assert await nps(response) is None
    assert bool(await suspects(response)) is presses
    response.clock.advance(timedelta(minutes=1))
    await response.answer(f"{link}?score=9", 9)
    assert await nps(response) == 100.0


async def test_row_34_one_response_is_made_when_the_same_form_is_sent_twice(
    response: Replica, ask: Any
) -> None:
    link = await ask()
    async with response.browser() as http:
        page = await http.get(link)
        response.clock.advance(timedelta(seconds=5))
        form = form_of(page.text, 9, "Fine.")
        sent = [http.post(link, data=form) for _ in range(4)]
        pages = [*await asyncio.gather(*sent), await http.post(link, data=form)]
    assert {(page.status_code, page.text) for page in pages} == {(200, pages[0].text)}
    assert [(a.score, a.revision) for a in await answers(response)] == [(9, 1)]


async def test_row_34_every_score_is_kept_when_it_changes(response: Replica, ask: Any) -> None:
    link = await ask()
    for score, comment in ((9, ""), (3, "It broke."), (3, "It broke."), (8, "It is mended.")):
        response.clock.advance(timedelta(minutes=3))
        await response.answer(link, score, comment=comment)
    recorded, *revised = await answers(response)
    assert (recorded.revision, recorded.score, recorded.previous_category) == (1, 9, None)
    told = [(a.revision, a.score, a.comment, a.previous_category) for a in revised]
    assert told == [
        (2, 3, "It broke.", Category.PROMOTER),
        (3, 8, "It is mended.", Category.DETRACTOR),
    ]
    assert {answer.response_id for answer in revised} == {recorded.response_id}
    async with response.database.read() as connection:
        kept = await connection.execute(text("SELECT score FROM response_revision ORDER BY 1"))
    assert kept.scalars().all() == [3, 8, 9]


async def hurry(response: Replica, ask: Any) -> None:
    """Answer sooner than anybody reads, from a browser that lacks what all of them send."""
    bare = {"Accept-Language": "", "Sec-Fetch-Mode": ""}
    await response.answer(await ask(), 9, reads=0.2, client=response.browser(SCANNER, **bare))


async def follow_every_link(response: Replica, ask: Any) -> None:
    link = await ask()
    for score in range(11):
        client = response.browser(SCANNER)
        await response.answer(f"{link}?score={score}", score, client=client, reads=3)


async def fill_the_trap(response: Replica, ask: Any) -> None:
    await response.answer(await ask(), 9, website="https://example.com")


async def repeat(response: Replica, ask: Any) -> None:
    """Say in the name of the fourth customer what the three before said, in no time."""
    for number in (2, 3, 4, 1):
        client = response.browser(f"203.0.113.{number}")
        reads = 9 if number > 1 else 0.5
        link = await ask(number)
        await response.answer(link, 9, comment=LONG_COMMENT, reads=reads, client=client)


@pytest.mark.parametrize(
    ("suspect", "reason"),
    [
        (hurry, "too_fast"),
        (follow_every_link, "every_link"),
        (fill_the_trap, "honeypot"),
        (repeat, "duplicate_text"),
    ],
)
async def test_row_35_answer_is_held_and_does_not_count_until_released_when_suspect_for(
    response: Replica, ask: Any, suspect: Any, reason: str
) -> None:
    await suspect(response, ask)
    mine = invitation_id(1)
    assert mine not in ScoreBoard(await response.events()).scores
    held = [found for found in await suspects(response) if found["invitation_id"] == mine]
    assert reason in held[0]["reasons"]
    told = await response.published(registry.RESPONSE_QUARANTINED)
    assert mine in [quarantined.invitation_id for quarantined in told]
    async with response.machine() as http:
        path = f"/quarantine/{held[0]['quarantine_id']}"
        released = (await http.post(f"{path}/release")).json()
        assert (await http.post(f"{path}/release")).status_code == 409
    assert (released["state"], released["decided_by"]) == ("released", "kiosk")
    assert ScoreBoard(await response.events()).scores[mine] == released["score"]


@pytest.mark.browser
async def test_row_35_suspect_answer_is_seen_and_released_when_somebody_looks_at_the_console(
    response: Replica, ask: Any, base: str, browser: Browser
) -> None:
    await fill_the_trap(response, ask)
    async with person(browser) as page:
        await page.goto(f"{base}/console/quarantine")
        await expect(page.get_by_role("heading", name="9 of 10 from c1")).to_be_visible()
        await expect(page.get_by_text("A field was filled in that people don't")).to_be_visible()
        assert await nps(response) is None
        await page.get_by_label("Your name").fill("Grace")
        await page.get_by_role("button", name="Release").click()
        await expect(page.get_by_role("status")).to_contain_text("Released.")
    assert await nps(response) == 100.0


@pytest.mark.browser
@pytest.mark.parametrize("locale", LOCALES)
async def test_row_36_page_is_small_and_good_for_everybody_without_scripts_when_it_is_in(
    response: Replica, ask: Any, base: str, browser: Browser, locale: str
) -> None:
    recipient = {"email": "ada@example.com", "name": "Ada", "locale": locale}
    link = base + await ask(survey_id="relationship-nps", recipient=recipient)
    colours = []
    for scheme in ("light", "dark"):
        async with person(
            browser, color_scheme=scheme, viewport=PHONE, java_script_enabled=True
        ) as page:
            fetched: list[str] = []
            page.on("request", lambda request, to=fetched: to.append(request.url))
            answer = await page.goto(f"{link}?score=8")
            assert answer and len(await answer.body()) < 15_000
            assert [url for url in fetched if not url.startswith("data:")] == [f"{link}?score=8"]
            assert await page.locator("script").count() == 0
            assert await accessibility_faults(page) == []
            assert await overflow(page) <= 0
            colours.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert colours[0] != colours[1]
    async with person(browser, viewport=PHONE) as page:
        await page.goto(f"{link}?score=8")
        shown = page.locator("html")
        await expect(shown).to_have_attribute("lang", locale)
        await expect(shown).to_have_attribute("dir", words_of(locale).direction)
        response.clock.advance(timedelta(seconds=9))
        async with page.expect_navigation() as navigation:
            await page.get_by_role("button", name=words_of(locale)["page.send"]).click()
        assert len(await (await navigation.value).body()) < 15_000
    assert [answer.score for answer in await answers(response)] == [8]


@pytest.mark.browser
async def test_row_36_widget_takes_an_answer_when_a_product_page_carries_it(
    response: Replica, ask: Any, base: str, browser: Browser
) -> None:
    link = base + await ask(channel="in_app")
    urls = {"answer_url": link.replace("/s/", "/w/"), "dismiss_url": f"{base}/livez"}
    card = card_of(ready_made()["nps"], "en") | urls
    product = FastAPI()

    @product.get("/")
    async def page_of_the_product() -> Response:
        script = f'<script src="{base}/widget.js" data-dispatch="" data-token="t"></script>'
        return HTMLResponse(f"<title>Product</title><body>{script}")

    @product.get("/in-app/t")
    async def cards() -> dict[str, Any]:
        return {"cards": [card]}

    options = {"java_script_enabled": True}
    async with serve(product) as served, person(browser, **options) as page:
        await page.goto(served)
        await page.get_by_role("button", name="9", exact=True).click()

        async def is_saved() -> bool:
            return bool(await answers(response))

        await until(is_saved)
    (answer,) = await answers(response)
    assert (answer.score, answer.channel) == (9, "in_app")


@pytest.mark.parametrize("score", range(11))
async def test_row_37_owner_is_alerted_in_the_same_transaction_when_the_score_is(
    response: Replica, ask: Any, score: int
) -> None:
    link = await ask()
    await response.answer(link, score, comment="Because.")
    recorded, *alerted = [event.data for event in await response.events() if event.data.key == "c1"]
    assert len(alerted) == (1 if score <= 6 else 0)
    for alert in alerted:
        assert alert.response_id == recorded.response_id
        assert (alert.score, alert.comment, alert.recipient.name) == (score, "Because.", "Ada")
    async with response.database.read() as connection:
        transactions = await connection.execute(
            text("""
                SELECT CAST(xmin AS text) FROM response_revision
                UNION SELECT CAST(xmin AS text) FROM outbox WHERE topic <> 'survey-version'
            """)
        )
    assert len(transactions.all()) == 1


@pytest.mark.browser
async def test_row_38_thank_you_page_has_what_fits_when_the_customer_is(
    response: Replica, ask: Any, base: str, browser: Browser
) -> None:
    review = {"review_label": "Tell others about it"}
    document = a_document(review_url="https://reviews.example.com/northwind", texts=review)
    await publish(response, document)
    one_thing = "What is the one thing that we should improve?"
    for number, (score, offers, asks) in enumerate([(10, 1, 0), (7, 0, 1), (2, 0, 0)], start=1):
        link = base + await ask(number, survey_id="mine")
        async with person(browser) as page:
            await page.goto(f"{link}?score={score}")
            response.clock.advance(timedelta(seconds=9))
            await page.get_by_role("button").click()
            await expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
            offered = page.get_by_role("link", name="Tell others about it")
            await expect(offered).to_have_count(offers)
            asked = page.get_by_role("textbox", name=one_thing)
            await expect(asked).to_have_count(asks)
            if offers:
                await expect(offered).to_have_attribute("href", document["review_url"])
            if asks:
                await asked.fill("The opening hours")
                response.clock.advance(timedelta(seconds=9))
                await page.get_by_role("button").click()
                await expect(page.get_by_text("The opening hours")).to_be_visible()
    said = [(a.score, a.comment, a.revision) for a in await answers(response)]
    assert said == [(10, None, 1), (7, None, 1), (7, "The opening hours", 2), (2, None, 1)]
