"""The survey page over HTTP, on a real Postgres: a GET shows, a POST counts, once."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from heardback.db import Database
from heardback.embedded.processes import free_port
from heardback.envelope import Event
from heardback.fast_lane import fast_lane
from heardback.surveys import ready_made
from heardback.testing.builders import TRACEPARENT
from heardback.testing.clock import CountedIds, ManualClock
from heardback.vocabulary import Channel
from response_service.store import invitations
from response_service.store.surveys import KnownSurveys
from response_service.tables import metadata

Published = Callable[[Database], Awaitable[list[Event[Any]]]]
Client = httpx2.AsyncClient


def checked(page: str) -> list[str]:
    return re.findall(r'value="(\d+)"[^>]* checked', page)


async def count(database: Database, table: str) -> int:
    async with database.read() as connection:
        return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", []), ("?score=9", ["9"]), ("?score=0", ["0"]), ("?score=11", []), ("?score=x", [])],
)
async def test_get_preselects_and_records_nothing_when_followed(
    client: Client,
    database: Database,
    published: Published,
    asked: Event[Any],
    path: str,
    query: str,
    expected: list[str],
) -> None:
    page = await client.get(path + query)
    assert (await client.head(path + query)).status_code == page.status_code == 200
    assert checked(page.text) == expected
    assert await count(database, "response_revision") == 0
    assert await published(database) == []


async def test_page_is_small_and_alone_when_loaded(
    client: Client, asked: Event[Any], path: str
) -> None:
    page = await client.get(path)
    assert len(page.content) < 15_000
    assert "<script" not in page.text
    assert not re.findall(r'(?:src|href)="(?!data:,)', page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "form-action 'self'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert "23\xa0February\xa02026" in page.text


async def test_answer_is_recorded_and_owners_alerted_when_a_detractor_submits(
    client: Client, database: Database, published: Published, asked: Event[Any], path: str
) -> None:
    page = await client.post(path, data={"score": "2", "comment": "It broke.\r\nTwice."})
    assert page.status_code == 200
    assert "We are sorry" in page.text and "It broke.\nTwice." in page.text
    recorded, alerted = await published(database)
    assert recorded.type.name == "response.recorded.v1"
    assert alerted.type.name == "detractor.alerted.v1"
    assert recorded.traceparent == alerted.traceparent == TRACEPARENT
    data = recorded.data
    assert (data.score, data.category, data.revision) == (2, "detractor", 1)
    assert (data.comment, data.segment) == ("It broke.\nTwice.", "gold")
    assert (data.previous_category, data.previously_commented) == (None, False)
    assert alerted.data.response_id == data.response_id
    assert alerted.data.recipient.email == "ada@example.com"
    assert alerted.data.channel is Channel.EMAIL


async def test_nothing_new_happens_when_the_same_answer_is_sent_again(
    client: Client, database: Database, published: Published, asked: Event[Any], path: str
) -> None:
    first = await client.post(path, data={"score": "3", "comment": "bad"})
    again = await client.post(path, data={"score": "3", "comment": " bad\r\n"})
    assert first.text == again.text
    assert len(await published(database)) == 2
    assert await count(database, "response_revision") == 1


async def test_history_is_kept_and_one_alert_made_when_the_answer_changes(
    client: Client, database: Database, published: Published, asked: Event[Any], path: str
) -> None:
    answers = [("8", ""), ("4", "why"), ("10", ""), ("1", "again")]
    for score, comment in answers:
        assert (await client.post(path, data={"score": score, "comment": comment})).is_success
    events = await published(database)
    assert [e.type.name.rpartition(".v")[0] for e in events] == [
        "response.recorded",
        "response.revised",
        "detractor.alerted",
        "response.revised",
        "response.revised",
    ]
    assert len({e.data.response_id for e in events}) == 1
    revised = [e.data for e in events if e.type.name.startswith("response.")]
    assert [r.revision for r in revised] == [1, 2, 3, 4]
    assert [r.previous_category for r in revised] == [None, "passive", "detractor", "promoter"]
    assert [r.previously_commented for r in revised] == [False, False, True, False]
    assert await count(database, "response_revision") == 4


async def test_saved_answer_is_shown_and_editable_when_the_link_is_opened_again(
    client: Client, asked: Event[Any], path: str
) -> None:
    await client.post(path, data={"score": "4", "comment": "</textarea><b>hm"})
    page = (await client.get(path)).text
    assert checked(page) == ["4"]
    assert "&lt;/textarea&gt;&lt;b&gt;hm</textarea>" in page
    assert "You answered 4 on 2\xa0March\xa02026" in page
    assert checked((await client.get(path + "?score=9")).text) == ["9"]


async def test_one_response_is_made_when_two_tabs_submit_at_once(
    client: Client, database: Database, published: Published, asked: Event[Any], path: str
) -> None:
    answers = [{"score": "2", "comment": "a"}] * 4 + [{"score": "5", "comment": "b"}] * 4
    pages = await asyncio.gather(*(client.post(path, data=answer) for answer in answers))
    assert {page.status_code for page in pages} == {200}
    events = await published(database)
    names = [e.type.name for e in events]
    assert names.count("response.recorded.v1") == names.count("detractor.alerted.v1") == 1
    revisions = await count(database, "response_revision")
    assert names.count("response.revised.v1") == revisions - 1
    assert len({e.data.response_id for e in events}) == 1


@pytest.mark.parametrize("score", [None, "", "11", "abc"])
async def test_page_comes_back_with_the_comment_when_the_score_is(
    client: Client, database: Database, asked: Event[Any], path: str, score: str | None
) -> None:
    form = {"comment": "my words"} | ({} if score is None else {"score": score})
    page = await client.post(path, data=form)
    assert page.status_code == 422
    assert "Please choose a score." in page.text
    assert "my words</textarea>" in page.text
    assert await count(database, "response_revision") == 0


async def test_comment_is_kept_when_it_is_long_or_strange(
    client: Client, published: Published, database: Database, asked: Event[Any], path: str
) -> None:
    too_long = await client.post(path, data={"score": "9", "comment": "é" * 10_001})
    assert too_long.status_code == 422
    assert "1 characters too long" in too_long.text and "é" * 10_001 in too_long.text
    strange = "🎈" * 9_990 + "\x00שלום"
    assert (await client.post(path, data={"score": "9", "comment": strange})).status_code == 200
    (event,) = await published(database)
    assert event.data.comment == "🎈" * 9_990 + "שלום"


async def test_body_is_refused_when_it_is_huge_or_no_form(
    client: Client, database: Database, asked: Event[Any], path: str
) -> None:
    huge = await client.post(path, content=b"score=9&comment=" + b"x" * 200_000)
    assert huge.status_code == 413 and "shorten" in huge.text
    assert (await client.post(path, content=b"\xff\x00{}")).status_code == 422
    assert (await client.post(path, content=b"a=1&" * 50 + b"score=9")).status_code == 422
    assert await count(database, "response_revision") == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_page_gives_nothing_away_when_the_link_is_wrong(
    client: Client,
    database: Database,
    asked: Event[Any],
    token_of: Callable[..., str],
    path: str,
    method: str,
) -> None:
    stranger = token_of(keys=["not-one-of-our-keys-at-all"])
    wrong = [
        path[:-2] + "xx",
        f"/s/{stranger}",
        "/s/nothing",
        "/s/ü%00",
        "/s/a/b",
        "/s/" + "x" * 5000,
    ]
    pages = [await client.request(method, link, data={"score": "9"}) for link in wrong]
    assert {page.status_code for page in pages} == {404}
    assert len({page.text for page in pages}) == 1
    assert "This link does not work" in pages[0].text
    assert await count(database, "response_revision") == 0


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_page_says_closed_when_the_link_has_expired(
    client: Client,
    database: Database,
    asked: Event[Any],
    clock: ManualClock,
    token_of: Callable[..., str],
    path: str,
    method: str,
) -> None:
    unknown = f"/s/{token_of('00000000-0000-7000-8000-000000000099')}"
    clock.advance(timedelta(days=14))
    known_page = await client.request(method, path, data={"score": "9"})
    unknown_page = await client.request(method, unknown, data={"score": "9"})
    assert known_page.status_code == unknown_page.status_code == 410
    assert known_page.text == unknown_page.text
    assert await count(database, "response_revision") == 0


async def test_link_works_when_the_keys_were_rotated(
    client: Client, asked: Event[Any], token_of: Callable[..., str]
) -> None:
    old = token_of(keys=["an-older-key-long-enough"])
    assert (await client.get(f"/s/{old}")).status_code == 200


async def test_page_asks_to_wait_when_the_invitation_has_not_arrived(
    client: Client, path: str
) -> None:
    page = await client.get(path)
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    sent = await client.post(path, data={"score": "9", "comment": "my words"})
    assert sent.status_code == 503
    assert "my words</textarea>" in sent.text and checked(sent.text) == ["9"]
    assert 'http-equiv="refresh"' not in page.text + sent.text  # it would throw words away


async def test_words_are_kept_when_the_database_is_away(
    make_app: Callable[[Database], FastAPI], clock: ManualClock, path: str
) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    away = Database(nowhere, service="response", clock=clock, ids=CountedIds())
    transport = httpx2.ASGITransport(app=fast_lane(make_app(away)))
    async with httpx2.AsyncClient(transport=transport, base_url="https://s.example.com") as client:
        assert (await client.get(path)).status_code == 503
        page = await client.post(path, data={"score": "3", "comment": quote("words")})
        assert page.status_code == 503
        assert "words</textarea>" in page.text and "send it again" in page.text
        unscored = await client.post(path, data={"comment": "words"})
        assert unscored.status_code == 503 and "words</textarea>" in unscored.text
    await away.close()


async def test_invitation_is_kept_once_when_its_event_repeats(
    database: Database,
    requested: Callable[..., Event[Any]],
    take: Callable[..., Awaitable[None]],
) -> None:
    await take(database, requested(), requested())
    await take(database, requested())
    assert await count(database, "invitation") == 1


async def test_surveys_that_are_asked_now_stay_when_there_are_too_many_to_keep(
    database: Database,
    requested: Callable[..., Event[Any]],
    take: Callable[..., Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("response_service.store.surveys._MOST", 2)
    ids = [f"00000000-0000-7000-8000-00000000000{n}" for n in range(1, 5)]
    pinned = [requested(invitation_id=key, survey_version=n) for n, key in enumerate(ids, start=2)]
    await take(database, *pinned)
    document = orjson.dumps(dict(ready_made()["nps"].document)).decode()
    async with database.transaction() as tx:
        for version in range(2, 6):
            await tx.connection.execute(
                text("""
                    INSERT INTO survey_version
                    VALUES ('nps', :version, CAST(:document AS jsonb), :digest, :now, 'ada')
                """),
                {
                    "version": version,
                    "document": document,
                    "digest": str(version),
                    "now": tx.now,
                },
            )
        asked = await invitations.load(tx.connection, ids)
        first, second, third, fourth = (asked[key] for key in ids)
        surveys = KnownSurveys()
        await surveys.fetch(tx.connection, [first, second])
        await surveys.fetch(tx.connection, [first, third])
        assert [i is None for i in map(surveys.of, asked.values())].count(True) == 2
        assert surveys.of(first) and surveys.of(third)
        await surveys.fetch(tx.connection, [fourth])
        assert surveys.of(third) and surveys.of(fourth) and not surveys.of(first)


async def test_schema_is_what_the_tables_say_when_migrated(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    async with database.read() as connection:
        differences = await connection.run_sync(
            lambda c: compare_metadata(MigrationContext.configure(c), metadata)
        )
    assert differences == []
