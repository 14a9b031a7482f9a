"""Roles and schemas with the least privileges that a service needs."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaOwner:
    """A role that owns the schema of its own name, and nothing else."""

    name: str
    password: str


async def ensure_database(
    superuser_url: str, database: str, *, template: str = "template1"
) -> None:
    """Create `database` as a copy of `template` unless it exists; a grant lets others in."""
    connection = await asyncpg.connect(superuser_url)
    try:
        found = await connection.fetchval("select 1 from pg_database where datname = $1", database)
        if not found:
            await _execute(connection, "create database %I template %I", database, template)
        await _execute(connection, "revoke all on database %I from public", database)
    finally:
        await connection.close()


async def ensure_schema(superuser_url: str, database: str, owner: SchemaOwner) -> str:
    """Create the role and its schema in `database` unless they exist, set the role's password.

    Returns the URL under which the role connects.
    """
    connection = await asyncpg.connect(with_database(superuser_url, database))
    try:
        found = await connection.fetchval("select 1 from pg_roles where rolname = $1", owner.name)
        if not found:
            await _execute(connection, "create role %I login", owner.name)
        await _execute(connection, "alter role %I password %L", owner.name, owner.password)
        await _execute(connection, "grant connect on database %I to %I", database, owner.name)
        await connection.execute("revoke all on schema public from public")
        await _execute(
            connection, "create schema if not exists %I authorization %I", owner.name, owner.name
        )
        await _execute(
            connection,
            "alter role %I in database %I set search_path = %I",
            *(owner.name, database, owner.name),
        )
    finally:
        await connection.close()
    return role_url(superuser_url, database, owner)


def with_database(url: str, database: str) -> str:
    """Return `url` with another database's name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def role_url(url: str, database: str, owner: SchemaOwner) -> str:
    """Return the URL under which `owner` connects to `database` on the server of `url`."""
    parts = urlsplit(url)
    server = parts.netloc.rpartition("@")[2]
    who = f"{quote(owner.name, safe='')}:{quote(owner.password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{who}@{server}", path=f"/{database}"))


async def _execute(connection: "asyncpg.Connection[asyncpg.Record]", sql: str, *names: str) -> None:
    """Run a statement whose names and literals Postgres itself has quoted."""
    placeholders = ", ".join(f"${number}::text" for number in range(2, len(names) + 2))
    statement = await connection.fetchval(f"select format($1, {placeholders})", sql, *names)
    await connection.execute(statement)
