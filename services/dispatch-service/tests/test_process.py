"""The whole process: migrates, becomes ready, sends what it hears, and stops when told."""

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

import httpx2
from aiokafka import AIOKafkaProducer

from heardback.clock import SystemClock
from heardback.embedded.broker import Broker
from heardback.embedded.processes import free_port
from heardback.envelope import Event, encode
from heardback.ids import TimeOrderedIds
from heardback.testing.stack import service_environment
from heardback.testing.waiting import until

CLOCK = SystemClock()


async def start(env: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dispatch_service", *arguments, env=env
    )


async def test_service_sends_and_stops_when_run_as_a_process(
    service_database: Any, broker: Broker, provider: Any, requested: Callable[..., Event[Any]]
) -> None:
    port = free_port()
    env = service_environment(
        await service_database("dispatch"),
        broker,
        HTTP_PORT=str(port),
        SMTP_PORT=str(provider.port),
        SMTP_TLS="none",
        MAIL_FROM="Northwind <feedback@example.com>",
        SURVEY_URL="http://127.0.0.1:1",
        PREFERENCES_URL=f"http://127.0.0.1:{port}",
        LINK_KEYS="a-key-that-is-long-enough",
    )
    assert await (await start(env, "migrate")).wait() == 0
    process = await start(env)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await until(lambda: is_ready(client), seconds=60)
            # Other suites publish on the same broker: only this one's mail is looked for.
            invitation_id = TimeOrderedIds().new()
            await publish(broker, requested(now=CLOCK.now(), invitation_id=invitation_id))
            await until(lambda: bool(mails_of(provider, invitation_id)))
            (mail,) = mails_of(provider, invitation_id)
            link = mail["List-Unsubscribe"].strip("<>")
            assert (await client.get(link)).status_code == 200
            sent = 'sends_total{channel="email",outcome="sent",provider="smtp"} '
            await until(lambda: says(client, sent))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_ready(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


async def says(client: httpx2.AsyncClient, metric: str) -> bool:
    return metric in (await client.get("/metrics")).text


def mails_of(provider: Any, invitation_id: str) -> list[Any]:
    return [mail for mail in provider.mails if mail["Heardback-Invitation"] == invitation_id]


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
