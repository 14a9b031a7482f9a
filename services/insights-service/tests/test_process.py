"""The whole process: migrate, run, hear a response over Kafka, stop."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaProducer

from heardback.contracts import registry
from heardback.embedded.broker import Broker
from heardback.embedded.processes import free_port
from heardback.envelope import encode
from heardback.testing.builders import an_event
from heardback.testing.clock import START
from heardback.testing.stack import ServiceDatabase, service_environment
from heardback.testing.waiting import until


@pytest.fixture
async def environment(service_database: ServiceDatabase, broker: Broker) -> dict[str, str]:
    return service_environment(
        await service_database("insights"), broker, HTTP_PORT=str(free_port())
    )


async def _start(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "insights_service", *arguments, env=environment,
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


async def _publish(bootstrap_servers: str, event: Any) -> None:
    message = encode(event)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=False)
    await producer.start()
    try:
        for _ in range(2):
            await producer.send_and_wait(
                message.topic, message.value, key=message.key, headers=list(message.headers)
            )
    finally:
        await producer.stop()


async def test_response_is_counted_once_and_the_process_stops_when_told(
    environment: dict[str, str], broker: Broker, process: asyncio.subprocess.Process
) -> None:
    base_url = f"http://127.0.0.1:{environment['HEARDBACK_HTTP_PORT']}"
    async with httpx2.AsyncClient(base_url=base_url, timeout=5) as client:

        async def says(path: str, wanted: str) -> bool:
            try:
                return wanted in (await client.get(path)).text
            except httpx2.TransportError:
                return False

        await until(lambda: says("/readyz", '"ready":true'), seconds=30)
        event = an_event(
            registry.RESPONSE_RECORDED, customer_id="c1", response_id="r1", invitation_id="i1",
            program_id="shop", touchpoint="purchase", survey_id="nps", channel="email",
            revision=1, score=2, category="detractor", comment="Late.", answered_at=START,
        )  # fmt: skip
        await _publish(broker.bootstrap_servers, event)
        await until(lambda: says("/nps", '"nps":-100'))
        repeats = 'heardback_insights_repeats_total{kind="Response"} 1.0'
        await until(lambda: says("/metrics", repeats))
        assert (await client.get("/nps")).json()["responses"] == 1
        assert "too few to go by" in (await client.get("/?period=all")).text
        async with client.stream("GET", "/live") as live:
            assert live.status_code == 200
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), timeout=20) == 0
