"""The tables of the peers: as few as do the work, shaped and indexed as those of the service."""

import os
from typing import Final

DATABASE_URL: Final = os.environ.get("HEARDBACK_DATABASE_URL", "")
BROKER: Final = os.environ.get("HEARDBACK_KAFKA_BOOTSTRAP_SERVERS", "")
GROUP: Final = os.environ.get("BENCH_GROUP", "")
BATCH: Final = int(os.environ.get("HEARDBACK_BATCH_SIZE", "500"))
PARTITIONS: Final = 6

CREATE: Final = """
CREATE TABLE touchpoint (
    touchpoint_id text PRIMARY KEY, source text NOT NULL, event_id text NOT NULL,
    customer_id text NOT NULL, name text NOT NULL,
    occurred_at timestamptz NOT NULL, received_at timestamptz NOT NULL
);
CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL, key bytea, value bytea, headers bytea NOT NULL, published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at)
    WHERE published_at IS NOT NULL;
CREATE TABLE partition_offset (
    topic text, partition int, next_offset bigint NOT NULL, PRIMARY KEY (topic, partition)
);
INSERT INTO partition_offset SELECT 'purchase', n, 0 FROM generate_series(0, 5) n;
"""
