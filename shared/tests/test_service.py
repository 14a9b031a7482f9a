"""One whole service process in the test's own loop: starts in any order, says what it waits for."""

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import orjson
import pytest
from aiokafka import AIOKafkaProducer
from fastapi import APIRouter
from sqlalchemy import text

from heardback import migrations
from heardback.clock import SystemClock
from heardback.contracts import topics
from heardback.db import Database
from heardback.embedded.broker import EmbeddedBroker
from heardback.embedded.databases import SchemaOwner, ensure_database, ensure_schema
from heardback.embedded.postgres import EmbeddedPostgres
from heardback.embedded.processes import free_port
from heardback.envelope import OutgoingMessage, encode
from heardback.errors import Conflict, Invalid, NotFound
from heardback.http import DatabaseOf, problem_of
from heardback.ids import TimeOrderedIds
from heardback.service import LoopEnded, Service, run
from heardback.settings import ServiceSettings
from heardback.testing import toy
from heardback.testing.builders import a_purchase
from heardback.testing.clock import START
from heardback.testing.stack import ServiceDatabase
from heardback.testing.waiting import until

ENVIRONMENT = """
from heardback.migrations import run_environment
from heardback.testing.toy import metadata
run_environment(metadata)
"""
REVISION = """
from alembic import op
from heardback.testing.toy import metadata
revision, down_revision = "0001", None
def upgrade():
    metadata.create_all(op.get_bind())
"""


class NoSuchToy(NotFound):
    """There is no toy of this name."""


class ToyTaken(Conflict):
    """Somebody else plays with it."""


router = APIRouter()


@router.get("/toys/{name}")
async def toy_of(name: str, database: DatabaseOf) -> dict[str, str]:
    if name == "taken":
        raise ToyTaken(name=name)
    async with database.read() as connection:
        await connection.exec_driver_sql("SELECT 1")
    raise NoSuchToy(name=name)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with one migration."""
    versions = tmp_path / "toy_migrations" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "toy_migrations" / "__init__.py").write_text("")
    (versions.parent / "env.py").write_text(ENVIRONMENT)
    (versions / "0001_first.py").write_text(REVISION)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "toy_migrations"


@pytest.fixture
async def service(
    service_database: ServiceDatabase, fresh_broker: EmbeddedBroker, package: str
) -> Service:
    settings = ServiceSettings(
        database_url=await service_database("toy"),
        kafka_bootstrap_servers=fresh_broker.bootstrap_servers,
        kafka_idempotence=False,
        kafka_session_timeout_seconds=1.5,
        http_port=free_port(),
    )
    return Service(
        name="toy",
        package=package,
        settings=settings,
        handlers={topics.PURCHASE: toy.on_events},
        timers={"send": toy.on_timers},
        routers=[router],
    )


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[httpx2.AsyncClient]:
    task = asyncio.create_task(run(service, clock=SystemClock(), ids=TimeOrderedIds()))
    base = f"http://127.0.0.1:{service.settings.http_port}"
    async with httpx2.AsyncClient(base_url=base) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/livez")).status_code == 200
            except httpx2.TransportError:
                return False

        try:
            await until(answers)
            yield client
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            async with asyncio.timeout(15):
                await task


async def test_service_waits_and_says_why_when_migrations_are_behind(service: Service) -> None:
    async with running(service) as client:

        async def says_so() -> bool:
            report = (await client.get("/readyz")).json()
            return "not at this version's revision" in report["checks"]["database"]

        await until(says_so)
        assert (await client.get("/readyz")).status_code == 503
        await migrations.upgrade(
            service.settings.database_url, schema="toy", package=service.package
        )

        await until(lambda: is_ready(client), seconds=30)
        assert (await client.get("/readyz")).json() == {
            "ready": True,
            "checks": dict.fromkeys(["consumer", "database", "doorbell", "relay", "timers"], "ok"),
        }
        assert "python_info" in (await client.get("/metrics")).text


async def test_schema_is_current_when_the_next_version_has_migrated_it(service: Service) -> None:
    url = service.settings.database_url
    await migrations.upgrade(url, schema="toy", package=service.package)
    database = Database(url, service="toy", clock=SystemClock(), ids=TimeOrderedIds())
    try:
        async with database.engine.begin() as connection:
            assert await migrations.is_current(connection, service.package)
            await connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
            assert await migrations.is_current(connection, service.package)
            await connection.execute(text("DELETE FROM alembic_version"))
            assert not await migrations.is_current(connection, service.package)
    finally:
        await database.close()


async def test_readiness_names_the_broker_when_it_is_away(
    service: Service, fresh_broker: EmbeddedBroker
) -> None:
    await migrations.upgrade(service.settings.database_url, schema="toy", package=service.package)
    async with running(service) as client:
        await until(lambda: is_ready(client), seconds=30)
        fresh_broker.kill()

        async def says_so() -> bool:
            checks = (await client.get("/readyz")).json()["checks"]
            return checks["consumer"] != "ok" and checks["database"] == "ok"

        await until(says_so, seconds=30)
        assert (await client.get("/livez")).status_code == 200


async def test_error_is_a_problem_when_a_route_raises_it(service: Service) -> None:
    await migrations.upgrade(service.settings.database_url, schema="toy", package=service.package)
    async with running(service) as client:
        missing = await client.get("/toys/bear")
        taken = await client.get("/toys/taken")
        unknown = await client.get("/nothing")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json() == {
        "type": "urn:heardback:problem:no-such-toy",
        "title": "There is no toy of this name.",
        "status": 404,
        "name": "bear",
    }
    assert taken.status_code == taken.json()["status"] == 409
    assert unknown.json()["type"] == "urn:heardback:problem:not-found"


def test_problem_stays_one_when_an_attribute_has_the_name_of_a_member() -> None:
    class Odd(Conflict):
        """This is odd."""

    response = problem_of(Odd(kind="gift", status="open", title="Gift", at=START))
    assert orjson.loads(response.body) == {
        "type": "urn:heardback:problem:odd",
        "title": "This is odd.",
        "status": 409,
        "kind": "gift",
        "at": START.isoformat(),
    }


async def test_every_method_of_a_path_is_named_when_another_is_tried(service: Service) -> None:
    toys = APIRouter(prefix="/toys")
    toys.get("/{name}")(lambda name: name)
    toys.delete("/{name}")(lambda name: name)
    service = dataclasses.replace(service, routers=[toys])
    await migrations.upgrade(service.settings.database_url, schema="toy", package=service.package)
    async with running(service) as client:
        refused = await client.options("/toys/bear")
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET, DELETE"


async def test_input_is_refused_at_the_start_when_it_can_never_work(service: Service) -> None:
    class BadProgram(Invalid):
        """The program can't be read."""

    async def refuse(_database: Database) -> None:
        raise BadProgram(file="x.yaml", line=3)

    await migrations.upgrade(service.settings.database_url, schema="toy", package=service.package)
    refusing = Service(
        name="toy", package=service.package, settings=service.settings, on_start=refuse
    )
    with pytest.raises(ExceptionGroup) as refused:
        await run(refusing, clock=SystemClock(), ids=TimeOrderedIds())
    assert "line=3" in str(refused.value.exceptions[0])


