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
from heardback.testing.stack import ServiceDatabase


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(
    service_database: ServiceDatabase, clock: ManualClock
) -> AsyncIterator[Database]:
    url = await service_database("toy")
    database = Database(url, service="toy", clock=clock, ids=CountedIds())
    await toy.create_tables(database)
    yield database
    await database.close()


@pytest.fixture
async def fresh_broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(free_port(), tmp_path / "broker.log")
    await broker.start()
    await ensure_topics(broker.bootstrap_servers, topics.ALL)
    yield broker
    await broker.stop()
