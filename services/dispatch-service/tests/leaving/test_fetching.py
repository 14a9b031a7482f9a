"""What is fetched from a provider, over real HTTP: bounded, and only what was asked for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from dispatch_service.callbacks.fetching import FetchFailed, fetch


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Serve one answer to everybody and yield the URL."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/certificate.pem"


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def test_body_is_returned_when_it_is_there() -> None:
    async with answering(ok(b"a certificate")) as url:
        assert await fetch(url) == b"a certificate"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"",
        ok(b"x" * 70_000),
    ],
    ids=["redirect", "not-found", "broken", "nonsense", "nothing", "large"],
)
async def test_nothing_is_returned_when_the_answer_is_something_else(answer: bytes) -> None:
    async with answering(answer) as url:
        with pytest.raises(FetchFailed):
            await fetch(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense://x", "http://"])
async def test_nothing_is_returned_when_nobody_is_there(url: str) -> None:
    with pytest.raises(FetchFailed):
        await fetch(url)
