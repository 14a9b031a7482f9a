"""Suspect answers: visible with their reasons, in no score, and released or discarded by people."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from playwright.async_api import Browser

from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.envelope import Event
from heardback.health import Health
from heardback.service import Runtime
from heardback.testing.browser import faults_anywhere, serve
from heardback.testing.clock import ManualClock
from heardback.testing.people import BROWSER_HEADERS
from response_service.console import routes
from response_service.purge import Purge
from response_service.settings import Settings

from .conftest import API_KEY, INVITATION_ID, KEYS
from .score_board import ScoreBoard
from .test_hearing import count

Published = Callable[[Database], Awaitable[list[Event[Any]]]]
Client = httpx2.AsyncClient
CALLER = {"Authorization": f"Bearer {API_KEY}"}
PAGE = "/console/quarantine"


@pytest.fixture
def make_app(make_app: Callable[..., FastAPI], clock: ManualClock) -> Callable[..., FastAPI]:
    """Make the app with its console."""

    def make(database: Database) -> FastAPI:
        app = make_app(database)
        settings = Settings(database_url=database.url, link_keys=KEYS[0])
        for router in routes.routers(settings, clock=clock):
            app.include_router(router)
        return app

    return make


async def trap(client: Client, path: str, score: int = 3, comment: str = "</b> bad & slow") -> None:
    form = {"score": str(score), "comment": comment, "website": "https://spam.example"}
    page = await client.post(path, data=form)
    assert page.status_code == 200 and "Thank you" in page.text


async def held(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/quarantine", headers=CALLER)).json()[
        "suspects"
    ]
    return found


async def test_row_35_suspect_counts_when_it_is_released_and_alerts_like_any_other(
    client: Client, database: Database, asked: Event[Any], path: str, published: Published
) -> None:
    await trap(client, path)
    (quarantined,) = await published(database)
    assert quarantined.data.reasons == ("honeypot", "too_fast")
    assert (quarantined.data.revision, quarantined.data.category) == (None, None)
    (suspect,) = await held(client)
    assert (suspect["score"], suspect["category"]) == (3, "detractor")
    url = f"/quarantine/{suspect['quarantine_id']}"
    assert (await client.get(url, headers=CALLER)).json() == suspect
    released = await client.post(f"{url}/release", headers=CALLER)
    assert (released.json()["state"], released.json()["decided_by"]) == ("released", "kiosk")
    names = [e.type.name for e in await published(database)]
    assert names[1:] == ["response.recorded.v1", "detractor.alerted.v1"]
    again = await client.post(f"{url}/release", headers=CALLER)
    assert (again.status_code, again.json()["state"]) == (409, "released")
    assert len(await published(database)) == 3


async def test_suspect_is_not_released_when_a_newer_answer_counts(
    client: Client,
    database: Database,
    asked: Event[Any],
    path: str,
    clock: ManualClock,
    published: Published,
) -> None:
    await trap(client, path)
    clock.advance(timedelta(minutes=1))
    await client.post(path, data={"score": "9", "comment": ""})
    (suspect,) = await held(client)
    url = f"/quarantine/{suspect['quarantine_id']}"
    refused = await client.post(f"{url}/release", headers=CALLER)
    assert (refused.status_code, refused.json()["type"][-19:]) == (409, "newer-answer-counts")
    assert (await held(client)) == [suspect]
    discarded = await client.post(f"{url}/discard", headers=CALLER)
    assert discarded.json()["state"] == "discarded"
    assert ScoreBoard(await published(database)).scores == {INVITATION_ID: 9}


async def test_quarantine_is_closed_to_who_has_no_key(client: Client, asked: Event[Any]) -> None:
    for method, url in (("GET", "/quarantine"), ("POST", "/quarantine/x/release")):
        assert (await client.request(method, url)).status_code == 401
    unknown = await client.post("/quarantine/x/release", headers=CALLER)
    assert unknown.status_code == 404
    assert (await client.get("/quarantine?cursor=x", headers=CALLER)).status_code == 422


async def test_list_goes_on_where_it_stopped_when_it_is_long(
    client: Client, asked: Event[Any], path: str
) -> None:
    for score in range(5):
        await trap(client, path, score)
    found, cursor = [], ""
    for _ in range(3):
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        answer = (await client.get("/quarantine", params=params, headers=CALLER)).json()
        found += [suspect["score"] for suspect in answer["suspects"]]
        cursor = answer["next"]
    assert (sorted(found), cursor) == ([0, 1, 2, 3, 4], None)


async def test_colleague_decides_on_the_page_when_there_is_no_script(
    client: Client, database: Database, asked: Event[Any], path: str, published: Published
) -> None:
    assert "Nothing here." in (await client.get(PAGE)).text
    await trap(client, path)
    page = (await client.get(PAGE)).text
    assert "3 of 10 from c1" in page and "&lt;/b&gt; bad &amp; slow" in page
    assert "A field was filled in that people" in page
    (suspect,) = await held(client)
    url = f"{PAGE}/{suspect['quarantine_id']}"
    foreign = await client.post(
        f"{url}/release", data={"by": "Ada"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert foreign.status_code >= 400
    own = {"Sec-Fetch-Site": "same-origin"}
    for step, done in (("discard", "discarded"), ("discard", "decided"), ("release", "released")):
        answer = await client.post(f"{url}/{step}", data={"by": "Ada"}, headers=own)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done={done}")
    assert "The answer counts" in (await client.get(f"{PAGE}?done=released")).text
    assert "Released by Ada" in (await client.get(f"{PAGE}?state=released")).text
    assert ScoreBoard(await published(database)).scores == {INVITATION_ID: 3}


async def test_same_words_of_many_customers_are_suspect_when_they_come_fast(
    client: Client,
    database: Database,
    take: Callable[..., Awaitable[None]],
    requested: Callable[..., Event[Any]],
    token_of: Callable[..., str],
    published: Published,
) -> None:
    ids = [f"00000000-0000-7000-8000-0000000000{n:02}" for n in range(10, 20)]
    asked = [requested(invitation_id=key, customer_id=f"c-{key}") for key in ids]
    await take(database, *asked)
    for key in ids:
        text = "Best shop ever, I recommend it to everybody!"
        await client.post(f"/s/{token_of(key)}", data={"score": "10", "comment": text})
    board = ScoreBoard(await published(database))
    assert (len(board.answers), board.quarantined) == (5, 5)


async def test_suspect_is_held_once_when_it_is_sent_again(
    client: Client, database: Database, asked: Event[Any], path: str, published: Published
) -> None:
    await asyncio.gather(*(trap(client, path) for _ in range(3)))
    await trap(client, path)
    assert len(await held(client)) == ScoreBoard(await published(database)).quarantined == 1
    await trap(client, path, 4)
    await trap(client, path, 3)
    assert [suspect["score"] for suspect in await held(client)] == [3, 4, 3]
    (last, *_) = await held(client)
    url = f"/quarantine/{last['quarantine_id']}"
    await client.post(f"{url}/discard", headers=CALLER)
    await trap(client, path, 4)
    assert len(await held(client)) == 2
    await trap(client, path, 3)
    assert len(await held(client)) == 3


async def test_channel_is_the_answers_own_when_it_is_released(
    client: Client, database: Database, asked: Event[Any], path: str, published: Published
) -> None:
    body = {"score": 9, "website": "https://spam.example"}
    await client.post(path.replace("/s/", "/w/"), json=body)
    (suspect,) = await held(client)
    await client.post(f"/quarantine/{suspect['quarantine_id']}/release", headers=CALLER)
    assert [event.data.channel for event in await published(database)] == ["in_app", "in_app"]


async def test_channel_is_the_answers_own_when_it_stands_again(
    client: Client,
    database: Database,
    asked: Event[Any],
    path: str,
    clock: ManualClock,
    published: Published,
) -> None:
    await client.post(path.replace("/s/", "/w/"), json={"score": 9})
    scanner = {"User-Agent": BROWSER_HEADERS["User-Agent"] + " Edg/1"}
    clock.advance(timedelta(minutes=1))
    await client.post(path, data={"score": "8"}, headers=scanner)
    for score in range(11):
        await client.get(f"{path}?score={score}", headers=scanner)
    told = [(e.type.name, e.data.score, e.data.channel) for e in (await published(database))[:2]]
    assert [channel for _, _, channel in told] == ["in_app", "email"]
    gone, again = (await published(database))[2:]
    assert (gone.data.channel, again.data.score, again.data.channel) == ("email", 9, "in_app")


@pytest.mark.parametrize("agent", ["okhttp/4.12", "Shop/7 CFNetwork/1490 Darwin/23", "Dart/3.4"])
async def test_answer_of_an_app_counts_when_it_is_no_browser(
    client: Client,
    database: Database,
    asked: Event[Any],
    path: str,
    published: Published,
    agent: str,
) -> None:
    url = path.replace("/s/", "/w/")
    await client.post(url, json={"score": 9}, headers={"User-Agent": agent})
    assert ScoreBoard(await published(database)).scores == {INVITATION_ID: 9}


async def test_what_is_old_is_forgotten_and_the_rest_kept_when_purged(
    client: Client, database: Database, asked: Event[Any], path: str, clock: ManualClock
) -> None:
    health = Health()
    doorbell = Doorbell(
        url=database.url, schema="response", clock=clock, check=health.check("doorbell")
    )
    runtime = Runtime(database=database, doorbell=doorbell, health=health, clock=clock)
    await client.get(path)
    clock.advance(timedelta(hours=23))
    await client.get(path)
    clock.advance(timedelta(hours=2))
    assert await Purge(runtime).purge() == 1
    assert await count(database, "visit") == 1


@pytest.mark.browser
@pytest.mark.parametrize("width", [1100, 320])
async def test_page_is_accessible_and_fits_when_seen(
    database: Database,
    make_app: Callable[[Database], FastAPI],
    client: Client,
    asked: Event[Any],
    path: str,
    browser: Browser,
    width: int,
) -> None:
    await trap(client, path, comment="Late, cold, and nobody answered. " * 8)
    await trap(client, path, comment="")
    async with serve(make_app(database)) as served:
        page = await browser.new_page(viewport={"width": width, "height": 800})
        await page.goto(served + PAGE)
        assert await faults_anywhere(page, "quarantine", widths=[width]) == []
        await page.get_by_label("Your name").first.fill("Ada")
        await page.get_by_role("button", name="Release").first.click()
        assert "Released." in await page.inner_text("main")
