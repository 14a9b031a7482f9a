"""What every benchmark stands on: Postgres, a broker, and fresh databases, off the tested core."""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

import asyncpg

from heardback.contracts import topics
from heardback.embedded.broker import EmbeddedBroker
from heardback.embedded.databases import (
    SchemaOwner,
    ensure_database,
    ensure_schema,
    with_database,
)
from heardback.embedded.postgres import EmbeddedPostgres
from heardback.embedded.processes import free_port
from heardback.embedded.topics import ensure_topics

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_CORES: Final = sorted(os.sched_getaffinity(0))
TESTED_CORE: Final = _CORES[0]
"""The core of the process under test; everything else runs on the others."""
_OTHER_CORES: Final = set(_CORES[1:]) or {TESTED_CORE}
_PASSWORD: Final = "only-for-benchmarks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A running Postgres and a running broker; `folder` is for the files of the run."""

    postgres: EmbeddedPostgres
    broker: EmbeddedBroker
    folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @asynccontextmanager
    async def database(self, schema: str) -> AsyncIterator[str]:
        """Make a database whose `schema` belongs to the role of that name; drop it at the end."""
        database = f"run_{next(self._numbers)}"
        superuser_url = self.postgres.superuser_url()
        await ensure_database(superuser_url, database)
        owner = SchemaOwner(name=schema, password=_PASSWORD)
        yield await ensure_schema(superuser_url, database, owner)
        connection = await asyncpg.connect(superuser_url)
        await connection.execute(f"DROP DATABASE {database} WITH (FORCE)")
        await connection.execute("CHECKPOINT")
        await connection.close()

    @property
    def programs_folder(self) -> Path:
        """Where the tested service finds its programs."""
        return self.folder / "programs"

    def environment(self, url: str) -> dict[str, str]:
        """Return what a service on the database `url` is configured by."""
        return {
            "HEARDBACK_DATABASE_URL": url,
            "HEARDBACK_KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "HEARDBACK_KAFKA_IDEMPOTENCE": str(self.broker.idempotent).lower(),
            "HEARDBACK_HTTP_PORT": str(free_port()),
            "HEARDBACK_LOG_LEVEL": "WARNING",
            "HEARDBACK_PROGRAMS_FOLDER": str(self.programs_folder),
        }

    async def superuser(self, url: str) -> Connection:
        """Connect as the superuser to the database of `url`."""
        database = url.rpartition("/")[2]
        return await asyncpg.connect(with_database(self.postgres.superuser_url(), database))


@asynccontextmanager
async def running_stack(*, commit_times: bool = False) -> AsyncIterator[Stack]:
    """Start both servers, on every core but the tested one; stop and delete them at the end.

    `commit_times` has Postgres remember when each transaction committed.
    """
    os.sched_setaffinity(0, _OTHER_CORES)  # what is started from here on inherits it
    folder = Path(tempfile.mkdtemp(prefix="heardback-bench-"))
    postgres = EmbeddedPostgres(folder / "postgres", free_port())
    broker = EmbeddedBroker(free_port(), folder / "broker.log")
    try:
        await postgres.start()
        if commit_times:
            await _remember_commit_times(postgres)
        await broker.start()
        await ensure_topics(broker.bootstrap_servers, topics.ALL)
        yield Stack(postgres=postgres, broker=broker, folder=folder)
    finally:
        await broker.stop()
        await postgres.stop()
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


async def _remember_commit_times(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.superuser_url())
    await connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    await connection.close()
    await postgres.stop()
    await postgres.start()
