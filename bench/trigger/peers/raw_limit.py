"""The raw limit: parse the bytes, one statement with everything in it, no logic, no checks.

Two workers share the partitions, so that Python parses while Postgres writes.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.trigger.peers.tables import BATCH, BROKER, DATABASE_URL, PARTITIONS

_WORKERS = 2
_WRITE = """
WITH moved AS (
    UPDATE partition_offset o SET next_offset = m.next_offset
    FROM unnest($1::int[], $2::bigint[]) AS m (partition, next_offset)
    WHERE o.topic = 'purchase' AND o.partition = m.partition
), new AS (
    INSERT INTO touchpoint
    SELECT i.source || '#' || i.event_id, i.source, i.event_id, i.customer_id, 'purchase',
           i.occurred_at::timestamptz, now()
    FROM unnest($3::text[], $4::text[], $5::text[], $6::text[])
         AS i (source, event_id, customer_id, occurred_at)
    ON CONFLICT (touchpoint_id) DO NOTHING
    RETURNING event_id
)
INSERT INTO outbox (topic, key, value, headers)
SELECT 'survey', i.key, i.value, '[]' FROM unnest($4::text[], $7::bytea[], $8::bytea[])
       AS i (event_id, key, value)
JOIN new USING (event_id)
"""


async def work(partitions: Sequence[int]) -> None:
    """Take one share of the partitions, for ever."""
    database = await asyncpg.connect(DATABASE_URL)
    write = await database.prepare(_WRITE)
    kafka = AIOKafkaConsumer(
        bootstrap_servers=BROKER, auto_offset_reset="earliest", max_partition_fetch_bytes=8_000_000
    )
    await kafka.start()
    kafka.assign([TopicPartition("purchase", number) for number in partitions])
    while True:
        polled = await kafka.getmany(timeout_ms=250, max_records=BATCH)
        if polled:
            await write.fetch(*_arguments(polled))


def _arguments(polled: dict[TopicPartition, list[Any]]) -> list[list[Any]]:
    records = [record for batch in polled.values() for record in batch]
    rows = [_row(record) for record in records]
    columns = [list(column) for column in zip(*rows, strict=True)]
    following = {place.partition: batch[-1].offset + 1 for place, batch in polled.items()}
    return [list(following), list(following.values()), *columns]


def _row(record: Any) -> tuple[Any, ...]:
    headers = dict(record.headers)
    data = orjson.loads(record.value)
    event_id = headers["ce_id"].decode()
    out = {
        "customer_id": data["customer_id"],
        "touchpoint_id": event_id,
        "occurred_at": data["occurred_at"],
    }
    return (
        headers["ce_source"].decode(),
        event_id,
        data["customer_id"],
        data["occurred_at"],
        record.key,
        orjson.dumps(out),
    )


async def main() -> None:
    """Run the workers."""
    shares = [range(number, PARTITIONS, _WORKERS) for number in range(_WORKERS)]
    await asyncio.gather(*(work(share) for share in shares))


if __name__ == "__main__":
    uvloop.run(main())
