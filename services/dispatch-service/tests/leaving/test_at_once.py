"""The same thing said many times at the same moment: it has its effects once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import orjson

from heardback.envelope import Event

Ask = Callable[..., Awaitable[str]]
Published = Callable[[], Awaitable[list[Event[Any]]]]
Listed = Callable[[], Awaitable[list[tuple[str, ...]]]]
POSTMARK = {"kind": "postmark", "name": "main", "url_secrets": ["a-secret-of-tests"]}


async def test_customer_leaves_once_when_every_click_comes_at_once(
    client: httpx2.AsyncClient,
    asked: Ask,
    way_out: Callable[..., str],
    published: Published,
    listed: Listed,
) -> None:
    await asked()
    answers = await asyncio.gather(*(client.post(way_out()) for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await published()) == 1
    assert len(await listed()) == 1


async def test_bounces_have_their_effects_once_when_they_are_repeated_at_once(
    open_client: Any, asked: Ask, published: Published, listed: Listed
) -> None:
    keys = [await asked(number, channels=["email", "sms"]) for number in range(1, 6)]
    bodies = [
        orjson.dumps(
            {
                "RecordType": "Bounce",
                "ID": number,
                "Type": "HardBounce",
                "MessageID": f"m{number}",
                "Email": f"c{number}@example.com",
                "Details": "550 5.1.1 no such user",
                "Metadata": {"heardback-message": key},
            }
        )
        for number, key in enumerate(keys, 1)
    ]
    path = "/callbacks/postmark/main/a-secret-of-tests"
    async with open_client(POSTMARK) as client:
        calls = (client.post(path, content=body) for _ in range(4) for body in bodies)
        answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["new"] for answer in answers) == len(keys)
    assert len(await published()) == len(keys)
    assert len(await listed()) == len(keys)
