"""The database of the local stack: its schemas, and what a lost broker means for them."""

from collections.abc import Iterable
from typing import Final

import asyncpg

from heardback.embedded.databases import (
    SchemaOwner,
    ensure_database,
    ensure_schema,
    with_database,
)

DATABASE: Final = "heardback"


async def provision(superuser_url: str, owners: Iterable[SchemaOwner]) -> None:
    """Create the database, and a role with its schema for each owner."""
    await ensure_database(superuser_url, DATABASE)
    for owner in owners:
        await ensure_schema(superuser_url, DATABASE, owner)


async def start_topics_over(superuser_url: str, schemas: Iterable[str]) -> None:
    """Make every service read its topics from the start and publish its outbox again.

    For a broker that lost its topics: the offsets point into nothing, and what the outboxes keep is
    all that is left of the messages. Their consumers drop what they have seen.
    """
    connection = await asyncpg.connect(with_database(superuser_url, DATABASE))
    try:
        async with connection.transaction():
            for schema in schemas:
                await _start_over(connection, schema)
    finally:
        await connection.close()


async def _start_over(connection: "asyncpg.Connection[asyncpg.Record]", schema: str) -> None:
    if await _exists(connection, f"{schema}.partition_offset"):
        await connection.execute(f"delete from {schema}.partition_offset")
    if await _exists(connection, f"{schema}.outbox"):
        await connection.execute(
            f"update {schema}.outbox set published_at = null where published_at is not null"
        )


async def _exists(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> bool:
    return bool(await connection.fetchval("select to_regclass($1) is not null", table))
