"""The migrations make the tables that the code describes."""

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from heardback.db import Database
from insights_service.tables import metadata


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


async def test_schema_equals_the_tables_when_migrated(database: Database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []
