"""The whole process: migrate, run, hear an alert over Kafka, stop while a page listens."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial

import httpx2
import pytest
from aiokafka import AIOKafkaProducer

from heardback.embedded.broker import Broker
from heardback.embedded.processes import free_port
from heardback.envelope import encode
from heardback.testing.stack import ServiceDatabase, service_environment
from heardback.testing.waiting import until


@pytest.fixture
async def environment(service_database: ServiceDatabase, broker: Broker) -> dict[str, str]:
    return service_environment(
        await service_database("closeloop"), broker, HTTP_PORT=str(free_port())
    )


async def _start(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "closeloop_service", *arguments, env=environment,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
async def process(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    assert await (await _start(environment, "migrate")).wait() == 0
    started = await _start(environment)
    yield started
    if started.returncode is None:
        started.kill()
        await started.wait()


async def _publish(bootstrap_servers: str, event) -> None:
    message = encode(event)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=False)
    await producer.start()
    try:
        await producer.send_and_wait(
            message.topic, message.value, key=message.key, headers=list(message.headers)
        )
    finally:
        await producer.stop()


async def _each_opened_once(client: httpx2.AsyncClient) -> bool:
    tasks = (await client.get("/tasks", params={"limit": 500})).json()["tasks"]
    metrics = (await client.get("/metrics")).text
    return f'heardback_closeloop_moves_total{{move="opened"}} {len(tasks)}.0' in metrics


async def test_open_page_sees_the_task_and_the_process_stops_when_told(
    environment, broker, process, an_alert
):
    base_url = f"http://127.0.0.1:{environment['HEARDBACK_HTTP_PORT']}"
    async with httpx2.AsyncClient(base_url=base_url, timeout=20) as client:

        async def ready() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx2.TransportError:
                return False

        await until(ready, seconds=30)
        async with client.stream("GET", "/live") as live:
            lines = live.aiter_lines()
            await _publish(broker.bootstrap_servers, an_alert())
            async for line in lines:
                if "Ada 1" in line:
                    break
            # Other tests' alerts may stand on the same broker: each task was opened once.
            await until(partial(_each_opened_once, client), seconds=20)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), timeout=10) == 0
