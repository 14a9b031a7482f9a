"""The pages of improvements: the list, one of them, and what people do with it."""

import re
from typing import Any

import pytest
from playwright.async_api import expect

from closeloop_service.handlers.themes import on_themes
from closeloop_service.queries import improvements as queries
from heardback.contracts import registry
from heardback.testing.browser import DESK, PHONE, faults_anywhere
from heardback.testing.builders import an_event
from heardback.testing.clock import START

QUOTES = (
    {
        "response_id": "r1",
        "customer_id": "c1",
        "text": "Two weeks <b>late</b>.",
        "score": 2,
        "consent": True,
    },
    {"response_id": "r2", "customer_id": "c2", "text": "متأخر جدا", "score": 1, "consent": False},
)


def a_theme(theme_id: str = "late-delivery", **data: Any) -> Any:
    reporters = [
        {
            "customer_id": f"c{number}",
            "invitation_id": f"i{number}",
            "response_id": f"r{number}",
            "program_id": "after-purchase",
        }
        for number in (1, 2, 3)
    ]
    fields = {
        "theme_id": theme_id,
        "title": "Late delivery",
        "responses": 12,
        "detractors": 9,
        "customers": 3,
        "revenue_at_risk": 48_000.0,
        "currency": "EUR",
        "quotes": QUOTES,
        "reporters": reporters,
        "since": START,
        "reached_at": START,
    }
    return an_event(registry.THEME_THRESHOLD_REACHED, id=f"theme-{theme_id}", **{**fields, **data})


@pytest.fixture
def hear(database, keeper):
    async def heard(*events: Any) -> None:
        async with database.transaction() as tx:
            await on_themes(keeper, tx, events)

    return heard


@pytest.fixture
async def one(database, hear):
    """Return a function that reads the only improvement."""
    await hear(a_theme())

    async def read():
        async with database.read() as connection:
            (line,) = await queries.newest(connection, queries.Filters(), before=None, limit=9)
            return line.improvement

    return read


@pytest.fixture
async def send(http, one):
    http.cookies.set("owner", "Ana")
    path = f"/console/improvements/{(await one()).improvement_id}"

    async def post(move: str, **fields: str):
        return await http.post(f"{path}/{move}", data=fields)

    return post


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


async def test_list_says_what_it_waits_for_when_empty(http):
    assert "Nothing is to be mended." in (await http.get("/console/improvements")).text


async def test_list_shows_counts_money_owner_ticket_and_time_left(http, one):
    text = words((await http.get("/console/improvements")).text)
    for shown in ("Late delivery", "12 9 of detractors", "48,000 EUR", "nobody yet", "no tracker"):
        assert shown in text


async def test_detail_shows_quotes_with_their_consent_and_who_is_told(http, one):
    page = (await http.get(f"/console/improvements/{(await one()).improvement_id}")).text
    assert "<b>late" not in page
    text = words(page)
    assert "may be shown in the ticket" in text
    assert "stays in Heardback" in text
    assert "3 are told once it ships" in text


async def test_every_button_moves_the_improvement_when_pressed(one, send):
    for move, fields, state in (
        ("assign", {"owner": "Pia Product"}, "open"),
        ("plan", {}, "planned"),
        ("put-back", {"note": "Next quarter."}, "open"),
        ("note", {"note": "Ask the carrier."}, "open"),
        ("decline", {"note": "Too dear."}, "declined"),
        ("reopen", {}, "open"),
        ("ship", {}, "shipped"),
    ):
        answer = await send(move, **fields)
        assert (move, answer.status_code) == (move, 303)
        assert (move, (await one()).state) == (move, state)
    assert (await one()).owner == "Pia Product"


async def test_page_says_why_when_a_button_comes_too_late(one, send):
    await send("ship")
    answer = await send("decline", note="Too dear.")
    assert answer.status_code == 409
    assert "Not done: it is shipped now." in answer.text


async def test_reason_is_asked_for_when_it_is_declined_without(one, send):
    answer = await send("decline", note=" ")
    assert answer.status_code == 422
    assert "Not done: say why." in answer.text


async def test_improvement_is_opened_by_hand_when_somebody_knows_better(http, database):
    form = {"actor": "Ana", "title": "Dark mode", "owner": "Pia", "note": "Asked at a fair."}
    answer = await http.post("/console/improvements", data=form)
    assert answer.status_code == 303
    page = words((await http.get(answer.headers["location"])).text)
    assert "Dark mode" in page
    assert "Ana opened it" in page


async def test_page_leads_to_the_list_when_the_improvement_is_unknown(http):
    page = await http.get("/console/improvements/nothing")
    assert page.status_code == 404
    assert "There is no such improvement." in page.text


async def test_views_and_search_choose_when_in_the_address(http, hear):
    await hear(a_theme("late-delivery"), a_theme("price", title="Price"))
    for query, shown in (("", 2), ("q=Price", 1), ("view=shipped", 0), ("view=all", 2)):
        page = (await http.get(f"/console/improvements?{query}")).text
        assert page.count('<tr id="improvement-') == shown


async def test_form_is_refused_when_another_site_sends_it(http, one):
    url = f"/console/improvements/{(await one()).improvement_id}/ship"
    answer = await http.post(url, data={"actor": "Eve"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400


@pytest.mark.browser
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
async def test_pages_are_accessible_and_fit_when_seen_anywhere(browser, live_board, size):
    async with live_board.database.transaction() as tx:
        await on_themes(live_board.keeper, tx, [a_theme()])
    page = await browser.new_page(viewport=size)
    await page.goto(f"{live_board.url}/console/improvements")
    assert await faults_anywhere(page, "improvements", widths=[size["width"]]) == []
    await page.get_by_role("link", name="Late delivery").click()
    await page.get_by_text("It shipped", exact=True).click()
    await expect(page.get_by_role("button", name="It shipped: tell 3 reporters")).to_be_visible()
    assert await faults_anywhere(page, "improvement", widths=[size["width"]]) == []
