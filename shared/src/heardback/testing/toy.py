"""A toy service to try the loops with: it writes down each event and each timer, once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, MetaData, Table, Text, select

from heardback import outbox
from heardback.bulk import insert_rows
from heardback.db import Database, Transaction
from heardback.envelope import Event, OutgoingMessage
from heardback.offsets import partition_offset_table
from heardback.outbox import outbox_table
from heardback.timers import Timer, timer_table

metadata = MetaData()
outbox_table(metadata)
partition_offset_table(metadata)
timer_table(metadata)
EFFECT = Table(
    "effect", metadata, Column("key", Text, primary_key=True), Column("customer_id", Text)
)
"""The key is primary: an effect that happens twice fails."""


async def create_tables(database: Database) -> None:
    """Make the toy's tables."""
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


async def on_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Write down each event by its source and id, with no regard for repeats."""
    rows = [{"key": f"{e.source}#{e.id}", "customer_id": e.key} for e in events]
    await insert_rows(tx.connection, EFFECT, rows)


async def on_timers(tx: Transaction, due: Sequence[Timer]) -> None:
    """Write down each timer by its key."""
    rows = [{"key": timer.key, "customer_id": None} for timer in due]
    await insert_rows(tx.connection, EFFECT, rows)


async def effects(database: Database) -> list[str]:
    """Return the keys of what happened, sorted."""
    async with database.read() as connection:
        return sorted((await connection.execute(select(EFFECT.c.key))).scalars())


async def staged(database: Database) -> list[OutgoingMessage]:
    """Return what waits in the outbox, in order."""
    async with database.read() as connection:
        return [row.message for row in await outbox.claim(connection, limit=10_000)]
