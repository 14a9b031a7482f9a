"""Cards in the customer's own app: pulled, and put away."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from fastapi import APIRouter
from sqlalchemy import text

from dispatch_service import in_app_api
from dispatch_service.adapters.in_app import InAppAdapter
from dispatch_service.adapters.interface import Reply
from dispatch_service.cards import Shelf
from dispatch_service.cors import origins_in
from dispatch_service.domain.conversation import WaitingFor
from dispatch_service.domain.message import Outcome
from dispatch_service.in_app_api import InApp
from dispatch_service.in_app_stream import Streams
from dispatch_service.in_app_tokens import CustomerTokens, TokenRefused
from dispatch_service.tables import SUPPRESSION
from heardback.bulk import insert_rows
from heardback.db import Database
from heardback.testing.clock import START, ManualClock
from heardback.timers import Timer
from heardback.vocabulary import Channel

from .conftest import Client, Over, Put
from .parcels import KEYS, a_parcel, composers

TOKENS = CustomerTokens(KEYS)
SHOP = "https://shop.example.com"
BASE = "https://dispatch.example.com"


def a_router(origin: str = SHOP) -> APIRouter:
    shelf = Shelf(composers().cards.compose)
    made = InApp(tokens=TOKENS, shelf=shelf, streams=Streams(shelf), base_url=BASE)
    return in_app_api.router(made, origins=frozenset({origin}))


@pytest.fixture
async def client(
    database: Database, app_of: Over, client_of: Client
) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(app_of(database, a_router())) as client:
        yield client


async def token_for(client: httpx2.AsyncClient, customer_id: str = "c1") -> str:
    response = await client.post("/in-app/tokens", json={"customer_id": customer_id})
    assert response.status_code == 201
    return str(response.json()["token"])


async def ids(client: httpx2.AsyncClient, token: str) -> list[str]:
    response = await client.get(f"/in-app/{token}")
    assert response.status_code == 200
    return [card["message_id"] for card in response.json()["cards"]]


# The adapter.


async def test_message_is_there_at_once() -> None:
    adapter = InAppAdapter(compose=composers().cards.compose)
    load = adapter.compose(a_parcel(Channel.IN_APP))
    assert load == adapter.compose(a_parcel(Channel.IN_APP))
    line = adapter.open_line()
    assert await line.send(load) == Reply(outcome=Outcome.SENT, detail="there to be shown")
    await line.close()


# Tokens.


def test_token_says_nothing_of_whose_it_is() -> None:
    token = TOKENS.make("ada@example.com", now=START)
    assert "ada" not in token
    assert "=" not in token
    assert len(token) < 200
    holder = TOKENS.open(token, now=START + timedelta(hours=23))
    assert holder.customer_id == "ada@example.com"
    assert holder.expires_at == START + timedelta(hours=24)


def test_token_lives_on_when_keys_are_rotated() -> None:
    old = CustomerTokens(KEYS[1:]).make("ü", now=START)
    assert TOKENS.open(old, now=START).customer_id == "ü"
    with pytest.raises(TokenRefused):
        CustomerTokens(KEYS[1:]).open(TOKENS.make("ü", now=START), now=START)


@pytest.mark.parametrize(
    "token", ["", "x", "x" * 100, "ü", "a b", "gAAAAA", "\ud800", "%00", "==="]
)
def test_token_is_refused_when_it_is_none_of_ours(token: str) -> None:
    with pytest.raises(TokenRefused):
        TOKENS.open(token, now=START)


def test_token_is_refused_when_its_day_is_over() -> None:
    with pytest.raises(TokenRefused):
        TOKENS.open(TOKENS.make("c1", now=START), now=START + timedelta(hours=24, seconds=1))


async def test_tokens_are_for_trusted_systems(client: httpx2.AsyncClient) -> None:
    response = await client.post(
        "/in-app/tokens", json={"customer_id": "c1"}, headers={"Authorization": ""}
    )
    assert response.status_code == 401
    for body in ({}, {"customer_id": ""}, {"customer_id": "a\x00"}, {"customer_id": "c", "x": 1}):
        assert (await client.post("/in-app/tokens", json=body)).status_code == 422
    half = await client.post("/in-app/tokens", content=b'{"customer_id": "\\ud800"}')
    assert half.status_code == 422


# Cards.


async def test_cards_are_those_that_were_sent_to_the_holder(
    client: httpx2.AsyncClient, put: Put
) -> None:
    token = await token_for(client)
    assert await ids(client, token) == []
    mine = await put(1)
    await put(2)
    await put(3, customer_id="c1", state="queued")
    await put(4, customer_id="c1", channel="webhook")
    later = await put(5, customer_id="c1")
    response = await client.get(f"/in-app/{token}")
    assert response.headers["cache-control"] == "no-store"
    found = response.json()["cards"]
    assert [card["message_id"] for card in found] == [mine, later]
    assert found[0]["question"]
    assert found[0]["dismiss_url"] == f"{BASE}/in-app/{token}/{mine}/dismiss"


async def test_card_is_gone_when_it_is_answered_or_over(
    client: httpx2.AsyncClient, put: Put, database: Database, clock: ManualClock
) -> None:
    token = await token_for(client)
    await put(1, invitation={"answered_at": START})
    await put(2, customer_id="c1", deadline_at=START + timedelta(hours=1))
    assert len(await ids(client, token)) == 1
    clock.advance(timedelta(hours=1))
    assert await ids(client, token) == []


async def test_reminder_stands_in_for_what_it_reminds_of(
    client: httpx2.AsyncClient, put: Put
) -> None:
    token = await token_for(client)
    first = await put(1)
    reminder = await put(1, message_id=f"{first}:r1", kind="reminder")
    assert await ids(client, token) == [reminder]


async def test_follow_up_is_shown_with_the_answered_survey_gone(
    client: httpx2.AsyncClient, put: Put
) -> None:
    token = await token_for(client)
    await put(1, invitation={"answered_at": START})
    said = {"subject": "It is fixed", "text": "Your order is on its way."}
    await put(1, message_id="f1", kind="follow_up", content=said)
    (card,) = (await client.get(f"/in-app/{token}")).json()["cards"]
    assert (card["subject"], card["text"]) == (said["subject"], said["text"])


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        ({"scope": "all", "scoped_to": ""}, 0),
        ({"scope": "channel", "scoped_to": "in_app"}, 0),
        ({"scope": "channel", "scoped_to": "email"}, 1),
        ({"scope": "program", "scoped_to": "post-purchase"}, 0),
        ({"scope": "program", "scoped_to": "another"}, 1),
    ],
)
async def test_nothing_is_shown_to_who_wants_no_more(
    client: httpx2.AsyncClient, put: Put, database: Database, entry: dict[str, str], left: int
) -> None:
    token = await token_for(client)
    await put(1)
    row = {
        "customer_id": "c1",
        "address": "",
        "reason": "unsubscribed",
        "suppressed_at": START,
        **entry,
    }
    async with database.transaction() as tx:
        await insert_rows(tx.connection, SUPPRESSION, [row])
    assert len(await ids(client, token)) == left


# Putting away.


async def test_card_is_put_away_with_what_would_remind_of_it(
    client: httpx2.AsyncClient, put: Put, database: Database
) -> None:
    token = await token_for(client)
    first = await put(1)
    reminder = await put(1, message_id=f"{first}:r1", kind="reminder")
    follow_up = await put(1, message_id="f1", kind="follow_up", content={"text": "Hello"})
    async with database.transaction() as tx:
        for kind in WaitingFor:
            tx.set_timer(Timer(kind=kind, key=first, due_at=START, payload={}))
    for _ in range(2):
        response = await client.post(f"/in-app/{token}/{reminder}/dismiss")
        assert (response.status_code, response.content) == (204, b"")
    assert await ids(client, token) == [follow_up]
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM timer")) == 0
        seen = await connection.scalar(text("SELECT way_out_seen_at FROM invitation"))
    assert seen == START
    await client.post(f"/in-app/{token}/f1/dismiss")
    assert await ids(client, token) == []


async def test_nobody_puts_away_what_is_not_theirs(client: httpx2.AsyncClient, put: Put) -> None:
    mine, other = await put(1), await token_for(client, "c2")
    for message_id in (mine, "unknown", "%20"):
        assert (await client.post(f"/in-app/{other}/{message_id}/dismiss")).status_code == 204
    assert await ids(client, await token_for(client)) == [mine]
    for method, tail in (("GET", ""), ("GET", "/events"), ("POST", f"/{mine}/dismiss")):
        response = await client.request(method, f"/in-app/nonsense{tail}")
        assert response.status_code == 401
        assert response.json()["type"] == "urn:heardback:problem:token-refused"


# Other sites.


async def test_answers_are_open_to_the_origins_that_are_named(
    client: httpx2.AsyncClient, put: Put
) -> None:
    token, card = await token_for(client), await put(1)
    for path, method in ((token, "GET"), ("nonsense", "GET"), (f"{token}/{card}/dismiss", "POST")):
        ours = await client.request(method, f"/in-app/{path}", headers={"Origin": SHOP})
        assert ours.headers["access-control-allow-origin"] == SHOP
        assert "origin" in ours.headers["vary"].lower()
        other = await client.request(
            method, f"/in-app/{path}", headers={"Origin": "https://evil.example.com"}
        )
        assert "access-control-allow-origin" not in other.headers
        assert "access-control-allow-credentials" not in ours.headers


def test_origins_are_read_from_the_setting() -> None:
    listed = origins_in(" https://shop.example.com/, http://127.0.0.1:8103,*,")
    assert listed == {"https://shop.example.com", "http://127.0.0.1:8103", "*"}
    assert origins_in("") == frozenset()
    for wrong in ("shop.example.com", "ftp://a", "https://", "https://a/b"):
        with pytest.raises(ValueError, match="origin"):
            origins_in(wrong)


async def test_answers_are_open_to_all_when_the_setting_says_so(
    database: Database, app_of: Over, client_of: Client
) -> None:
    async with client_of(app_of(database, a_router("*"))) as client:
        response = await client.get("/in-app/nonsense", headers={"Origin": "https://any.example"})
        assert response.status_code == 401
        assert response.headers["access-control-allow-origin"] == "https://any.example"


async def test_newest_cards_are_shown_when_many_old_ones_are_over(
    client: httpx2.AsyncClient, put: Put
) -> None:
    def key(number: int) -> str:
        return f"00000000-0000-7000-8000-{number:012d}"

    over: tuple[dict[str, object], ...] = ({"answered_at": START}, {"state": "dropped"})
    for number in range(24):
        asked = {"invitation_id": key(number), "customer_id": "c1", **over[number % 2]}
        fields = {"invitation_id": key(number), "message_id": key(number), "customer_id": "c1"}
        await put(invitation=asked, **fields)
    for number in range(100, 112):
        asked = {"invitation_id": key(number), "customer_id": "c1"}
        fields = {"invitation_id": key(number), "message_id": key(number), "customer_id": "c1"}
        await put(invitation=asked, **fields)
    assert await ids(client, await token_for(client)) == [key(n) for n in range(102, 112)]
