"""What was there before a migration is there after it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from dispatch_service.tables import metadata
from heardback import migrations
from heardback.db import Database, connect_engine, is_transient
from heardback.ids import TimeOrderedIds
from heardback.surveys import newest_ready_made
from heardback.testing.clock import START, ManualClock

from .driving import claim, rows_of

OLD = """
    INSERT INTO invitation (invitation_id, customer_id, program_id, touchpoint, survey_id, channel,
        email, name, occurred_at, expires_at, state, attempts, due_at, settled_at, drop_reason)
    VALUES
      ('queued', 'c1', 'p', 'purchase', 'nps', 'email', 'C1@example.com', 'Ada', :then, :later,
        'queued', 0, :now, NULL, NULL),
      ('sending', 'c2', 'p', 'purchase', 'nps', 'email', 'c2@example.com', NULL, :then, :later,
        'sending', 2, :now, NULL, NULL),
      ('sent', 'c3', 'p', 'purchase', 'nps', 'email', 'c3@example.com', NULL, :then, :later,
        'sent', 1, NULL, :then, NULL),
      ('bounced', 'c4', 'p', 'purchase', 'nps', 'email', 'c4@example.com', NULL, :then, :later,
        'bounced', 1, NULL, :then, NULL),
      ('dropped', 'c5', 'p', 'purchase', 'nps', 'email', NULL, NULL, :then, :later,
        'dropped', 0, NULL, :then, 'no_address'),
      ('left', 'c6', 'p', 'purchase', 'nps', 'email', 'c6@example.com', NULL, :then, :later,
        'queued', 0, :now, NULL, NULL),
      ('nowhere', 'c7', 'p', 'purchase', 'nps', 'email', NULL, NULL, :then, :later,
        'queued', 0, :now, NULL, NULL)
"""
OLD_ATTEMPT = """
    INSERT INTO attempt (invitation_id, number, customer_id, claimed_at, outcome)
    VALUES ('sent', 1, 'c3', :then, 'sent')
"""
OLD_SUPPRESSION = """
    INSERT INTO suppression (customer_id, address, scope, invitation_id, suppressed_at)
    VALUES ('c6', 'c6@example.com', 'all', 'left', :then)
"""


def upgrade(connection: Connection, revision: str) -> None:
    settings = migrations.config("dispatch_service")
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


async def migrated(url: str) -> Database:
    times = {"then": START - timedelta(days=1), "now": START, "later": START + timedelta(days=9)}
    engine = connect_engine(url, "dispatch", 1)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0001")
        await connection.execute(text(OLD), times)
        await connection.execute(text(OLD_ATTEMPT), {"then": times["then"]})
        await connection.execute(text(OLD_SUPPRESSION), {"then": times["then"]})
        await connection.run_sync(upgrade, "head")
    await engine.dispose()
    return Database(url, service="dispatch", clock=ManualClock(), ids=TimeOrderedIds())


async def test_what_waits_is_sent_once_when_the_queue_moves_to_messages(
    service_database: Any,
) -> None:
    database = await migrated(await service_database("dispatch"))
    try:
        claims = await claim(database)
        assert {(c.message.message_id, c.message.address, c.number, c.again) for c in claims} == {
            ("queued", "C1@example.com", 1, False),
            ("sending", "c2@example.com", 3, True),
        }
        states = {row.message_id: row.state for row in await rows_of(database, "message")}
        assert states == {
            "queued": "sending",
            "sending": "sending",
            "sent": "sent",
            "bounced": "bounced",
            "dropped": "dropped",
            "left": "dropped",  # off the list before, off the list after
            "nowhere": "dropped",
        }
        states = {row.invitation_id: row.state for row in await rows_of(database, "invitation")}
        assert states == {
            "queued": "waiting",
            "sending": "waiting",
            "sent": "sent",
            "bounced": "bounced",
            "dropped": "dropped",
            "left": "dropped",
            "nowhere": "dropped",
        }
        (attempt,) = await rows_of(database, "attempt", message_id="sent")
        assert (attempt.provider, attempt.outcome) == ("smtp", "sent")
    finally:
        await database.close()


async def test_schema_is_what_the_tables_say_when_migrated(service_database: Any) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    database = await migrated(await service_database("dispatch"))
    try:
        async with database.read() as connection:
            differences = await connection.run_sync(
                lambda c: compare_metadata(MigrationContext.configure(c), metadata)
            )
        assert differences == []
        assert newest_ready_made("nps").survey_id == "nps"
    finally:
        await database.close()


async def test_migration_waits_for_what_old_replicas_are_at(service_database: Any) -> None:
    """What they have not committed yet is neither lost nor said twice."""
    url = await service_database("dispatch")
    times = {"then": START, "now": START, "later": START + timedelta(days=9)}
    engine = connect_engine(url, "dispatch", 3)
    async with engine.begin() as connection:
        await connection.run_sync(upgrade, "0001")
    async with engine.connect() as old:
        await old.execute(text(OLD), times)

        async def migrate() -> None:
            async with engine.begin() as connection:
                await connection.run_sync(upgrade, "head")

        migrating = asyncio.create_task(migrate())
        await asyncio.sleep(0.5)
        assert not migrating.done()
        await old.commit()
        await asyncio.wait_for(migrating, 20)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM message")) == 7
        unknown = text(OLD.replace("'queued', 'c1'", "'new', 'c1'"))
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(unknown, times)
        assert is_transient(refused.value), "an old replica waits to be replaced"
    await engine.dispose()
