"""What a customer typed stays on the page, whatever is away; and who is refused, and why."""

import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from heardback.db import Database
from heardback.embedded.processes import free_port
from heardback.envelope import Event
from heardback.fast_lane import fast_lane
from heardback.security import short_code
from heardback.testing.clock import CountedIds, ManualClock
from heardback.testing.people import BROWSER_HEADERS
from heardback.vocabulary import Scale
from response_service.api import door
from response_service.domain.asks import Asks, sign_asks

from .conftest import API_KEY, INVITATION_ID, KEYS
from .replica import form_of

Make = Callable[..., FastAPI]
Take = Callable[..., Awaitable[None]]
Requested = Callable[..., Event[Any]]
WORDS = "Typed with care."


@asynccontextmanager
async def browser(app: FastAPI, **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=fast_lane(app))
    told = {**BROWSER_HEADERS, **headers}
    async with httpx2.AsyncClient(
        transport=transport, base_url="https://s.example.com", headers=told
    ) as client:
        yield client


@pytest.fixture
async def away(clock: ManualClock) -> AsyncIterator[Database]:
    """A database that is not there."""
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    database = Database(nowhere, service="response", clock=clock, ids=CountedIds())
    yield database
    await database.close()


@pytest.fixture
async def hanging(clock: ManualClock) -> AsyncIterator[Database]:
    """A database that takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://nobody@127.0.0.1:{server.getsockname()[1]}/none"
        database = Database(url, service="response", clock=clock, ids=CountedIds())
        yield database
        await database.close()


def is_kept(page: httpx2.Response, score: int, *, of: int) -> bool:
    """Tell whether the page has what was typed, on a scale that ends at `of`."""
    scores = re.findall(r'name="score" value="(\d+)"[^>]*?(?: (checked))?>', page.text)
    chosen = [value for value, checked in scores if checked]
    return (
        f"{WORDS}</textarea>" in page.text
        and chosen == [str(score)]
        and scores[-1][0] == str(of)
        and "send it again" in page.text
    )


async def test_words_are_kept_when_a_short_link_meets_no_database(
    make_app: Make, away: Database
) -> None:
    async with browser(make_app(away)) as client:
        link = f"/c/{short_code(KEYS[0], INVITATION_ID)}"
        page = await client.post(link, data={"score": "3", "comment": WORDS})
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert is_kept(page, 3, of=10)


@pytest.mark.parametrize("limit", ["limit_per_address", "limit_per_link"])
async def test_words_are_kept_when_there_were_too_many_requests(
    make_app: Make, database: Database, asked: Event[Any], path: str, limit: str
) -> None:
    async with browser(make_app(database, **{limit: "1/minute"})) as client:
        form = form_of((await client.get(path)).text, 3, WORDS)
        assert (await client.post(path, data=form)).status_code == 200
        page = await client.post(path, data=form)
    assert page.status_code == 429 and int(page.headers["retry-after"]) in range(1, 122)
    assert is_kept(page, 3, of=10)


@pytest.mark.parametrize(
    ("survey_id", "highest"), [("support-csat", 5), ("support-ces", 7), ("relationship-nps", 10)]
)
@pytest.mark.parametrize("start", ["/s/", "/c/"])
async def test_page_asks_the_same_when_the_database_goes_away_meanwhile(
    make_app: Make,
    database: Database,
    away: Database,
    take: Take,
    requested: Requested,
    path: str,
    survey_id: str,
    highest: int,
    start: str,
) -> None:
    link = path if start == "/s/" else f"/c/{short_code(KEYS[0], INVITATION_ID)}"
    recipient = {"phone": "+491701234567", "locale": "en"}
    await take(database, requested(survey_id=survey_id, channel="sms", recipient=recipient))
    async with browser(make_app(database)) as client:
        form = form_of((await client.get(link)).text, highest, WORDS)
    async with browser(make_app(away), **{"Accept-Language": "de"}) as client:
        page = await client.post(link, data=form)
        again = await client.post(link, data=form_of(page.text, highest, WORDS))
    assert page.status_code == again.status_code == 503
    assert is_kept(page, highest, of=highest) and is_kept(again, highest, of=highest)
    async with browser(make_app(database)) as client:
        assert (await client.post(link, data=form_of(again.text, highest))).status_code == 200


async def test_scale_is_kept_when_the_survey_was_never_read_here(
    make_app: Make, away: Database, path: str
) -> None:
    asks = Asks(survey_id="ours", version=7, scale=Scale.CSAT, locale="en", variant=None)
    told = sign_asks(asks, secret=KEYS[1].encode())
    async with browser(make_app(away)) as client:
        form = {"score": "5", "comment": WORDS, "asks": told}
        assert is_kept(await client.post(path, data=form), 5, of=5)
        forged = {**form, "asks": told[:-8] + "AAAAAAAA"}
        assert is_kept(await client.post(path, data=forged), 5, of=10)


async def test_words_are_kept_when_the_database_hangs(
    make_app: Make, hanging: Database, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PATIENCE_SECONDS", 0.3)
    async with browser(make_app(hanging)) as client:
        page = await client.post(path, data={"score": "3", "comment": WORDS})
    assert page.status_code == 503 and is_kept(page, 3, of=10)


async def test_product_page_may_read_it_when_a_widget_is_told_to_come_again(
    make_app: Make,
    away: Database,
    hanging: Database,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "PATIENCE_SECONDS", 0.3)
    for database in (away, hanging):
        app = make_app(database, widget_origins="https://shop.example.com")
        async with browser(app, Origin="https://shop.example.com") as client:
            told = await client.post(path.replace("/s/", "/w/"), content='{"score": 3}')
        assert told.status_code == 503
        assert told.headers["access-control-allow-origin"] == "https://shop.example.com"


async def test_person_answers_when_a_scanner_looked_too_often(
    make_app: Make, database: Database, asked: Event[Any], path: str
) -> None:
    app = make_app(database, limit_per_address="5/minute", limit_per_link="5/minute")
    async with browser(app) as client:
        looks = [(await client.get(path)).status_code for _ in range(7)]
        assert looks == [200] * 5 + [429] * 2
        assert (await client.post(path, data={"score": "9"})).status_code == 200


async def test_link_has_one_limit_however_it_is_written(
    make_app: Make, database: Database, asked: Event[Any], path: str
) -> None:
    async with browser(make_app(database, limit_per_link="2/minute")) as client:
        for suffix in ("=", "!!", "%20", "A", "=="):
            assert (await client.get(path + suffix)).status_code == 404
        assert [(await client.get(path)).status_code for _ in range(3)] == [200, 200, 429]


async def test_short_link_and_long_one_have_one_limit(
    make_app: Make, database: Database, take: Take, requested: Requested, path: str
) -> None:
    await take(database, requested(channel="sms", recipient={"phone": "+491701234567"}))
    links = [path, *(f"/c/{short_code(key, INVITATION_ID)}" for key in KEYS)]
    async with browser(make_app(database, limit_per_link="2/minute")) as client:
        assert [(await client.get(link)).status_code for link in links] == [200, 200, 429]


async def test_strangers_are_counted_when_their_links_are_none(
    make_app: Make, database: Database, path: str
) -> None:
    app = make_app(database, limit_per_address="2/minute", limit_per_link="1/minute")
    async with browser(app) as client:
        told = [(await client.get("/s/nothing")).status_code for _ in range(3)]
    assert told == [404, 404, 429]


async def test_proxies_are_all_heard_when_each_adds_a_line(
    make_app: Make, database: Database, path: str
) -> None:
    app = make_app(database, trusted_proxy_hops=2, limit_per_address="1/minute")
    transport = httpx2.ASGITransport(app=fast_lane(app))
    told = []
    async with httpx2.AsyncClient(transport=transport, base_url="https://s.example.com") as client:
        for address in ("20.1.2.3:50001", "20.1.2.4", "20.1.2.3:50002"):
            lines = [("X-Forwarded-For", f"6.6.6.6, {address}"), ("X-Forwarded-For", "10.0.0.1")]
            told.append((await client.get("/s/nothing", headers=lines)).status_code)
    assert told == [404, 404, 429]


async def test_direct_answer_is_taken_when_its_invitation_arrives_later(
    make_app: Make, database: Database, take: Take, requested: Requested, clock: ManualClock
) -> None:
    body = {"invitation_id": INVITATION_ID, "score": 9}
    told = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": "k1"}
    async with browser(make_app(database), **told) as client:
        assert (await client.post("/responses", json=body)).status_code == 404
        await take(database, requested())
        clock.advance(timedelta(seconds=5))
        assert (await client.post("/responses", json=body)).status_code == 201
