"""The outbox: events written in the transaction that decides them, published by the relay.

Published rows are kept for a while, so that a topic that was lost can be filled again. The table
rings the relay's bell by itself, in every replica, when a transaction that wrote into it commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import orjson
from msgspec import Struct
from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    event,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.driver import copy, fetch
from heardback.envelope import OutgoingMessage

CHANNEL = "outbox"

Row = tuple[str, bytes | None, bytes | None, bytes]
"""A message as it is staged: its topic, key, value and packed headers."""


def outbox_table(metadata: MetaData) -> Table:
    """Describe the outbox in a service's schema."""
    table = Table(
        "outbox",
        metadata,
        Column("seq", BigInteger, Identity(always=True), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("headers", LargeBinary, nullable=False),
        Column("published_at", DateTime(timezone=True)),
    )
    Index("outbox_unpublished", table.c.seq, postgresql_where=text("published_at IS NULL"))
    published = text("published_at IS NOT NULL")
    Index("outbox_published", table.c.published_at, postgresql_where=published)
    for statement in BELL:
        ddl = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
        event.listen(table, "after_create", ddl)
    return table


BELL: Final = (
    """
    CREATE FUNCTION ring() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify(TG_TABLE_SCHEMA || '_' || TG_TABLE_NAME, '');
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER ring AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION ring()",
)
"""What has the table ring: once for a statement, however many rows it wrote."""

_TABLE: Final = outbox_table(MetaData())
_WRITTEN: Final = ("topic", "key", "value", "headers")
_CLAIM = """
    SELECT seq, topic, key, value, headers FROM outbox
    WHERE published_at IS NULL ORDER BY seq LIMIT $1
"""
_MARK = "UPDATE outbox SET published_at = $1 WHERE seq = ANY($2::text::bigint[])"
_PURGE = text("""
    DELETE FROM outbox WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM outbox WHERE published_at < :before ORDER BY published_at LIMIT :limit
    ))
""")
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('outbox'), hashtext(current_schema()))"
_BACKLOG = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")


class StagedMessage(Struct, frozen=True, kw_only=True):
    """An outbox row that waits for the relay."""

    seq: int
    message: OutgoingMessage


def row_of(message: OutgoingMessage) -> Row:
    """Return the row of a message that has any headers."""
    # A header may have no value in Kafka, and its bytes need not be text.
    texts = [(name, value and value.decode("latin-1")) for name, value in message.headers]
    return message.topic, message.key, message.value, orjson.dumps(texts)


def pack(headers: Sequence[tuple[str, str]]) -> bytes:
    """Return headers as a row keeps them."""
    packed = orjson.dumps(headers)
    if packed.isascii():
        return packed
    return orjson.dumps([(name, text.encode().decode("latin-1")) for name, text in headers])


async def stage(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Write `rows` into the outbox, in order."""
    await copy(connection, _TABLE, _WRITTEN, rows)


async def lock(connection: AsyncConnection) -> bool:
    """Become the one relay of this outbox until the transaction ends; False: another one is.

    One relay at a time keeps each customer's events in order whatever the number of replicas.
    """
    ((locked,),) = await fetch(connection, _LOCK)
    return bool(locked)


async def claim(connection: AsyncConnection, *, limit: int) -> list[StagedMessage]:
    """Return the oldest unpublished rows, in order."""
    return [
        StagedMessage(
            seq=seq,
            message=OutgoingMessage(topic=topic, key=key, value=value, headers=unpack(headers)),
        )
        for seq, topic, key, value, headers in await fetch(connection, _CLAIM, limit)
    ]


async def mark_published(
    connection: AsyncConnection, seqs: Sequence[int], *, now: datetime
) -> None:
    """Note that the broker has acknowledged these rows."""
    await fetch(connection, _MARK, now, f"{{{','.join(map(str, seqs))}}}")


async def purge(connection: AsyncConnection, *, before: datetime, limit: int) -> int:
    """Delete rows that were published before `before`; return how many."""
    return (await connection.execute(_PURGE, {"before": before, "limit": limit})).rowcount


async def backlog(connection: AsyncConnection) -> int:
    """Return how many rows wait to be published."""
    return int(await connection.scalar(_BACKLOG) or 0)


def unpack(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    """Return the headers of an outbox row."""
    headers = orjson.loads(packed)
    return tuple([(name, value and value.encode("latin-1")) for name, value in headers])
