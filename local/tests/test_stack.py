"""The stack with stand-ins for the services: order, healing, refusals, and nothing left behind."""

import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx2
import pytest

from heardback.embedded import postgres_home
from heardback.embedded.processes import (
    HOST,
    PortTaken,
    StartFailed,
    accepts_connections,
    free_port,
    wait_until,
)
from heardback_local.config import StackConfig
from heardback_local.ports import Ports
from heardback_local.services import Service
from heardback_local.stack import Stack
from heardback_local.state import AlreadyRunning

ALPHA = Service(name="alpha", module="stand_in_service", env=lambda *_: {"OWN": "alpha's"})
BETA = Service(name="beta", module="stand_in_service", env=lambda *_: {})
STAND_INS = Path(__file__).with_name("stand_ins")


@pytest.fixture
def config(tmp_path: Path) -> StackConfig:
    names = Ports.from_base().by_name()
    return StackConfig(
        state=tmp_path / "state",
        ports=Ports.from_base(overrides={name: free_port() for name in names}),
        extra_env={"PYTHONPATH": os.pathsep.join([str(STAND_INS), *sys.path])},
        replicas=2,
    )


@pytest.fixture
async def stack(config: StackConfig) -> AsyncIterator[Stack]:
    async with Stack(config, [ALPHA, BETA]) as stack:
        yield stack
    postgres_home.remove(stack.state.postgres)


async def _pid(stack: Stack, name: str, replica: int = 0) -> int:
    async with httpx2.AsyncClient() as client:
        answer = await client.get(stack.url(name, replica) + "/readyz")
    return int(answer.json()["pid"])


async def _in_database(stack: Stack, sql: str) -> object:
    connection = await asyncpg.connect(stack.superuser_url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async def holds() -> bool:
        try:
            return await condition()
        except (OSError, httpx2.HTTPError, asyncpg.PostgresError):
            return False

    assert await wait_until(holds, 30)


async def test_replica_comes_back_as_another_process_when_killed(stack: Stack) -> None:
    before = [await _pid(stack, "alpha"), await _pid(stack, "alpha", 1)]
    await stack.kill("alpha", replica=1)

    async def is_back() -> bool:
        return await _pid(stack, "alpha", 1) != before[1]

    await _eventually(is_back)
    assert await _pid(stack, "alpha") == before[0]


async def test_rows_and_services_stay_when_postgres_is_killed(stack: Stack) -> None:
    alpha = await _pid(stack, "alpha")
    await _in_database(stack, "create table kept as select 7 as n")
    stack.kill_postgres()

    async def is_back() -> bool:
        return await _in_database(stack, "select n from kept") == 7

    await _eventually(is_back)
    await stack.wait_ready(30)
    assert await _pid(stack, "alpha") == alpha


async def test_everything_is_published_and_read_again_when_the_embedded_broker_is_killed(
    stack: Stack,
) -> None:
    alpha = await _pid(stack, "alpha")
    await _in_database(stack, "insert into alpha.outbox values (1, now())")
    await _in_database(stack, "insert into beta.partition_offset values ('survey', 0, 12)")
    stack.kill_broker()

    async def starts_over() -> bool:
        return await _pid(stack, "alpha") != alpha

    await _eventually(starts_over)
    await stack.wait_ready(30)
    assert await _in_database(stack, "select count(*) from alpha.outbox where published_at is null")
    assert await _in_database(stack, "select count(*) from beta.partition_offset") == 0


async def test_mailbox_comes_back_when_killed(stack: Stack) -> None:
    await stack.kill("mailbox")
    await stack.wait_ready(30)
    async with httpx2.AsyncClient() as client:
        answer = await client.get(stack.url("mailbox") + "/api/count")
    assert answer.json()["count"] == 0


async def test_role_and_settings_are_in_the_environment_when_asked(stack: Stack) -> None:
    env = stack.env("alpha")
    assert (env["OWN"], env["HEARDBACK_KAFKA_IDEMPOTENCE"]) == ("alpha's", "false")
    connection = await asyncpg.connect(env["HEARDBACK_DATABASE_URL"])
    role = await connection.fetchval("select current_user::text")
    await connection.close()
    assert role == "alpha"


async def test_second_stack_is_refused_when_one_runs_on_the_folder(
    stack: Stack, config: StackConfig
) -> None:
    with pytest.raises(AlreadyRunning) as refusal:
        async with Stack(config, [ALPHA]):
            pass
    assert refusal.value.pid == os.getpid()


async def test_offsets_start_over_when_the_stack_is_started_again(config: StackConfig) -> None:
    async with Stack(config, [ALPHA]) as stack:
        await _in_database(stack, "insert into alpha.partition_offset values ('survey', 0, 12)")
    assert not accepts_connections(config.ports.postgres)
    async with Stack(config, [ALPHA]) as stack:
        assert await _in_database(stack, "select count(*) from alpha.partition_offset") == 0
    postgres_home.remove(stack.state.postgres)


async def test_port_is_named_and_nothing_runs_when_it_is_taken(config: StackConfig) -> None:
    with socket.create_server((HOST, config.ports.smtp)), pytest.raises(PortTaken) as refusal:
        async with Stack(config, [ALPHA]):
            pass
    assert (refusal.value.wanted_by, refusal.value.port) == ("smtp", config.ports.smtp)
    assert not accepts_connections(config.ports.postgres)


async def test_reason_is_told_and_nothing_runs_when_a_service_refuses_to_start(
    config: StackConfig,
) -> None:
    refusing = replace(config, extra_env={**config.extra_env, "STAND_IN_REFUSES": "yes"})
    stack = Stack(refusing, [ALPHA])
    began = time.monotonic()
    with pytest.raises(StartFailed) as refusal:
        async with stack:
            pass
    assert "bad.yaml, line 3" in refusal.value.why
    assert time.monotonic() - began < 30
    assert not accepts_connections(config.ports.postgres)
    assert not accepts_connections(config.ports.kafka)
    postgres_home.remove(stack.state.postgres)


async def test_outside_servers_are_used_when_named(stack: Stack, config: StackConfig) -> None:
    names = config.ports.by_name()
    outside = replace(
        config,
        state=config.state.with_name("second"),
        ports=Ports.from_base(overrides={name: free_port() for name in names}),
        kafka_bootstrap=stack.kafka_bootstrap,
        database_url=stack.superuser_url,
        extra_env={**config.extra_env, "HEARDBACK_KAFKA_IDEMPOTENCE": "false"},
    )
    async with Stack(outside, [BETA]) as second:
        assert second.env("beta")["HEARDBACK_KAFKA_BOOTSTRAP_SERVERS"] == stack.kafka_bootstrap
        assert not accepts_connections(outside.ports.postgres)
        assert not accepts_connections(outside.ports.kafka)
