"""Pytest fixtures: a real Postgres and a real broker, one of each for a test session.

Use them by `pytest_plugins = ["heardback.testing.stack"]` in the root conftest. The servers are
processes started outside any test's event loop, so tests of every loop scope may share them.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
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

KAFKA_VARIABLE: Final = "HEARDBACK_TEST_KAFKA"
"""The environment variable that chooses the broker of the tests: `embedded` or `apache`."""

ServiceDatabase = Callable[[str], Awaitable[str]]
_PASSWORD: Final = "only-for-tests"  # noqa: S105  # of a server that lives as long as the tests


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
        owner = SchemaOwner(name=schema, password=_PASSWORD)
        return await ensure_schema(postgres_server.superuser_url(), database, owner)

    return create


@pytest.fixture(scope="session")
def migrated_database(postgres_server: EmbeddedPostgres) -> ServiceDatabase:
    """Make a fresh database with a service's tables: `url = await migrated_database("trigger")`.

    The service's migrations run once; each database is a copy of what they made.
    """
    templates: set[str] = set()
    numbers = itertools.count(1)

    async def create(service: str) -> str:
        server = postgres_server.superuser_url()
        owner = SchemaOwner(name=service, password=_PASSWORD)
        template = f"migrated_{service}"
        if service not in templates:
            await ensure_database(server, template)
            url = await ensure_schema(server, template, owner)
            await migrations.upgrade(url, schema=service, package=f"{service}_service")
            templates.add(service)
        database = f"{template}_{next(numbers)}"
        await ensure_database(server, database, template=template)
        return await ensure_schema(server, database, owner)

    return create


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
