"""The migrations make the tables that the code describes, and take along what is there."""

from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from heardback import migrations
from heardback.clock import SystemClock
from heardback.db import Database, is_transient
from heardback.ids import TimeOrderedIds
from heardback.testing.databases import ServiceDatabase
from response_service.store import responses
from response_service.tables import metadata

_OLD = (
    """INSERT INTO invitation (invitation_id, customer_id, program_id, touchpoint, survey_id,
           channel, recipient, occurred_at, expires_at)
       SELECT 'i' || n, 'c', 'p', 't', 'ours', 'email', '{}', now(), now()
       FROM generate_series(1, 2) n""",
    """INSERT INTO response (invitation_id, response_id, customer_id, revision, score, alert_id,
           answered_at)
       VALUES ('i1', 'r1', 'c', 2, 3, 'a1', now()), ('i2', 'i2', 'c', 1, 9, NULL, now())""",
    """INSERT INTO response_revision (invitation_id, revision, customer_id, score, answered_at)
       VALUES ('i1', 1, 'c', 8, now()), ('i1', 2, 'c', 3, now()), ('i2', 1, 'c', 9, now())""",
)


def _differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


def _upgrade_to(connection: Connection, revision: str) -> None:
    settings = migrations.config("response_service")
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


async def test_schema_equals_the_tables_when_migrated(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []


async def test_answers_are_as_they_were_when_the_schema_moves_under_them(
    service_database: ServiceDatabase,
) -> None:
    url = await service_database("response")
    database = Database(url, service="response", clock=SystemClock(), ids=TimeOrderedIds())
    async with database.transaction() as tx:
        await tx.connection.run_sync(_upgrade_to, "0001")
        for statement in _OLD:
            await tx.connection.execute(text(statement))
    await migrations.upgrade(url, schema="response", package="response_service")
    async with database.read() as connection:
        held = await responses.load(connection, ["i1", "i2", "i3"])
        history = await responses.load_history(connection, ["i1", "i2"])
        alerts = await connection.execute(
            text("SELECT survey_id, survey_version, scale, alert_id FROM response_revision")
        )
        told = sorted(alerts, key=str)
    await database.close()
    assert {key: (r.response_id, r.revision, r.answer.score) for key, r in held.items()} == {
        "i1": ("r1", 2, 3),
        "i2": ("i2", 1, 9),
    }
    assert (held["i1"].alert_id, held["i2"].alert_id) == ("a1", None)
    assert [(r.revision, r.answer.score) for r in history["i1"]] == [(1, 8), (2, 3)]
    assert [tuple(row) for row in told] == [("ours", 1, "nps", "a1")] + [
        ("ours", 1, "nps", None)
    ] * 2


async def test_replica_of_before_learns_invitations_and_has_answers_sent_again(
    database: Database,
) -> None:
    invitation, response, _ = _OLD
    async with database.transaction() as tx:
        await tx.connection.execute(text(invitation))
    async with database.read() as connection:
        asked = await connection.execute(text("SELECT survey_version FROM invitation"))
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text(response))
    assert asked.scalars().all() == [1, 1]
    assert is_transient(refused.value)
