"""The rows of the timer benchmark, made by Postgres: owner tasks whose clocks warn and run out.

All that the benchmark knows of closeloop's tables stands here.
"""

from datetime import datetime, timedelta
from typing import Final

from bench.stack import Connection

TIMERS_EACH: Final = 4
"""The warning and the breach of two clocks."""

_FUNCTIONS: Final = """
CREATE OR REPLACE FUNCTION closeloop.bench_clock(
    started timestamptz, warn timestamptz, due timestamptz
) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object(
    'started_at', started, 'warn_at', warn, 'due_at', due, 'warned', false, 'breached', false,
    'stopped_at', null, 'escalated', 0) $$
"""
# A task's four timers fall due a quarter of the whole time apart, in the order of its life; those
# of the tasks beyond `$2` fall due tomorrow.
_FILL: Final = """
WITH due AS (
    SELECT n, k, CASE WHEN n <= $2::int
        THEN $3::timestamptz + ((n - 1) + k * $2::int) * interval '1 second' / $4::float8
        ELSE $3::timestamptz + interval '1 day' + (n * 4 + k) * interval '1 ms' END AS at
    FROM generate_series(1, $1::int) n, generate_series(0, 3) k
), tasks AS (
    SELECT n, max(at) FILTER (WHERE k = 0) AS a, max(at) FILTER (WHERE k = 1) AS b,
        max(at) FILTER (WHERE k = 2) AS c, max(at) FILTER (WHERE k = 3) AS d
    FROM due GROUP BY n
)
INSERT INTO closeloop.task (task_id, alert_id, category, customer_id, program_id, touchpoint,
    segment, recipient, invitation_id, channel, response_id, response_revision, scale, score,
    comment, answers, state, owner, team, opened_at, clocks, pauses, policy_id, rules_version,
    escalation_level, steps_done, resolutions, version, traceparent, active, running, due_at,
    breached)
SELECT 'task-' || n, 'alert-' || n, 'detractor', 'customer-' || n, 'after-purchase', 'purchase',
    'enterprise',
    jsonb_build_object('email', 'customer-' || n || '@example.com', 'name', 'Customer ' || n),
    'invitation-' || n, 'email', 'response-' || n, 1, 'nps', n % 7,
    'It came two weeks late, and nobody told me anything about it.', 1, 'assigned',
    'Owner ' || n % 50, 'care', a - interval '3 hours',
    jsonb_build_object(
        'first_response', closeloop.bench_clock(a - interval '3 hours', a, b),
        'resolution', closeloop.bench_clock(a - interval '3 hours', c, d)
    ), '[]', 'default', 0, 0, '[]', 0, 1, '00-' || md5(n::text) || '-00f067aa0ba902b7-01', true,
    'first_response', b, false
FROM tasks ORDER BY n
"""
_TIMERS: Final = """
INSERT INTO closeloop.timer (kind, key, due_at, payload, traceparent)
SELECT kind, task_id || '/' || clock, (clocks -> clock ->> field)::timestamptz, '{}', traceparent
FROM closeloop.task, (VALUES ('sla_warning', 'first_response', 'warn_at'),
    ('sla_breach', 'first_response', 'due_at'), ('sla_warning', 'resolution', 'warn_at'),
    ('sla_breach', 'resolution', 'due_at')) AS each (kind, clock, field)
"""
_EXPECTED: Final = """
CREATE TABLE public.expected AS
SELECT CASE kind WHEN 'sla_warning' THEN 'sla_warned' ELSE 'sla_breached' END AS what,
    split_part(key, '/', 1) AS task_id, split_part(key, '/', 2) AS clock, due_at
FROM closeloop.timer WHERE due_at < $1 AND kind IN ('sla_warning', 'sla_breach')
"""
PENDING: Final = """
SELECT count(*) FROM closeloop.timer
WHERE due_at <= now() AND kind IN ('sla_warning', 'sla_breach')
"""
LATENESS: Final = """
WITH fired AS (
    SELECT expected.task_id, expected.what, expected.clock, line.seq,
        extract(epoch FROM pg_xact_commit_timestamp(line.xmin) - due_at)::float8 * 1000 AS late_ms,
        due_at BETWEEN $1 AND $2 AS disturbed
    FROM public.expected LEFT JOIN closeloop.task_history AS line
        ON line.task_id = expected.task_id AND line.what = expected.what
            AND line.details ->> 'clock' = expected.clock
)
SELECT count(*) AS lines,
    count(DISTINCT (task_id, what, clock)) FILTER (WHERE seq IS NOT NULL) AS fired,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY late_ms) AS p50_ms,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY late_ms) AS p99_ms, max(late_ms) AS max_ms,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY late_ms)
        FILTER (WHERE NOT disturbed) AS calm_p99_ms
FROM fired
"""
"""From due to the commit of the transaction that told of it; `disturbed`: around the kill."""
SAID: Final = """
SELECT count(*) FILTER (WHERE position('task.sla_warned.v1'::bytea IN headers) > 0) AS warned,
    count(*) FILTER (WHERE position('task.sla_breached.v1'::bytea IN headers) > 0) AS breached
FROM closeloop.outbox
"""


async def fill(
    connection: Connection, *, tasks: int, due: int, from_at: datetime, per_second: float
) -> None:
    """Write `tasks` with four timers each; those of the first `due` fall due after `from_at`."""
    await connection.execute(_FUNCTIONS)
    await connection.execute(_FILL, tasks, due, from_at, per_second)
    await connection.execute(_TIMERS)
    await connection.execute(_EXPECTED, from_at + timedelta(hours=12))
    await connection.execute("VACUUM (ANALYZE) closeloop.task, closeloop.timer")
    await connection.execute("CHECKPOINT")
