"""Migrations: each service has its own in its package; they run under a lock, schema by schema."""

import asyncio
from functools import cache
from typing import Final

from alembic import command, context, op
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback import outbox
from heardback.db import connect_engine

_THERE: Final = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION: Final = text("SELECT version_num FROM alembic_version")
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('migrations'), hashtext(:schema))")


def config(package: str) -> Config:
    """Return Alembic's configuration for the migrations inside `package`."""
    settings = Config()
    settings.set_main_option("script_location", f"{package}:migrations")
    settings.set_main_option("path_separator", "os")
    return settings


async def upgrade(url: str, *, schema: str, package: str) -> None:
    """Bring a service's schema to its newest revision; replicas that start at once take turns."""
    engine = connect_engine(url, schema, pool_size=1, command_seconds=None)
    try:
        async with engine.begin() as connection:
            await connection.execute(_LOCK, {"schema": schema})
            await connection.run_sync(_upgrade, package)
    finally:
        await engine.dispose()


async def is_current(connection: AsyncConnection, package: str) -> bool:
    """Tell whether the schema stands at the newest revision of `package`, or at a newer one.

    A newer one is what the next version's migration has brought while this replica still serves.
    """
    revision = await connection.scalar(_REVISION) if await connection.scalar(_THERE) else None
    head, known = await asyncio.to_thread(_revisions, package)
    return revision == head or (revision is not None and revision not in known)


def have_outbox_ring() -> None:
    """Have an outbox ring its bell by itself, and keep no index of what is not published yet.

    A step of each service's migrations. It never changes: what comes later is another step.
    """
    for statement in outbox.BELL:
        op.execute(statement)
    op.drop_index("outbox_published_at", "outbox")
    published = text("published_at IS NOT NULL")
    op.create_index("outbox_published", "outbox", ["published_at"], postgresql_where=published)


def run_environment(metadata: MetaData) -> None:
    """Run the migrations on the connection that `upgrade` opened; a service's `env.py` calls it."""
    connection: Connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    context.run_migrations()


def _upgrade(connection: Connection, package: str) -> None:
    settings = config(package)
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


@cache
def _revisions(package: str) -> tuple[str | None, frozenset[str]]:
    """Return the newest revision that `package` knows, and all of them."""
    scripts = ScriptDirectory.from_config(config(package))
    return scripts.get_current_head(), frozenset(s.revision for s in scripts.walk_revisions())
