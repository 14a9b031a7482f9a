"""The whole process, told about its providers by the environment: what it refuses is counted."""

import asyncio
import os
import sys
from typing import Any

import httpx2
import orjson

from heardback.embedded.processes import free_port
from heardback.testing.waiting import until

CALLBACKS = [
    {"kind": "mailgun", "name": "eu", "signing_keys": ["key-of-mailgun-for-tests"]},
    {"kind": "postmark", "name": "main", "url_secrets": ["a-secret-of-tests"]},
]


async def start(env: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dispatch_service", *arguments, env={**os.environ, **env}
    )


async def test_calls_are_counted_when_they_are_taken_and_when_they_are_refused(
    service_database: Any,
) -> None:
    port = free_port()
    env = {
        "HEARDBACK_DATABASE_URL": await service_database("dispatch"),
        "HEARDBACK_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",  # nobody: not needed here
        "HEARDBACK_HTTP_PORT": str(port),
        "HEARDBACK_MAIL_FROM": "feedback@example.com",
        "HEARDBACK_SURVEY_URL": "http://127.0.0.1:1",
        "HEARDBACK_PREFERENCES_URL": f"http://127.0.0.1:{port}",
        "HEARDBACK_LINK_KEYS": "a-key-that-is-long-enough",
        "HEARDBACK_CALLBACKS": orjson.dumps(CALLBACKS).decode(),
    }
    assert await (await start(env, "migrate")).wait() == 0
    process = await start(env)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await until(lambda: is_alive(client), seconds=60)
            assert (await client.post("/callbacks/mailgun/eu", content=b"{}")).status_code == 403
            said = {"RecordType": "Delivery", "MessageID": "m1", "Recipient": "a@example.com"}
            path = "/callbacks/postmark/main/a-secret-of-tests"
            assert (await client.post(path, content=orjson.dumps(said))).status_code == 200
            counted = (await client.get("/metrics")).text
            assert 'callbacks_total{outcome="refused",provider="eu"} 1.0' in counted
            assert 'callbacks_total{outcome="taken",provider="main"} 1.0' in counted
            assert 'provider_events_total{kind="delivered",provider="main"} 1.0' in counted
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def is_alive(client: httpx2.AsyncClient) -> bool:
    try:
        return (await client.get("/livez")).status_code == 200
    except httpx2.TransportError:
        return False