async def test_service_says_so_and_goes_on_when_the_database_was_away(
    fresh_broker: EmbeddedBroker, package: str, tmp_path: Path
) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres", free_port())
    await postgres.start()
    try:
        await ensure_database(postgres.superuser_url(), "toys")
        owner = SchemaOwner(name="toy", password="only-for-tests")
        url = await ensure_schema(postgres.superuser_url(), "toys", owner)
        await migrations.upgrade(url, schema="toy", package=package)
        settings = ServiceSettings(
            database_url=url,
            kafka_bootstrap_servers=fresh_broker.bootstrap_servers,
            kafka_idempotence=False,
            kafka_session_timeout_seconds=1.5,
            http_port=free_port(),
        )
        service = Service(
            name="toy",
            package=package,
            settings=settings,
            handlers={topics.PURCHASE: toy.on_events},
            routers=[router],
        )
        async with running(service) as client:
            await until(lambda: is_ready(client), seconds=30)
            postgres.kill()
            await publish(fresh_broker, *(encode(a_purchase(n)) for n in range(20)))

            async def says_so() -> bool:
                checks = (await client.get("/readyz")).json()["checks"]
                return checks["database"] != "ok" and checks["consumer"] != "ok"

            await until(says_so, seconds=30)
            away = await client.get("/toys/bear")
            assert away.status_code == 503
            assert away.json()["type"] == "urn:heardback:problem:unavailable"
            assert "Retry-After" in away.headers
            await postgres.start()
            await until(lambda: is_ready(client), seconds=30)
            database = Database(url, service="toy", clock=SystemClock(), ids=TimeOrderedIds())

            async def all_happened() -> bool:
                return len(await toy.effects(database)) == 20

            await until(all_happened)
            assert await toy.staged(database) == []
            await database.close()
    finally:
        await postgres.stop()
        postgres.remove()


async def is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


async def publish(broker: EmbeddedBroker, *messages: OutgoingMessage) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers) as producer:
        for m in messages:
            await producer.send_and_wait(m.topic, m.value, key=m.key, headers=list(m.headers))


async def test_process_ends_when_a_loop_ends_by_itself(service: Service) -> None:
    async def ends(_stop: asyncio.Event) -> None:
        raise asyncio.CancelledError

    await migrations.upgrade(service.settings.database_url, schema="toy", package=service.package)
    fragile = dataclasses.replace(service, loops=[lambda _runtime: ends])
    with pytest.raises(ExceptionGroup) as ended:
        await run(fragile, clock=SystemClock(), ids=TimeOrderedIds())
    assert isinstance(ended.value.exceptions[0], LoopEnded)
