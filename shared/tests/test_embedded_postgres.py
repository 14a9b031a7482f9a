"""The embedded Postgres: what was acknowledged survives, and refusals say why."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from heardback.embedded.databases import SchemaOwner, ensure_database, ensure_schema
from heardback.embedded.postgres import EmbeddedPostgres
from heardback.embedded.processes import HOST, PortTaken, StartFailed, free_port


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path / "postgres", free_port())
    yield server
    await server.stop()
    server.remove()


async def _execute(server: EmbeddedPostgres, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.superuser_url())
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def test_rows_survive_when_the_server_is_killed(server: EmbeddedPostgres) -> None:
    await server.start()
    await _execute(server, "create table kept as select 42 as answer")
    server.kill()
    assert not server.running

    await server.start()

    assert [row["answer"] for row in await _execute(server, "table kept")] == [42]


async def test_rows_survive_when_another_object_starts_the_folder(server: EmbeddedPostgres) -> None:
    await server.start()
    await _execute(server, "create table kept as select 42 as answer")
    await server.stop()

    again = EmbeddedPostgres(server.folder, free_port())
    await again.start()
    rows = await _execute(again, "table kept")
    await again.stop()

    assert [row["answer"] for row in rows] == [42]


async def test_start_forgets_the_dead_server_when_its_pid_lives_on_as_another_process(
    server: EmbeddedPostgres,
) -> None:
    await server.start()
    pid_file = server.log.parent / "data" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    await server.stop()
    pid_file.write_text("\n".join(["1", *lines[1:]]))

    await server.start()

    assert server.running


async def test_start_names_the_port_when_it_is_taken(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as refusal:
            await EmbeddedPostgres(tmp_path / "postgres", port).start()
    assert (refusal.value.port, refusal.value.wanted_by) == (port, "postgres")


async def test_start_says_why_when_the_data_is_of_another_version(
    server: EmbeddedPostgres,
) -> None:
    await server.start()
    await server.stop()
    (server.log.parent / "data" / "PG_VERSION").write_text("9\n")

    with pytest.raises(StartFailed) as failure:
        await server.start()

    assert "initialized by PostgreSQL version 9" in failure.value.why
    assert not server.running


async def test_password_is_readable_by_its_owner_only_when_the_server_was_made(
    server: EmbeddedPostgres,
) -> None:
    await server.start()
    assert (server.log.parent / "password").stat().st_mode & 0o777 == 0o600


async def test_role_sees_its_own_schema_only_when_provisioned(server: EmbeddedPostgres) -> None:
    await server.start()
    superuser = server.superuser_url()
    await ensure_database(superuser, "shop")
    mine = await ensure_schema(superuser, "shop", SchemaOwner(name="mine", password="a'b@/:"))
    theirs = await ensure_schema(superuser, "shop", SchemaOwner(name="theirs", password="c"))
    connection = await asyncpg.connect(theirs)
    await connection.execute("create table secret (note text)")
    await connection.close()

    connection = await asyncpg.connect(mine)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("table theirs.secret")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("create table public.here (note text)")
        await connection.execute("create table here (note text)")
        assert await connection.fetchval("select to_regclass('mine.here') is not null")
    finally:
        await connection.close()


async def test_role_is_refused_when_the_database_was_not_granted(server: EmbeddedPostgres) -> None:
    await server.start()
    superuser = server.superuser_url()
    await ensure_database(superuser, "shop")
    await ensure_database(superuser, "office")
    url = await ensure_schema(superuser, "shop", SchemaOwner(name="clerk", password="c"))

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url.replace("/shop", "/office"))
