"""Statements that run all day go straight to the driver: SQLAlchemy's way costs twice as much.

They take part in the transaction of the connection that they are given.
"""

from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

Record = asyncpg.Record
_BEGIN: Final = text("SELECT 1")


async def fetch(connection: AsyncConnection, sql: str, *arguments: object) -> list[Record]:
    """Run `sql`, whose parameters are `$1`, `$2`, …; return its rows. JSON comes as data.

    Raises: DBAPIError, as SQLAlchemy does.
    """
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy begins one with its own first statement.
        await connection.execute(_BEGIN)
    try:
        rows: list[Record] = await driver.fetch(sql, *arguments)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        gone = driver.is_closed()
        raise DBAPIError(None, None, error, connection_invalidated=gone) from error
    return rows
