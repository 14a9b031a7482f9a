"""Many rows in one statement: they travel as one JSON text, which Postgres takes apart.

One round trip and one plan whatever the number of rows, which is where a batch gains its speed.
JSON, and not an array for each column: asyncpg looks at each element of an array several times,
which takes five times as long as writing JSON, and Postgres reads the one as fast as the other.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import orjson
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.driver import fetch

Row = Mapping[str, Any]
"""A value for each column. A `jsonb` column takes plain data; None is NULL in every column."""
_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
_QUOTE: Final = _DIALECT.identifier_preparer.quote


def json_text(value: object) -> str:
    """Return `value` as JSON text."""
    # SQLAlchemy's column names are of a subclass of str.
    return orjson.dumps(value, default=_text_of, option=orjson.OPT_NON_STR_KEYS).decode()


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`, which all name the same columns. No rows: nothing is done."""
    if rows:
        await fetch(connection, _insert(table, tuple(rows[0])), json_text(rows))


async def insert_new_rows(
    connection: AsyncConnection, table: Table, rows: Sequence[Row], *, key: Sequence[str]
) -> set[tuple[Any, ...]]:
    """Insert the rows whose `key` is not there yet; return the keys that were new.

    This is how a repeated event is dropped: `key` is its natural key.
    """
    if not rows:
        return set()
    statement = _insert_new(table, tuple(rows[0]), tuple(key))
    return {tuple(row) for row in await fetch(connection, statement, json_text(rows))}


async def upsert_rows(
    connection: AsyncConnection, table: Table, rows: Sequence[Row], *, key: Sequence[str]
) -> None:
    """Insert `rows`, or replace their other columns where `key` is there already.

    `rows` must not name a key twice: Postgres refuses to touch a row twice in one statement.
    """
    if rows:
        statement = _upsert(table, tuple(rows[0]), tuple(key))
        await fetch(connection, statement, json_text(rows))


@lru_cache(maxsize=256)
def _insert(table: Table, names: tuple[str, ...], rest: str = "") -> str:
    described = (f"{_QUOTE(name)} {table.c[name].type.compile(_DIALECT)}" for name in names)
    return f"""
        INSERT INTO {_QUOTE(table.name)} ({_listed(names)})
        SELECT {_listed(names)}
        FROM json_to_recordset($1::json) AS r ({", ".join(described)})
        {rest}
    """


@lru_cache(maxsize=256)
def _insert_new(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> str:
    keys = _listed(key)
    return _insert(table, names, f"ON CONFLICT ({keys}) DO NOTHING RETURNING {keys}")


@lru_cache(maxsize=256)
def _upsert(table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> str:
    replaced = [_QUOTE(name) for name in names if name not in key]
    changes = ", ".join(f"{name} = excluded.{name}" for name in replaced)
    return _insert(table, names, f"ON CONFLICT ({_listed(key)}) DO UPDATE SET {changes}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_QUOTE, names))


def _text_of(value: object) -> str:
    """Return what Postgres reads as `value`, which JSON has no way to write."""
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError
