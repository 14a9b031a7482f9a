"""The way out, over HTTP: a page that asks, a POST that acts, once."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from heardback.db import Database
from heardback.embedded.processes import free_port
from heardback.envelope import Event
from heardback.testing.clock import CountedIds, ManualClock
from heardback.words import LOCALES, words_of

Ask = Callable[..., Awaitable[str]]
Published = Callable[[], Awaitable[list[Event[Any]]]]
Listed = Callable[[], Awaitable[list[tuple[str, ...]]]]
WayOut = Callable[..., str]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


async def way_out_seen(database: Database) -> bool:
    async with database.read() as connection:
        seen = await connection.scalar(text("SELECT way_out_seen_at FROM invitation"))
    return seen is not None


@pytest.mark.parametrize("method", ["HEAD", "GET"])
async def test_page_asks_and_stops_nothing_when_it_is_opened(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    published: Published,
    listed: Listed,
    method: str,
) -> None:
    await asked()
    response = await client.request(method, way_out())
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert await published() == []
    assert await listed() == []


async def test_no_reminder_follows_when_the_way_out_was_opened_by_somebody(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut, database: Database
) -> None:
    await asked()
    await client.head(way_out())
    await client.get(way_out(), headers={"user-agent": "ExampleBot/1.0 (+https://example.com)"})
    await client.get(way_out(), headers={"sec-purpose": "prefetch"})
    assert not await way_out_seen(database)
    await client.get(way_out(), headers={"user-agent": "Mozilla/5.0 (X11; Linux x86_64)"})
    assert await way_out_seen(database)


@pytest.mark.parametrize(
    "request_body",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},
        {"content": b"List-Unsubscribe=One-Click"},
        {"content": b"\xff\xfe\x00 nonsense"},
        {"content": b"x" * 100_000},
        {},
    ],
    ids=["form", "multipart", "bare", "nonsense", "large", "empty"],
)
async def test_everything_stops_once_when_a_mail_program_posts(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    published: Published,
    listed: Listed,
    request_body: dict[str, Any],
) -> None:
    key = await asked()
    for _ in range(2):
        response = await client.post(way_out(), **request_body)
        assert response.status_code == 200  # no redirect
        assert "You are off the list" in response.text
    (event,) = await published()
    assert event.type.name == "recipient.unsubscribed.v1"
    assert (event.data.invitation_id, event.data.customer_id) == (key, "c1")
    assert (event.data.scope, event.data.scoped_to) == ("all", None)
    assert event.data.reason == "unsubscribed"
    assert await listed() == [("c1", "c1@example.com", "all", "", "unsubscribed")]
    assert "You are off the list" in (await client.get(way_out())).text


async def test_request_of_a_mail_program_is_obeyed_when_it_is_as_short_as_the_standard_has_it(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut, listed: Listed
) -> None:
    """Source: RFC 8058, section 3.2, and what Google asks of senders."""
    await asked()
    form = {"content-type": "application/x-www-form-urlencoded", "content-length": "26"}
    response = await client.post(way_out(), content=b"List-Unsubscribe=One-Click", headers=form)
    assert response.status_code == 200
    assert [row[2] for row in await listed()] == ["all"]


@pytest.mark.parametrize(
    ("scope", "to"),
    [("type", "transactional"), ("program", "post-purchase"), ("channel", "email")],
)
async def test_only_what_was_chosen_stops_when_the_form_is_sent(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    published: Published,
    listed: Listed,
    scope: str,
    to: str,
) -> None:
    await asked()
    response = await client.post(way_out(), data={"scope": scope})
    assert response.status_code == 200
    assert "That has stopped" in response.text
    assert await listed() == [("c1", "c1@example.com", scope, to, "unsubscribed")]
    (event,) = await published()
    assert (event.data.scope, event.data.scoped_to) == (scope, to)
    page = (await client.get(way_out())).text
    assert f'value="{scope}"' not in page
    assert "You stopped this before" in page


@pytest.mark.parametrize("scope", ["", "everything", "type"])
async def test_page_asks_again_when_there_is_no_such_choice(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut, listed: Listed, scope: str
) -> None:
    await asked(program_type=None)
    response = await client.post(way_out(), data={"scope": scope, "action": "stop"})
    assert response.status_code == 422
    assert 'value="type"' not in response.text
    assert await listed() == []


async def test_customer_is_asked_again_when_they_take_it_back(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut, published: Published, listed: Listed
) -> None:
    await asked()
    for scope in ("channel", "all"):
        await client.post(way_out(), data={"scope": scope})
    for _ in range(2):
        response = await client.post(way_out(), data={"scope": "all", "action": "back"})
        assert "Good to have you back" in response.text
    assert [row[2] for row in await listed()] == ["channel"]
    await client.post(way_out(), data={"action": "back"})
    assert await listed() == []
    names = [(event.type.family, event.data.scope) for event in await published()]
    assert sorted(names) == [
        ("recipient.resubscribed", "all"),
        ("recipient.resubscribed", "channel"),
        ("recipient.unsubscribed", "all"),
        ("recipient.unsubscribed", "channel"),
    ]


async def test_page_offers_no_return_when_one_of_us_put_them_on_the_list(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    listed: Listed,
    key: tuple[str, str],
) -> None:
    await asked()
    machine = {"Authorization": f"Bearer {key[0]}"}
    added = await client.post("/suppressions", json={"customer_id": "c1"}, headers=machine)
    assert added.status_code == 201
    page = (await client.get(way_out())).text
    assert "You are off the list" in page
    assert "<button" not in page
    await client.post(way_out(), data={"action": "back"})
    assert await listed() == [("c1", "", "all", "", "manual")]


@pytest.mark.parametrize("locale", LOCALES)
async def test_page_speaks_the_customers_language_when_it_is_known(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut, locale: str
) -> None:
    await asked(locale=f"{locale}-XX")
    page = (await client.get(way_out(), headers={"accept-language": "pl"})).text
    words = words_of(locale)
    assert f'<html lang="{locale}" dir="{words.direction}">' in page
    for key in ("title", "question", "all", "type_transactional", "program", "channel_email"):
        assert words[f"preferences.{key}"] in page
    done = (await client.post(way_out(), data={"scope": "all"})).text
    assert words["preferences.left_all_title"] in done


async def test_page_speaks_the_browsers_language_when_the_customers_is_unknown(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut
) -> None:
    await asked(locale=None)
    page = (await client.get(way_out(), headers={"accept-language": "fr-CA,en;q=0.5"})).text
    assert '<html lang="fr"' in page


@pytest.mark.parametrize(
    "columns",
    [
        {"channels": ["sms"], "channel": "sms", "email": None},
        {"channels": ["in_app"], "channel": "in_app", "email": None, "phone": None},
        {"channels": ["webhook", "email"], "channel": None, "program_type": "relational"},
    ],
)
async def test_choices_are_about_the_conversation_when_it_is_elsewhere(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    listed: Listed,
    columns: dict[str, Any],
) -> None:
    await asked(**{**columns, "channel": columns["channel"] or columns["channels"][0]})
    assert (await client.get(way_out())).status_code == 200
    await client.post(way_out(), data={"scope": "channel"})
    address = "+493012345601" if columns["channel"] == "sms" else ""
    assert await listed() == [("c1", address, "channel", columns["channels"][0], "unsubscribed")]


async def test_link_works_when_it_is_old_and_its_key_too(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut, clock: ManualClock
) -> None:
    await asked()
    clock.advance(timedelta(days=3650))
    assert (await client.post(way_out(key="an-older-key-long-enough"))).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_page_says_nothing_when_the_link_is_not_ours(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    listed: Listed,
    method: str,
) -> None:
    path = way_out()
    unknown = await client.request(method, path)  # signed by us, but there is no such invitation
    await asked()
    tampered = path[:-1] + ("A" if path[-1] != "A" else "B")
    for other in (tampered, way_out(purpose="survey"), way_out(key="nobodys-key-that-is-long")):
        response = await client.request(method, other)
        assert response.status_code == 404
        assert response.text == unknown.text
    assert unknown.status_code == 404
    assert await listed() == []


async def test_page_asks_to_wait_when_the_database_is_away(
    open_client: Any, clock: ManualClock, way_out: WayOut
) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    away = Database(nowhere, service="dispatch", clock=clock, ids=CountedIds())
    async with open_client(over=away) as client:
        response = await client.get(way_out())
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert (await client.post(way_out())).status_code == 503
    await away.close()


async def test_page_is_small_when_everything_is_on_it(
    client: httpx2.AsyncClient, asked: Ask, way_out: WayOut
) -> None:
    await asked(locale="ar")
    await client.post(way_out(), data={"scope": "channel"})
    assert len((await client.get(way_out())).content) < 15_000


async def test_address_of_the_mail_is_listed_when_the_conversation_has_left_it(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    database: Database,
    listed: Listed,
) -> None:
    await asked(channels=["email", "sms"])
    async with database.transaction() as tx:
        await tx.connection.execute(text("UPDATE invitation SET channel = 'sms'"))
    await client.post(way_out(), data=ONE_CLICK)
    await client.post(way_out(), data={"scope": "channel"})
    assert await listed() == [
        ("c1", "c1@example.com", "all", "", "unsubscribed"),
        ("c1", "c1@example.com", "channel", "email", "unsubscribed"),
    ]
    await client.post(way_out(), data={"action": "back"})
    assert await listed() == []


async def test_what_one_of_us_said_stays_when_the_customer_says_so_too_and_takes_it_back(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: WayOut,
    published: Published,
    listed: Listed,
    key: tuple[str, str],
) -> None:
    await asked()
    ours = ("c1", "c1@example.com", "all", "", "manual")
    theirs = [
        ("", "c1@example.com", "all", "", "unsubscribed"),
        ("c1", "", "all", "", "unsubscribed"),
    ]
    added = await client.post(
        "/suppressions",
        json={"customer_id": "c1", "address": "c1@example.com"},
        headers={"Authorization": f"Bearer {key[0]}"},
    )
    assert added.status_code == 201
    for _ in range(2):
        await client.post(way_out(), data=ONE_CLICK)
        assert await listed() == [theirs[0], theirs[1], ours]
    assert [event.type.family for event in await published()] == ["recipient.unsubscribed"]
    await client.post(way_out(), data={"action": "back"})
    assert await listed() == [ours]
