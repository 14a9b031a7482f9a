"""Connections to Postgres: one that died is not handed out, or fails in a way that is retried."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError

from heardback.clock import SystemClock
from heardback.db import Database, is_transient
from heardback.driver import fetch
from heardback.ids import TimeOrderedIds

_PID = text("SELECT pg_backend_pid()")


@pytest.fixture
async def lone(database: Database) -> AsyncIterator[Database]:
    """A database with one connection, which is open already."""
    lone = Database(
        database.url, service="toy", clock=SystemClock(), ids=TimeOrderedIds(), pool_size=1
    )
    await pid_of(lone)
    yield lone
    await lone.close()


async def pid_of(database: Database) -> int:
    async with database.transaction() as tx:
        return int(await tx.connection.scalar(_PID) or 0)


async def end(database: Database, pid: int) -> None:
    async with database.read() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


async def test_connection_is_used_again_when_it_is_alive(lone: Database) -> None:
    assert await pid_of(lone) == await pid_of(lone)


async def test_connection_is_replaced_unseen_when_it_died_while_it_rested(
    lone: Database, database: Database
) -> None:
    event.listen(
        lone.engine.sync_engine, "checkin", lambda _, record: record.info.update(rests_since=0.0)
    )
    pid = await pid_of(lone)
    await end(database, pid)
    assert await pid_of(lone) != pid


async def test_failure_is_worth_retrying_once_when_it_died_just_now(
    lone: Database, database: Database
) -> None:
    pid = await pid_of(lone)
    await end(database, pid)
    with pytest.raises(Exception) as failed:  # whatever it is, loops must retry it
        await pid_of(lone)
    assert is_transient(failed.value)
    assert await pid_of(lone) != pid


async def test_failure_is_worth_retrying_once_when_it_died_between_two_statements(
    lone: Database, database: Database
) -> None:
    with pytest.raises(Exception) as failed:
        async with lone.transaction() as tx:
            await end(database, int(await tx.connection.scalar(_PID) or 0))
            await fetch(tx.connection, "SELECT 1")
    assert is_transient(failed.value)
    await pid_of(lone)


async def test_statement_of_the_driver_is_undone_when_it_came_first_and_the_rest_failed(
    database: Database,
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            await fetch(tx.connection, "CREATE TABLE brief (n integer)")
            raise ZeroDivisionError
    async with database.transaction() as tx:
        (row,) = await fetch(tx.connection, "SELECT to_regclass($1::text) AS found", "brief")
    assert row["found"] is None


async def test_failure_is_worth_retrying_when_a_migration_took_a_table_or_column_away(
    lone: Database,
) -> None:
    for statement in ("SELECT * FROM gone", "SELECT gone FROM timer"):
        with pytest.raises(ProgrammingError) as failed:
            async with lone.read() as connection:
                await connection.execute(text(statement))
        assert is_transient(failed.value)
