"""What comes by other ways than the page: short links, replies, the widget, trusted systems."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from heardback import timers
from heardback.contracts import registry
from heardback.db import Database
from heardback.envelope import Event
from heardback.fast_lane import fast_lane
from heardback.security import short_code
from heardback.testing.builders import an_event
from heardback.testing.clock import START, ManualClock
from heardback.testing.people import BROWSER_HEADERS
from response_service.handlers import Handlers

from .conftest import API_KEY, INVITATION_ID, KEYS
from .score_board import ScoreBoard

Published = Callable[[Database], Awaitable[list[Event[Any]]]]
Take = Callable[..., Awaitable[None]]
Client = httpx2.AsyncClient
CALLER = {"Authorization": f"Bearer {API_KEY}"}


@pytest.fixture
def board(database: Database, published: Published) -> Callable[[], Awaitable[ScoreBoard]]:
    async def read() -> ScoreBoard:
        return ScoreBoard(await published(database))

    return read


Board = Callable[[], Awaitable[ScoreBoard]]


async def count(database: Database, table: str) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def reply(text: str, *, after: float = 60, number: int = 1, **data: Any) -> Event[Any]:
    return an_event(
        registry.REPLY_RECEIVED,
        customer_id="c1",
        invitation_id=INVITATION_ID,
        reply_id=f"reply-{number}",
        channel="sms",
        text=text,
        received_at=START + timedelta(seconds=after),
        **data,
    )


def sent(channel: str = "sms") -> Event[Any]:
    return an_event(
        registry.INVITATION_SENT,
        customer_id="c1",
        invitation_id=INVITATION_ID,
        program_id="post-purchase",
        touchpoint="purchase",
        channel=channel,
        provider="one",
        message_id="m1",
        sent_at=START,
    )


# Short links.


@pytest.fixture
async def texted(database: Database, take: Take, requested: Callable[..., Event[Any]]) -> None:
    await take(database, requested(channels=["email", "sms"]))


@pytest.mark.parametrize("key", KEYS)
async def test_row_25_short_link_is_as_good_as_a_long_one_when_its_key_is(
    client: Client, texted: None, board: Board, key: str
) -> None:
    link = f"/c/{short_code(key, INVITATION_ID)}"
    assert (await client.head(link)).status_code == 200
    assert 'value="9"' in (await client.get(f"{link}?score=9")).text
    assert (await client.post(link, data={"score": "9", "comment": ""})).status_code == 200
    assert (await board()).scores == {INVITATION_ID: 9}


async def test_nothing_tells_a_wrong_code_from_a_tampered_link_when_guessed(
    client: Client, texted: None, asked: Event[Any]
) -> None:
    right = short_code(KEYS[0], INVITATION_ID)
    other = short_code("a-strangers-key-long-enough", INVITATION_ID)
    wrong = [other, right.swapcase(), right[:-1], right + "1", "0" * 10, "ü" * 10, "%00" * 10, "-"]
    pages = [await client.get(f"/c/{code}") for code in wrong]
    pages += [await client.get("/s/tampered"), await client.get("/c"), await client.get("/c/")]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1


async def test_short_link_is_closed_when_its_time_is_over(
    client: Client, texted: None, clock: ManualClock, database: Database
) -> None:
    clock.advance(timedelta(days=14))
    assert (await client.get(f"/c/{short_code(KEYS[0], INVITATION_ID)}")).status_code == 410


async def test_no_code_is_kept_when_no_text_message_goes_out(
    asked: Event[Any], database: Database
) -> None:
    assert await count(database, "short_code") == 0


# Replies.


async def test_row_25_reply_counts_when_it_has_a_score(
    database: Database, take: Take, asked: Event[Any], published: Published
) -> None:
    await take(database, sent(), reply("3 took far too long"))
    recorded, alerted = await published(database)
    assert (recorded.data.score, recorded.data.comment) == (3, "took far too long")
    assert (recorded.data.channel, alerted.type.name) == ("sms", "detractor.alerted.v1")


async def test_reply_changes_nothing_when_it_comes_again_or_is_older(
    client: Client,
    database: Database,
    take: Take,
    asked: Event[Any],
    path: str,
    clock: ManualClock,
    board: Board,
) -> None:
    clock.advance(timedelta(minutes=2))
    await take(database, reply("9 great"), reply("9 great"))
    await client.post(path, data={"score": "4", "comment": "Not so great."})
    await take(database, reply("9 great"))
    assert (await board()).scores == {INVITATION_ID: 4}


async def test_words_join_the_score_when_they_come_in_two_texts(
    database: Database, take: Take, asked: Event[Any], board: Board
) -> None:
    await take(database, reply("nice people", after=10))
    await take(database, reply("9", after=20, number=2), reply("so fast", after=30, number=3))
    await take(database, reply("and cheap", after=40, number=4), reply("10", after=50, number=5))
    answer = (await board()).answers[INVITATION_ID]
    assert (answer.score, answer.comment) == (10, "so fast\nand cheap")


async def test_channel_and_reply_wait_when_they_come_before_the_invitation(
    database: Database,
    take: Take,
    requested: Callable[..., Event[Any]],
    handlers: Handlers,
    clock: ManualClock,
    published: Published,
) -> None:
    async def fire() -> None:
        clock.advance(timedelta(seconds=6))
        async with database.transaction() as tx:
            due = await timers.claim_due(tx.connection, now=tx.now, limit=10)
            await handlers.on_early(tx, due)

    await take(database, sent("sms"), reply("9", after=1), reply("8", after=2, number=2))
    await fire()
    assert await published(database) == []
    await take(database, requested())
    await fire()
    first, second = await published(database)
    assert (first.data.score, second.data.score, second.data.channel) == (9, 8, "sms")
    assert await count(database, "timer") == 0
    async with database.read() as connection:
        assert await connection.scalar(text("SELECT channel FROM invitation")) == "sms"


# The widget.


async def test_row_36_widget_answers_first_in_part_then_in_full(
    client: Client, asked: Event[Any], token_of: Callable[..., str], board: Board
) -> None:
    link = f"/w/{token_of()}"
    first = await client.post(link, content='{"score": 7}', headers={"Content-Type": "text/plain"})
    assert first.json() == {"saved": True, "score": 7, "category": "passive"}
    await client.post(link, json={"score": 7, "comment": "Fine."})
    await client.post(link, json={"score": 8})
    answer = (await board()).answers[INVITATION_ID]
    assert (answer.score, answer.comment, answer.channel) == (8, "Fine.", "in_app")
    assert answer.revision == 3


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 422),
        ("[]", 422),
        ("{}", 422),
        ('{"score": true}', 422),
        ('{"score": 11}', 422),
        ('{"score": 9.5}', 422),
        ('{"score": 9, "comment": 5}', 422),
        ('{"score": 9, "drivers": []}', 422),
        ('{"score": 9, "comment": "\\ud800"}', 422),
        ('{"score": 9, "t": "x", "drivers": {"a": {}}}', 200),
        ('{"score": 9, "t": 1e999, "comment": ""}', 422),
        ("x" * 200_000, 413),
    ],
)
async def test_widget_says_what_is_wrong_when_the_body_is(
    client: Client, asked: Event[Any], token_of: Callable[..., str], body: str, status: int
) -> None:
    answer = await client.post(f"/w/{token_of()}", content=body)
    assert answer.status_code == status
    if status != 200:
        assert answer.json()["status"] == status


async def test_page_may_read_the_widgets_answer_when_its_origin_is_ours(
    database: Database,
    make_app: Callable[..., FastAPI],
    asked: Event[Any],
    token_of: Callable[..., str],
    clock: ManualClock,
) -> None:
    app = make_app(database, widget_origins="https://app.example.com")
    transport = httpx2.ASGITransport(app=fast_lane(app))
    async with Client(transport=transport, base_url="https://s", headers=BROWSER_HEADERS) as http:
        for origin, allowed in (("https://app.example.com", True), ("https://evil.test", False)):
            answer = await http.post(
                f"/w/{token_of()}", content='{"score": 9}', headers={"Origin": origin}
            )
            assert ("access-control-allow-origin" in answer.headers) is allowed
        assert (await http.post("/w/none", content='{"score": 9}')).status_code == 404
        clock.advance(timedelta(days=14))
        assert (await http.post(f"/w/{token_of()}", content='{"score": 9}')).status_code == 410


# Trusted systems.


def key(value: str) -> dict[str, str]:
    return {**CALLER, "Idempotency-Key": value}


CONTACT = {"customer_id": "c9", "program_id": "kiosk", "touchpoint": "store-visit"}


@pytest.fixture
async def published_surveys(database: Database) -> None:
    from response_service import survey_store

    await survey_store.publish_ready_made(database)


async def test_direct_answer_is_recorded_once_when_sent_again(
    client: Client, published_surveys: None, board: Board
) -> None:
    body = {**CONTACT, "score": 2, "comment": "Queue.", "recipient": {"phone": "+4930123456"}}
    first = await client.post("/responses", json=body, headers=key("a"))
    again = await client.post("/responses", json=body, headers=key("a"))
    assert (first.status_code, first.json()["change"]) == (201, "recorded")
    assert (again.status_code, again.json()) == (201, first.json())
    other = await client.post("/responses", json=body, headers=key("b"))
    assert other.json()["invitation_id"] != first.json()["invitation_id"]


async def test_direct_answer_to_an_invitation_revises_it_when_there_is_one(
    client: Client, asked: Event[Any], path: str, published: Published, database: Database
) -> None:
    await client.post(path, data={"score": "9", "comment": ""})
    body = {"invitation_id": INVITATION_ID, "score": 5}
    answer = (await client.post("/responses", json=body, headers=key("a"))).json()
    assert (answer["change"], answer["revision"], answer["category"]) == ("revised", 2, "detractor")
    names = [e.type.name for e in await published(database)]
    assert names[-2:] == ["response.revised.v1", "detractor.alerted.v1"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, {**CONTACT, "score": 5}, 401),
        ({"Authorization": "Bearer hb_wrong"}, {**CONTACT, "score": 5}, 401),
        (CALLER, {**CONTACT, "score": 5}, 400),
        (key("k" * 201), {**CONTACT, "score": 5}, 400),
        (key("k"), {"score": 5}, 422),
        (key("k"), {**CONTACT, "invitation_id": "i", "score": 5}, 422),
        (key("k"), {**CONTACT, "score": 11}, 422),
        (key("k"), {**CONTACT, "score": "5"}, 422),
        (key("k"), {**CONTACT, "score": 6, "survey_id": "support-csat"}, 422),
        (key("k"), {**CONTACT, "score": 6, "survey_id": "none"}, 422),
        (key("k"), {**CONTACT, "score": 5, "drivers": {"unasked": 5}}, 422),
        (key("k"), {**CONTACT, "score": 5, "comment": "\ud800"}, 422),
        (key("k"), {**CONTACT, "score": 5, "more": 1}, 422),
        (key("k"), {"invitation_id": "unknown", "score": 5}, 404),
    ],
)
async def test_direct_answer_is_refused_when_it_is(
    client: Client,
    published_surveys: None,
    headers: dict[str, str],
    body: dict[str, Any],
    status: int,
    database: Database,
) -> None:
    import json

    content = json.dumps(body)
    told = {**headers, "Content-Type": "application/json"}
    answer = await client.post("/responses", content=content, headers=told)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    again = await client.post("/responses", content=content, headers=told)
    assert again.json() == answer.json()
    assert await count(database, "invitation") == 0


async def test_key_is_refused_when_it_came_with_something_else(
    client: Client, published_surveys: None, clock: ManualClock
) -> None:
    await client.post("/responses", json={**CONTACT, "score": 5}, headers=key("a"))
    other = await client.post("/responses", json={**CONTACT, "score": 6}, headers=key("a"))
    assert (other.status_code, other.json()["type"]) == (422, "urn:heardback:problem:key-reused")
    clock.advance(timedelta(days=1, seconds=1))
    later = await client.post("/responses", json={**CONTACT, "score": 6}, headers=key("a"))
    assert later.status_code == 201


async def test_request_is_refused_when_the_same_is_under_way(
    client: Client, published_surveys: None, database: Database
) -> None:
    from response_service.store import submissions
    from response_service.store.submissions import RequestKey

    body = {**CONTACT, "score": 5}
    async with database.transaction() as tx:
        mine = RequestKey(api_key="kiosk", idempotency_key="a")
        assert await submissions.try_lock(tx.connection, mine)
        answer = await client.post("/responses", json=body, headers=key("a"))
        assert answer.status_code == 409
    answers = await asyncio.gather(
        *(client.post("/responses", json=body, headers=key("a")) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await count(database, "invitation") == 1


# Limits.


async def test_row_35_requests_are_turned_away_when_they_are_too_many(
    database: Database, make_app: Callable[..., FastAPI], asked: Event[Any], path: str
) -> None:
    app = make_app(database, limit_per_link="3/minute", limit_per_address="6/minute")
    transport = httpx2.ASGITransport(app=fast_lane(app))
    async with Client(transport=transport, base_url="https://s", headers=BROWSER_HEADERS) as http:
        looks = [(await http.get(path)).status_code for _ in range(4)]
        # Whoever follows links takes no answer from a person.
        answers = [await http.post(path, data={"score": str(score)}) for score in (9, 8, 7, 3)]
        assert looks == [page.status_code for page in answers] == [200, 200, 200, 429]
        assert int(answers[-1].headers["retry-after"]) > 0
        guesses = [(await http.get(f"/s/guess-{n}")).status_code for n in range(3)]
        assert guesses == [404, 404, 429]
    assert await count(database, "response_revision") == 3
