"""Databases that tests have after each other: to empty one costs a fraction of making one."""

import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from heardback.embedded.databases import (
    SchemaOwner,
    ensure_database,
    ensure_schema,
    role_url,
    with_database,
)

ServiceDatabase = Callable[[str], Awaitable[str]]
"""Give a database for the schema of that name; return the URL of its role."""
MakeTables = Callable[[str, str], Awaitable[None]]
"""Make the tables of a schema, given its name and its role's URL."""

PASSWORD: Final = "only-for-tests"  # noqa: S105  # of a server that lives as long as the tests
# Only what is not empty: each table costs new files. Not by DELETE: rows written later would then
# lie in any order. A lock that is still held tells of a session that a test has forgotten.
_EMPTY: Final = """
    DO $$
    DECLARE filled text; sequence regclass;
    BEGIN
        SET LOCAL lock_timeout = '10s';
        SELECT string_agg(oid::regclass::text, ', ') INTO filled FROM pg_class
            WHERE relnamespace = '{schema}'::regnamespace AND relkind = 'r'
            AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0;
        IF filled IS NOT NULL THEN
            EXECUTE 'TRUNCATE ' || filled || ' CASCADE';
        END IF;
        FOR sequence IN
            SELECT seqrelid FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL
        LOOP
            PERFORM setval(sequence, 1, false);
        END LOOP;
    END $$
"""


class LentDatabases:
    """Databases by schema; each is one test's at a time, and is emptied for the next."""

    def __init__(self, superuser_url: str) -> None:
        self._server = superuser_url
        self._free: defaultdict[str, list[str]] = defaultdict(list)
        self._numbers = itertools.count(1)

    @contextmanager
    def lending(self, make_tables: MakeTables) -> Iterator[ServiceDatabase]:
        """Lend databases until the block ends; one that is new gets its tables."""
        lent: list[tuple[str, str]] = []

        async def lend(schema: str) -> str:
            if self._free[schema]:
                database = self._free[schema].pop()
                await self._empty(schema, database)
            else:
                database = await self._make(schema, make_tables)
            lent.append((schema, database))
            return self._url(schema, database)

        yield lend
        for schema, database in lent:
            self._free[schema].append(database)

    async def _make(self, schema: str, make_tables: MakeTables) -> str:
        database = f"lent_{next(self._numbers)}"
        await ensure_database(self._server, database)
        owner = SchemaOwner(name=schema, password=PASSWORD)
        await make_tables(schema, await ensure_schema(self._server, database, owner))
        return database

    async def _empty(self, schema: str, database: str) -> None:
        connection = await asyncpg.connect(with_database(self._server, database))
        try:
            await connection.execute(_EMPTY.format(schema=schema))
        finally:
            await connection.close()

    def _url(self, schema: str, database: str) -> str:
        owner = SchemaOwner(name=schema, password=PASSWORD)
        return role_url(self._server, database, owner)
