"""The rows of the timer benchmark, made by Postgres: what waits, and what falls due.

All that the benchmark knows of trigger's tables stands here.
"""

from datetime import datetime
from typing import Final

from bench.stack import Connection

_CHUNK: Final = 1_000_000
_WAITING: Final = """
INSERT INTO trigger.timer (kind, key, due_at, payload)
SELECT 'send', 'waiting-' || n, now() + interval '1 day' + n * interval '1 second', '{}'
FROM generate_series($1::bigint, $2::bigint) n
"""
_CUSTOMERS: Final = """
INSERT INTO trigger.customer (customer_id, bucket, email, name, locale, timezone, attributes, uses)
SELECT 'customer-' || n, n, 'customer-' || n || '@example.com', 'Customer ' || n, 'de-AT',
       'Europe/Vienna', '{}', '{}'
FROM generate_series(1, $1::int) n
"""
_INVITATIONS: Final = """
INSERT INTO trigger.invitation (invitation_id, customer_id, program_id, program_version, type,
    touchpoint, touchpoint_id, survey_id, channels, occurred_at, send_at, expires_at, state)
SELECT 'due-' || n, 'customer-' || n, 'program-0', 1, 'transactional', 'purchase', 'purchase-' || n,
       'purchase-nps', '["email"]', $2::timestamptz - interval '7 days',
       $2::timestamptz + n * interval '1 second' / $3::int,
       $2::timestamptz + interval '7 days', 'pending'
FROM generate_series(1, $1::int) n
"""
_TIMERS: Final = """
INSERT INTO trigger.timer (kind, key, due_at, payload)
SELECT 'send', invitation_id, send_at, '{}' FROM trigger.invitation
"""
PENDING: Final = "SELECT count(*) FROM trigger.invitation WHERE state = 'pending'"
LATENESS: Final = """
SELECT count(*) AS fired, percentile_cont(0.5) WITHIN GROUP (ORDER BY late_ms) AS p50_ms,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY late_ms) AS p99_ms, max(late_ms) AS max_ms
FROM (
    SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - send_at)::float8 * 1000 AS late_ms
    FROM trigger.invitation WHERE state = 'requested'
) fired
"""
"""From due to the commit of the transaction that asked for it to be sent."""


async def add_waiting(connection: Connection, have: int, want: int) -> None:
    """Bring the number of timers that wait for later days from `have` to `want`."""
    for first in range(have + 1, want + 1, _CHUNK):
        await connection.execute(_WAITING, first, min(first + _CHUNK - 1, want))
    await connection.execute("VACUUM (ANALYZE, FREEZE) trigger.timer")
    await connection.execute("CHECKPOINT")


async def add_due(
    connection: Connection,
    count: int,
    *,
    from_at: datetime,
    per_second: int,
) -> None:
    """Replace the invitations by `count` that fall due evenly, `per_second`, after `from_at`."""
    await connection.execute("TRUNCATE trigger.invitation, trigger.customer, trigger.outbox")
    async with connection.transaction():
        await connection.execute(_CUSTOMERS, count)
        await connection.execute(_INVITATIONS, count, from_at, per_second)
        await connection.execute(_TIMERS)
        await connection.execute("SELECT pg_notify('trigger_timer', '')")
    await connection.execute("VACUUM (ANALYZE) trigger.invitation, trigger.customer")
