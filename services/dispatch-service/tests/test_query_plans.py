"""Claims cost what is due, however much waits: the plans say so."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from dispatch_service import queue_store
from heardback.db import Database
from heardback.testing.clock import START

WAITING = 20_000
_INVITATIONS = text("""
    INSERT INTO invitation (invitation_id, customer_id, program_id, touchpoint, survey_id, channels,
        channel, email, occurred_at, requested_at, expires_at, state)
    SELECT 'i' || n, 'c' || n, 'p', 'purchase', 'nps', '["email"]', 'email',
        'c' || n || '@example.com', :now, :now, :later, 'waiting'
    FROM generate_series(1, :count) n
""")
_MESSAGES = text("""
    INSERT INTO message (message_id, invitation_id, customer_id, kind, channel, address,
        deadline_at, state, due_at)
    SELECT 'i' || n, 'i' || n, 'c' || n, 'invitation', 'email', 'c' || n || '@example.com',
        :later, CASE WHEN n % 2 = 0 THEN 'sent' ELSE 'queued' END,
        CASE WHEN n % 2 = 0 THEN NULL
             WHEN n < 500 THEN CAST(:now AS timestamptz) ELSE CAST(:later AS timestamptz) END
    FROM generate_series(1, :count) n
""")
_ATTEMPTS = text("""
    INSERT INTO attempt (message_id, number, customer_id, provider, claimed_at)
    SELECT 'i' || n, 9, 'c' || n, 'smtp', :now FROM generate_series(1, :count) n
""")
_LISTED = text("""
    INSERT INTO suppression (customer_id, address, scope, scoped_to, reason, suppressed_at)
    SELECT 'x' || n, 'x' || n || '@example.com', 'all', '', 'unsubscribed', :now
    FROM generate_series(1, :count) n
""")


@pytest.fixture
async def full(database: Database) -> Database:
    values = {"now": START, "later": START + timedelta(days=9), "count": WAITING}
    async with database.transaction() as tx:
        await tx.connection.execute(_INVITATIONS, values)
        await tx.connection.execute(_MESSAGES, values)
        for statement in (_ATTEMPTS, _LISTED):
            await tx.connection.execute(statement, {"now": START, "count": WAITING})
        await tx.connection.execute(text("ANALYZE"))
    return database


async def plan_of(database: Database, statement: Any, values: dict[str, Any]) -> str:
    async with database.read() as connection:
        rows = await connection.execute(text(f"EXPLAIN (ANALYZE) {statement.text}"), values)
        plan = "\n".join(rows.scalars())
        await connection.rollback()
    return plan


@pytest.mark.parametrize(
    ("statement", "values", "indexes"),
    [
        (
            queue_store._DUE,
            {
                "channel": "email",
                "now": START,
                "soon": START + timedelta(minutes=1),
                "limit": 100,
            },
            ["message_due", "message_waiting", "invitation_pkey"],
        ),
        (queue_store._NEXT_DUE, {"channel": "email"}, ["message_due"]),
        (
            queue_store._SUPPRESSIONS,
            {"customers": ["c1", "c2"], "addresses": ["c1@example.com"]},
            ["suppression_pkey", "suppression_address"],
        ),
        (queue_store._WAKE, {"customers": ["c1", "c2"], "now": START}, ["message_waiting"]),
        (
            queue_store._CLAIM,
            {"ids": ["i1", "i3"], "provider": "smtp", "now": START, "lease_until": START},
            ["message_pkey"],
        ),
    ],
)
async def test_nothing_that_waits_is_read_when(
    full: Database, statement: Any, values: dict[str, Any], indexes: list[str]
) -> None:
    plan = await plan_of(full, statement, values)
    assert "Seq Scan" not in plan, plan
    for index in indexes:
        assert index in plan, plan


async def test_settling_reads_what_it_settles(full: Database) -> None:
    rows = (
        '[{"message_id": "i1", "number": 1, "finished_at": "2026-03-02T09:00:00Z",'
        ' "outcome": "sent", "detail": "", "state": "sent", "due_at": null, "reference": null,'
        ' "tried": 1, "doubted": 0}]'
    )
    values = {"ids": ["i1"], "rows": rows, "now": START}
    plan = await plan_of(full, queue_store._SETTLE, values)
    assert "Seq Scan" not in plan, plan
    assert "message_pkey" in plan and "message_waiting" in plan, plan
