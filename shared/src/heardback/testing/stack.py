"""Pytest fixtures: a real Postgres and a real broker, one of each for a test session.

Use them by `pytest_plugins = ["heardback.testing.stack"]` in the root conftest. The servers are
processes started outside any test's event loop, so tests of every loop scope may share them.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from heardback import migrations
from heardback.contracts import topics
from heardback.embedded.apache_kafka import ApacheKafka, why_not_available
from heardback.embedded.broker import Broker, EmbeddedBroker
from heardback.embedded.databases import SchemaOwner, ensure_database, ensure_schema
from heardback.embedded.postgres import EmbeddedPostgres
from heardback.embedded.processes import free_port
from heardback.embedded.topics import ensure_topics
from heardback.testing.databases import PASSWORD, LentDatabases, ServiceDatabase

KAFKA_VARIABLE: Final = "HEARDBACK_TEST_KAFKA"
"""The environment variable that chooses the broker of the tests: `embedded` or `apache`."""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A running Postgres with its own folder and port."""
    folder = Path(tempfile.mkdtemp(prefix="heardback-test-"))
    server = EmbeddedPostgres(folder, free_port(), fsync=False)
    try:
        asyncio.run(server.start())
        yield server
        asyncio.run(server.stop())
    finally:
        server.kill()
        server.remove()


@pytest.fixture(scope="session")
def service_database(postgres_server: EmbeddedPostgres) -> ServiceDatabase:
    """Make a fresh database at each call: `url = await service_database("schema_name")`.

    The role and the schema of that name are provisioned in it, without tables.
    """
    numbers = itertools.count(1)

    async def create(schema: str) -> str:
        database = f"test_{next(numbers)}"
        await ensure_database(postgres_server.superuser_url(), database)
        owner = SchemaOwner(name=schema, password=PASSWORD)
        return await ensure_schema(postgres_server.superuser_url(), database, owner)

    return create


@pytest.fixture(scope="session")
def lent_databases(postgres_server: EmbeddedPostgres) -> LentDatabases:
    """The databases that tests have after each other."""
    return LentDatabases(postgres_server.superuser_url())


@pytest.fixture
def migrated_database(lent_databases: LentDatabases) -> Iterator[ServiceDatabase]:
    """Lend an empty database with a service's tables: `url = await migrated_database("trigger")`.

    A later test has it again: all rows are gone then, and what has changed of its tables stays.
    """

    async def migrate(service: str, url: str) -> None:
        await migrations.upgrade(url, schema=service, package=f"{service}_service")

    with lent_databases.lending(migrate) as lend:
        yield lend


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A running broker that has all topics; which one it is says `HEARDBACK_TEST_KAFKA`."""
    folder = Path(tempfile.mkdtemp(prefix="heardback-test-"))
    server = _broker(folder)
    try:
        asyncio.run(_start(server))
        yield server
        asyncio.run(server.stop())
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def service_environment(database_url: str, broker: Broker, **settings: str) -> dict[str, str]:
    """Return a service's environment: this process's, and settings such as `HTTP_PORT="8000"`."""
    common = {
        "DATABASE_URL": database_url,
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "KAFKA_IDEMPOTENCE": str(broker.idempotent).lower(),
        "KAFKA_SESSION_TIMEOUT_SECONDS": str(broker.session_seconds),
    }
    named = {f"HEARDBACK_{name}": value for name, value in {**common, **settings}.items()}
    return {**os.environ, **named}


def _broker(folder: Path) -> Broker:
    if os.environ.get(KAFKA_VARIABLE, "embedded") != "apache":
        return EmbeddedBroker(free_port(), folder / "broker.log")
    obstacle = why_not_available()
    if obstacle is not None:
        pytest.skip(obstacle)
    return ApacheKafka(folder, free_port())


async def _start(server: Broker) -> None:
    await server.start()
    await ensure_topics(server.bootstrap_servers, topics.ALL)
