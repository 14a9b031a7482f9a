"""A toy service's schema on a real Postgres, and a broker of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from heardback.contracts import topics
from heardback.db import Database
from heardback.embedded.broker import EmbeddedBroker
from heardback.embedded.processes import free_port
from heardback.embedded.topics import ensure_topics
from heardback.testing import toy
from heardback.testing.clock import CountedIds, ManualClock
from heardback.testing.databases import LentDatabases


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(lent_databases: LentDatabases, clock: ManualClock) -> AsyncIterator[Database]:
    with lent_databases.lending(_make_tables) as lend:
        database = _open(await lend("toy"), clock)
        yield database
        await database.close()


async def _make_tables(_schema: str, url: str) -> None:
    database = _open(url, ManualClock())
    await toy.create_tables(database)
    await database.close()


def _open(url: str, clock: ManualClock) -> Database:
    return Database(url, service="toy", clock=clock, ids=CountedIds())


@pytest.fixture
async def fresh_broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(free_port(), tmp_path / "broker.log")
    await broker.start()
    await ensure_topics(broker.bootstrap_servers, topics.ALL)
    yield broker
    await broker.stop()
