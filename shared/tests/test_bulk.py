"""Rows in bulk: every kind of value arrives as it left."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from heardback.bulk import insert_new_rows, insert_rows, upsert_rows
from heardback.db import Database
from heardback.vocabulary import Channel

THING = Table(
    "thing",
    MetaData(),
    Column("order", Text, primary_key=True),
    Column("group", Integer, primary_key=True),
    *(Column(name, Text) for name in ("words", "word")),
    *(Column(name, kind()) for name, kind in {"huge": BigInteger, "tiny": SmallInteger}.items()),
    Column("holds", Boolean),
    Column("ratio", Float),
    Column("day", Date),
    Column("at", DateTime(timezone=True)),
    Column("lasts", Interval),
    Column("raw", LargeBinary),
    Column("data", JSONB),
)
"""A column of each type that a service has; two names are reserved words."""

FULL: dict[str, Any] = {
    "order": "o-1",
    "group": 1,
    "words": '"quoted", {braced}, back\\slash,\ttab\nline, Zoë 🎈, :colon, %s',
    "word": Channel.EMAIL,
    "huge": 2**63 - 1,
    "tiny": -(2**15),
    "holds": False,
    "ratio": 0.1,
    "day": date(2024, 2, 29),
    "at": datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC),
    "lasts": timedelta(days=-3, hours=5, microseconds=7),
    "raw": b"\x00\xff\\",
    "data": {"a": [1, None, {"b": "ü\\"}], "c": 1.5},
}
EMPTY: dict[str, Any] = {**dict.fromkeys(FULL), "order": "", "group": 2}


@pytest.fixture
async def things(database: Database) -> AsyncIterator[Database]:
    async with database.engine.begin() as connection:
        await connection.run_sync(THING.create, checkfirst=True)
    yield database


async def found(database: Database) -> list[dict[str, Any]]:
    async with database.read() as connection:
        rows = await connection.execute(select(THING).order_by(THING.c.group))
        return [dict(row) for row in rows.mappings()]


async def test_every_value_arrives_as_it_left(things: Database) -> None:
    async with things.transaction() as tx:
        await insert_rows(tx.connection, THING, [FULL, EMPTY])
    assert await found(things) == [FULL, EMPTY]


async def test_columns_are_known_when_their_names_come_from_the_table(things: Database) -> None:
    async with things.transaction() as tx:
        row = {column.name: FULL[column.name] for column in THING.c}
        await insert_rows(tx.connection, THING, [row])
    assert await found(things) == [FULL]


async def test_only_new_keys_are_inserted_and_returned_when_some_are_there(
    things: Database,
) -> None:
    key = ("order", "group")
    async with things.transaction() as tx:
        assert await insert_new_rows(tx.connection, THING, [FULL], key=key) == {("o-1", 1)}
        again = [{**FULL, "words": "later"}, EMPTY, {**EMPTY, "words": "twice in one batch"}]
        assert await insert_new_rows(tx.connection, THING, again, key=key) == {("", 2)}
    assert await found(things) == [FULL, EMPTY]


async def test_columns_that_are_named_are_replaced_when_the_key_is_there(things: Database) -> None:
    async with things.transaction() as tx:
        await insert_rows(tx.connection, THING, [FULL])
        changed = {"order": "o-1", "group": 1, "words": "later", "data": None}
        await upsert_rows(tx.connection, THING, [changed], key=("order", "group"))
    assert await found(things) == [{**FULL, **changed}]


async def test_nothing_happens_when_there_are_no_rows(things: Database) -> None:
    async with things.transaction() as tx:
        await insert_rows(tx.connection, THING, [])
        await upsert_rows(tx.connection, THING, [], key=("order", "group"))
        assert await insert_new_rows(tx.connection, THING, [], key=("order", "group")) == set()
    assert await found(things) == []
