"""Many rows in one statement: `INSERT … SELECT … FROM unnest($1, $2, …)`, one array a column.

One round trip and one plan whatever the number of rows, which is where a batch gains its speed.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, Table, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Mapping[str, Any]


def json_text(value: object) -> str:
    """Return `value` as JSON text."""
    return orjson.dumps(value).decode()


def arrays(table: Table, rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Return `rows` turned into one list per column, ready to be bound."""
    return {
        name: [json_text(row[name]) for row in rows]
        if isinstance(table.c[name].type, JSONB)
        else [row[name] for row in rows]
        for name in rows[0]
    }


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert `rows`, which all name the same columns. No rows: nothing is done."""
    if rows:
        await connection.execute(_insert(table, tuple(rows[0])), arrays(table, rows))


async def insert_new_rows(
    connection: AsyncConnection, table: Table, rows: Sequence[Row], *, key: Sequence[str]
) -> set[tuple[Any, ...]]:
    """Insert the rows whose `key` is not there yet; return the keys that were new.

    This is how a repeated event is dropped: `key` is its natural key.
    """
    if not rows:
        return set()
    statement = (
        _insert(table, tuple(rows[0]))
        .on_conflict_do_nothing(index_elements=list(key))
        .returning(*(table.c[name] for name in key))
    )
    result = await connection.execute(statement, arrays(table, rows))
    return {tuple(row) for row in result}


async def upsert_rows(
    connection: AsyncConnection, table: Table, rows: Sequence[Row], *, key: Sequence[str]
) -> None:
    """Insert `rows`, or replace their other columns where `key` is there already.

    `rows` must not name a key twice: Postgres refuses to touch a row twice in one statement.
    """
    if not rows:
        return
    statement = _insert(table, tuple(rows[0]))
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in key}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=replaced),
        arrays(table, rows),
    )


@lru_cache(maxsize=256)
def _insert(table: Table, names: tuple[str, ...]) -> Insert:
    return insert(table).from_select(list(names), _unnested(table, names))


def _unnested(table: Table, names: tuple[str, ...]) -> Select[Any]:
    bound = [cast(bindparam(name), ARRAY(table.c[name].type)) for name in names]
    source = func.unnest(*bound).table_valued(*(column(name) for name in names))
    columns: list[ColumnElement[Any]] = list(source.render_derived().c)
    return select(*columns)
