"""Statements that run all day go straight to the driver: SQLAlchemy's way costs twice as much.

They take part in the transaction of the connection that they are given.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

Record = asyncpg.Record
_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError)


async def fetch(connection: AsyncConnection, sql: str, *arguments: object) -> list[Record]:
    """Run `sql`, whose parameters are `$1`, `$2`, …; return its rows. JSON comes as data.

    Raises: DBAPIError, as SQLAlchemy does.
    """
    driver = await _driver(connection)
    try:
        rows: list[Record] = await driver.fetch(sql, *arguments)
    except _FAILURES as error:
        raise _told(error, driver) from error
    return rows


async def copy(
    connection: AsyncConnection, table: Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert `rows` by the way that costs Postgres least, half of a statement's, from some ten on.

    Shapes: a value for each of `columns`, JSON as text.
    Raises: DBAPIError, as SQLAlchemy does.
    """
    if not rows:
        return
    driver = await _driver(connection)
    try:
        await driver.copy_records_to_table(table.name, columns=columns, records=rows)
    except _FAILURES as error:
        raise _told(error, driver) from error


async def _driver(connection: AsyncConnection) -> Any:
    """Return the driver's connection, in a transaction."""
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    if not driver.is_in_transaction():
        if not connection.in_transaction():
            await connection.begin()
        # SQLAlchemy begins with its own first statement: one round trip more, for no other end.
        begin: Any = raw.dbapi_connection
        try:
            await begin._start_transaction()
        except Exception as error:
            raise _told(error, driver) from error
    return driver


def _told(error: Exception, driver: Any) -> DBAPIError:
    return DBAPIError(None, None, error, connection_invalidated=driver.is_closed())
