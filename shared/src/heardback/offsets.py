"""Partition offsets: how far a service has read, kept in the transaction of the effects.

A batch moves its offsets with compare-and-set. A replica that lost the partition to another one
finds other offsets than it expects, and all of its batch is rolled back: it is fenced.
"""

from collections.abc import Collection, Mapping

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_new_rows
from heardback.driver import fetch
from heardback.errors import Fenced

Partition = tuple[str, int]
"""A topic's name and a partition's number."""


def partition_offset_table(metadata: MetaData) -> Table:
    """Describe the offsets in a service's schema."""
    return Table(
        "partition_offset",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", Integer, primary_key=True),
        Column("next_offset", BigInteger, nullable=False),
    )


_TABLE = partition_offset_table(MetaData())

_LOAD = text("""
    SELECT o.topic, o.partition, o.next_offset FROM partition_offset o
    JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS int[])) AS p (topic, partition)
    USING (topic, partition)
""")
_ADVANCE = """
    UPDATE partition_offset o SET next_offset = m.next_offset
    FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[])
         AS m (topic, partition, expected, next_offset)
    WHERE o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.expected
    RETURNING o.partition
"""


async def load(
    connection: AsyncConnection, partitions: Collection[Partition]
) -> dict[Partition, int]:
    """Return the next offset to read of each partition; a new one starts at 0."""
    if not partitions:
        return {}
    rows = [{"topic": t, "partition": p, "next_offset": 0} for t, p in sorted(partitions)]
    await insert_new_rows(connection, _TABLE, rows, key=("topic", "partition"))
    bound = {"topics": [t for t, _ in partitions], "partitions": [p for _, p in partitions]}
    found = await connection.execute(_LOAD, bound)
    return {(row.topic, row.partition): row.next_offset for row in found}


async def advance(
    connection: AsyncConnection,
    *,
    expected: Mapping[Partition, int],
    following: Mapping[Partition, int],
) -> None:
    """Move the offsets of the partitions in `following` from `expected`.

    Raises: Fenced when one of them stands elsewhere; roll back, load again and seek.
    """
    moves = sorted(following)
    topics, partitions = ([move[part] for move in moves] for part in (0, 1))
    before, after = ([offsets[move] for move in moves] for offsets in (expected, following))
    moved = await fetch(connection, _ADVANCE, topics, partitions, before, after)
    if len(moved) != len(moves):
        raise Fenced(partitions=moves)
