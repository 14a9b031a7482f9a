"""What is kept for a while only."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from closeloop_service.handlers import retention
from closeloop_service.handlers.retention import KINDS, STORIES_KEPT
from closeloop_service.store import idempotency
from closeloop_service.store.idempotency import KEPT, Answered
from closeloop_service.tables import IDEMPOTENCY, INVITATION, STORY
from heardback.contracts import registry
from heardback.testing.clock import START
from heardback.timers import claim_due

from .conftest import said


async def forget(database):
    async with database.transaction() as tx:
        due = await claim_due(tx.connection, now=tx.now, limit=10)
        await retention.on_forget_due(tx, due)
    return len(due)


async def test_stories_end_when_they_are_old(hear, rows, database, clock):
    await hear(said(registry.SURVEY_SCHEDULED), said(registry.SURVEY_REQUESTED))
    clock.advance(STORIES_KEPT)
    new = {"decided_at": clock.now(), "touchpoint_id": "touchpoint-2"}
    await hear(said(registry.SURVEY_SCHEDULED, **new))
    await retention.start(database)
    await forget(database)
    assert (len(await rows(STORY)), len(await rows(INVITATION))) == (2, 1)
    clock.advance(timedelta(days=1))
    await forget(database)
    assert [line.key for line in await rows(STORY)] == ["touchpoint-2"]
    assert await rows(INVITATION) == []


async def test_timers_come_again_when_replicas_start_twice(database, clock):
    await retention.start(database)
    await retention.start(database)
    for _ in range(3):
        assert await forget(database) == len(KINDS)
        clock.advance(timedelta(days=1))


async def test_command_is_forgotten_when_a_day_is_over(rows, database, clock):
    answered = Answered(fingerprint="f", status=200, body=b"{}")
    async with database.transaction() as tx:
        await idempotency.save(tx.connection, "k", answered, now=tx.now)
    await retention.start(database)
    clock.advance(KEPT - timedelta(microseconds=1))
    await forget(database)
    async with database.read() as connection:
        assert await idempotency.load(connection, "k", now=clock.now()) == answered
        assert await idempotency.load(connection, "k", now=START + KEPT) is None
    clock.advance(timedelta(hours=1))
    await forget(database)
    assert await rows(IDEMPOTENCY) == []


@pytest.mark.parametrize("lines", [5_001])
async def test_rest_is_forgotten_at_once_when_there_is_much(rows, database, clock, lines):
    async with database.transaction() as tx:
        await tx.connection.execute(
            text("""INSERT INTO story SELECT 'c', 'sent', n, :at, '{}'
                FROM generate_series(1, :lines) n"""),
            {"at": START - timedelta(days=500), "lines": lines},
        )
    await retention.start(database)
    await forget(database)
    assert len(await rows(STORY)) == lines - 5_000
    assert await forget(database) == 1
    assert await rows(STORY) == []
    async with database.read() as connection:
        due = await connection.execute(text("SELECT due_at FROM timer WHERE key = 'stories'"))
        assert due.scalar_one() == clock.now() + timedelta(days=1)
