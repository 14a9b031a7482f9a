"""The whole process: migrates, becomes ready, takes an answer, and stops when told."""

import asyncio
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
from aiokafka import AIOKafkaProducer

from heardback.clock import SystemClock
from heardback.embedded.broker import Broker
from heardback.embedded.processes import free_port
from heardback.envelope import Event, encode
from heardback.ids import TimeOrderedIds
from heardback.security import LinkSigner
from heardback.testing.people import BROWSER_HEADERS
from heardback.testing.stack import service_environment
from heardback.testing.waiting import until

KEY = "a-key-that-is-long-enough"


async def start(env: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "response_service", *arguments, env=env
    )


async def test_service_takes_an_answer_and_stops_when_run_as_a_process(
    service_database: Any, broker: Broker, requested: Callable[..., Event[Any]]
) -> None:
    port = free_port()
    env = service_environment(
        await service_database("response"),
        broker,
        HTTP_PORT=str(port),
        LINK_KEYS=KEY,
    )
    assert await (await start(env, "migrate")).wait() == 0
    process = await start(env)
    event = requested(invitation_id=TimeOrderedIds().new())
    tomorrow = SystemClock().now() + timedelta(days=1)
    token = LinkSigner([KEY], purpose="survey").sign(event.data.invitation_id, expires_at=tomorrow)
    try:
        base_url = f"http://127.0.0.1:{port}"
        async with httpx2.AsyncClient(base_url=base_url, headers=BROWSER_HEADERS) as client:
            await until(lambda: answers(client, "/readyz"), seconds=60)
            await publish(broker, event)
            await until(lambda: answers(client, f"/s/{token}"))
            page = await client.post(f"/s/{token}", data={"score": "2", "comment": "hm"})
            assert page.status_code == 200
            metrics = (await client.get("/metrics")).text
            counted = 'heardback_response_submits_total{category="detractor",change="recorded"} 1.0'
            assert counted in metrics
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def answers(client: httpx2.AsyncClient, path: str) -> bool:
    try:
        return (await client.get(path)).status_code == 200
    except httpx2.TransportError:
        return False


async def publish(broker: Broker, event: Event[Any]) -> None:
    message = encode(event)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(
            message.topic, message.value, key=message.key, headers=list(message.headers)
        )
    finally:
        await producer.stop()
