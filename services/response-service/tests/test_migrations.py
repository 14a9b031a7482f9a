"""The migrations make the tables that the code describes, and leave room for replicas of before."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from heardback.db import Database
from response_service.tables import metadata


def _differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_schema_equals_the_tables_when_migrated(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []


async def test_replica_of_before_goes_on_when_the_schema_is_newer(database: Database) -> None:
    async with database.transaction() as tx:
        for statement in (
            """INSERT INTO invitation (invitation_id, customer_id, program_id, touchpoint,
                   survey_id, channel, recipient, occurred_at, expires_at)
               VALUES ('i1', 'c1', 'p', 't', 'nps', 'email', '{}', now(), now())""",
            """INSERT INTO response (invitation_id, response_id, customer_id, revision, score,
                   answered_at)
               VALUES ('i1', 'r1', 'c1', 1, 9, now())""",
            """INSERT INTO response_revision (invitation_id, revision, customer_id, score,
                   answered_at)
               VALUES ('i1', 1, 'c1', 9, now())""",
        ):
            await tx.connection.execute(text(statement))
    async with database.read() as connection:
        asked = await connection.scalar(text("SELECT survey_version FROM invitation"))
        row = (
            await connection.execute(
                text("SELECT survey_id, survey_version, scale, drivers FROM response")
            )
        ).one()
    assert asked == 1
    assert tuple(row[:3]) == ("nps", 1, "nps")
