"""FastStream's batch handler at its best: pydantic models, one bulk insert, no logic."""

from datetime import UTC, datetime

import asyncpg
import uvloop
from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage

from bench.trigger.peers.models import Purchase
from bench.trigger.peers.tables import BATCH, BROKER, DATABASE_URL, GROUP

_INSERT = """
INSERT INTO touchpoint
SELECT source || '#' || event_id, source, event_id, customer_id, 'purchase', occurred_at, $5
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
     AS i (source, event_id, customer_id, occurred_at)
ON CONFLICT (touchpoint_id) DO NOTHING
"""
broker = KafkaBroker(BROKER)
pool: "asyncpg.Pool[asyncpg.Record]"


@broker.subscriber(
    "purchase",
    group_id=GROUP,
    auto_offset_reset="earliest",
    batch=True,
    max_records=BATCH,
    max_partition_fetch_bytes=8_000_000,
)
async def on_purchases(purchases: list[Purchase], message: KafkaMessage) -> None:
    """Keep the touchpoints that are not known."""
    headers = [dict(record.headers) for record in message.raw_message]
    await pool.execute(
        _INSERT,
        [h["ce_source"].decode() for h in headers],
        [h["ce_id"].decode() for h in headers],
        [purchase.customer_id for purchase in purchases],
        [purchase.occurred_at for purchase in purchases],
        datetime.now(UTC),
    )


async def main() -> None:
    """Run the application."""
    global pool
    async with asyncpg.create_pool(DATABASE_URL) as pool:
        await FastStream(broker).run()


if __name__ == "__main__":
    uvloop.run(main())
