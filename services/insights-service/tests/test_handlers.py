"""Handlers on a real Postgres: each corner of what is repeated, revised and late."""

from datetime import timedelta
from typing import Any

from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select

from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.db import Database
from heardback.envelope import Event
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.vocabulary import category_of
from insights_service import queries
from insights_service.domain.scope import Scope
from insights_service.tables import RESPONSE

ABOUT = {"customer_id": "c1", "program_id": "shop", "touchpoint": "purchase", "segment": "smb"}


def a_response(score: int, *, revision: int = 1, days: int = 0, **data: Any) -> Event[Payload]:
    recorded = registry.RESPONSE_RECORDED if revision == 1 else registry.RESPONSE_REVISED
    fields = {
        "response_id": "r1",
        "invitation_id": "i1",
        "survey_id": "nps",
        "channel": "email",
        "revision": revision,
        "score": score,
        "category": category_of(score),
        "answered_at": START + timedelta(days=days),
    }
    return an_event(recorded, id=f"response-{revision}", **{**ABOUT, **fields, **data})


async def counted(database: Database, **scope: Any) -> dict[str, int]:
    async with database.read() as connection:
        counts = await queries.counts(connection, Scope(**scope))
    return {str(measure): n for (measure, _), n in counts.cells.items() if n}


async def test_revision_moves_a_response_to_its_new_group(database: Database, apply: Any) -> None:
    await apply([a_response(2, comment="Late.")])
    await apply([a_response(9, revision=2)])
    assert await counted(database) == {"promoter": 1}


async def test_earlier_revision_changes_nothing_when_it_comes_later(
    database: Database, apply: Any
) -> None:
    await apply([a_response(9, revision=3, comment="All good now.")])
    await apply([a_response(2, comment="Late."), a_response(7, revision=2)])
    assert await counted(database) == {"promoter": 1, "commented": 1}


async def test_revisions_of_one_batch_count_once(database: Database, apply: Any) -> None:
    await apply([a_response(9, revision=2), a_response(2), a_response(9, revision=2)])
    assert await counted(database) == {"promoter": 1}


async def test_response_counts_on_the_day_of_its_last_revision(
    database: Database, apply: Any
) -> None:
    await apply([a_response(2)])
    await apply([a_response(9, revision=2, days=3)])
    assert await counted(database, last_day=START.date()) == {}
    assert await counted(database, first_day=START.date() + timedelta(days=3)) == {"promoter": 1}


async def test_comment_of_blanks_is_none(database: Database, apply: Any) -> None:
    await apply([a_response(2, comment=" \n ")])
    assert await counted(database) == {"detractor": 1}


async def test_words_of_customers_are_not_kept(database: Database, apply: Any) -> None:
    await apply([a_response(2, comment="My number is 555-0100.")])
    async with database.read() as connection:
        row = (await connection.execute(select(RESPONSE))).one()
    assert "555" not in str(row)


async def test_segment_that_is_not_named_counts_too(database: Database, apply: Any) -> None:
    await apply([a_response(9, segment=None)])
    assert await counted(database) == {"promoter": 1}
    assert await counted(database, segment="smb") == {}


async def test_figures_ring_when_they_change_and_only_then(database: Database, apply: Any) -> None:
    statements = _statements(database)
    await apply([a_response(9)])
    assert any("pg_notify" in statement for statement in statements)
    statements.clear()
    await apply([a_response(9)])
    assert not any("pg_notify" in statement for statement in statements)


async def test_statements_are_as_many_for_a_large_batch_as_for_a_small_one(
    database: Database, apply: Any, tell: Any
) -> None:
    statements = _statements(database)
    counts = []
    for customers in (60, 600):
        events = tell(seed=customers, customers=customers, until=START).events
        await apply(events)
        counts.append(len(statements))
        statements.clear()
        await apply(events)
        counts.append(len(statements))
        statements.clear()
    assert counts == [16, 7, 16, 7]


def _statements(database: Database) -> list[str]:
    heard: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        heard.append(statement)

    sqlalchemy_event.listen(database.engine.sync_engine, "before_cursor_execute", listen)
    return heard
