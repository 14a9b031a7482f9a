from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from trigger_service.tables import metadata


def _differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_schema_equals_the_tables_when_migrated(trigger: Any) -> None:
    async with trigger.database.read() as connection:
        assert await connection.run_sync(_differences) == []
