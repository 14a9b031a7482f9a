"""Row 49 through two whole processes: the rulebook, an alert over Kafka, the message, its link."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from aiokafka import AIOKafkaProducer

from heardback.embedded.broker import Broker
from heardback.embedded.processes import free_port
from heardback.envelope import encode
from heardback.testing.stack import ServiceDatabase, service_environment
from heardback.testing.waiting import until

from .doubles import Providers

RULEBOOK = """
targets:
  care-slack: {kind: slack, secret: slack_url}
  pager: {kind: pagerduty, secret: pager_key, url: "%s"}
routes:
  - {target: care-slack}
  - {target: pager}
group_within: 1s
at_most_per_hour: 60
"""


@pytest.fixture
async def replicas(
    service_database: ServiceDatabase, broker: Broker, providers: Providers
) -> AsyncIterator[list[str]]:
    """Run two processes; yield their addresses."""
    ports = [free_port(), free_port()]
    environment = service_environment(
        await service_database("closeloop"),
        broker,
        SECRETS=json.dumps(providers.secrets),
        LINK_KEYS="only-for-tests-0123",
        ALLOWED_NETWORKS="127.0.0.0/8",
        BOARD_PUBLIC_URL=f"http://127.0.0.1:{ports[0]}/",
    )
    assert await (await _start(environment, "migrate")).wait() == 0
    started = [await _start(environment | {"HEARDBACK_HTTP_PORT": str(port)}) for port in ports]
    yield [f"http://127.0.0.1:{port}" for port in ports]
    for process in started:
        process.kill()
        await process.wait()


async def _start(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "closeloop_service",
        *arguments,
        env=environment,
        stdout=subprocess.DEVNULL,
    )


async def test_row_49_ops_are_told_and_acknowledge_from_the_link(
    replicas: list[str], providers: Providers, broker: Broker, an_alert: Any
) -> None:
    async with httpx2.AsyncClient(timeout=20) as client:

        async def are_ready() -> bool:
            try:
                answers = [await client.get(f"{url}/readyz") for url in replicas]
            except httpx2.TransportError:
                return False
            return all(answer.status_code == 200 for answer in answers)

        await until(are_ready, seconds=60)
        body = RULEBOOK % providers.url
        saved = await client.put(
            f"{replicas[0]}/rulebooks/alerts",
            json={"body": body, "note": "", "saved_by": "Maya"},
        )
        assert saved.status_code in (200, 201), saved.text
        await _publish(broker, *(an_alert(number) for number in range(1, 4)))
        await until(lambda: bool(providers.slack.taken and providers.pager.taken), seconds=30)
        # Three at most: the alerts may be read in as many batches.
        assert 1 <= providers.slack.calls <= 3
        link = providers.slack.taken[0]["blocks"][-1]["text"]["text"].split("<")[1].split("|")[0]
        assert link.startswith(f"{replicas[0]}/alerts/")
        assert (await client.get(link)).status_code == 200
        page = await client.post(link, data={"owner": "Ana Ruiz"})
        assert "Ana Ruiz" in page.text
        tasks = (await client.get(f"{replicas[1]}/tasks?owner=Ana Ruiz")).json()["tasks"]
        assert {task["state"] for task in tasks} == {"acknowledged"}
        metrics = [(await client.get(f"{url}/metrics")).text for url in replicas]
        told = 'heardback_closeloop_alert_messages_total{kind="slack",outcome="taken"}'
        assert any(told in text for text in metrics)


async def _publish(broker: Broker, *events: Any) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers, enable_idempotence=False
    )
    await producer.start()
    try:
        for event in events:
            message = encode(event)
            await producer.send_and_wait(
                message.topic, message.value, key=message.key, headers=list(message.headers)
            )
    finally:
        await producer.stop()
