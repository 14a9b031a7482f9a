"""The hub: the same bytes for every page, a bound on what waits, and a reset for who missed any."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from heardback.console.sse import HEARTBEAT_SECONDS, Hub, frame
from heardback.testing.clock import CountedIds, ManualClock
from heardback.testing.waiting import until


class Page:
    """An open page."""

    def __init__(self, hub: Hub, *, after: str | None = None) -> None:
        self.clock = ManualClock()
        self.stop = asyncio.Event()
        position = hub.position if after is None else after
        self.frames: AsyncIterator[bytes] = hub.listen(
            after=position, stop=self.stop, clock=self.clock
        )

    async def next(self) -> str:
        return (await anext(self.frames)).decode()


@pytest.fixture
def hub() -> Hub:
    return Hub(ids=CountedIds(), capacity=3)


async def test_page_gets_a_beat_when_it_missed_nothing(hub: Hub) -> None:
    assert "event: beat" in await Page(hub).next()


@pytest.mark.parametrize("after", ["", "other-0", "garbage"])
async def test_page_is_reset_when_it_knows_another_position(hub: Hub, after: str) -> None:
    assert "event: reset" in await Page(hub, after=after).next()


async def test_page_is_reset_when_something_came_before_it_listened(hub: Hub) -> None:
    page = Page(hub)
    hub.publish("<p id=a></p>")
    assert "event: reset" in await page.next()


async def test_pages_get_the_same_bytes_when_something_is_published(hub: Hub) -> None:
    pages = [Page(hub), Page(hub)]
    for page in pages:
        await page.next()
    hub.publish("<p id=a>news</p>")
    first, second = [await page.next() for page in pages]
    assert first == second == f"id: {hub.position}\nevent: patch\ndata: <p id=a>news</p>\n\n"


async def test_page_is_reset_when_it_reads_too_slowly(hub: Hub) -> None:
    page = Page(hub)
    await page.next()
    for number in range(5):
        hub.publish(f"<p id=a>{number}</p>")
    messages = await page.next()
    assert messages.count("event: reset") == 1
    assert messages.count("event: patch") == 1
    assert f"id: {hub.position}\n" in messages


async def test_page_gets_a_beat_with_the_time_when_nothing_happens(hub: Hub) -> None:
    page = Page(hub)
    await page.next()
    waiting = asyncio.ensure_future(page.next())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    now = page.clock.advance(timedelta(seconds=HEARTBEAT_SECONDS))
    assert f"event: beat\ndata: {int(now.timestamp() * 1_000)}" in await waiting


async def test_stream_ends_when_the_service_stops(hub: Hub) -> None:
    page = Page(hub)
    await page.next()
    page.stop.set()
    assert [frame async for frame in page.frames] == []
    assert hub.listeners == 0


async def test_page_is_forgotten_when_it_goes(hub: Hub) -> None:
    page = Page(hub)
    await page.next()
    assert hub.listeners == 1
    await page.frames.aclose()  # type: ignore[attr-defined]  # it is an async generator
    await until(lambda: hub.listeners == 0)


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n"])
def test_text_stays_data_when_it_looks_like_a_message(line_break: str) -> None:
    message = frame("b-1", "patch", f"a{line_break}event: reset{line_break}{line_break}")
    lines = re.split(rb"\r\n|\r|\n", message)
    assert all(line.startswith((b"id: ", b"event: patch", b"data: ")) for line in lines if line)
    assert message.count(b"\n\n") == 1


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_text_is_whole_when_it_has_what_only_some_call_a_line_break(mark: str) -> None:
    said = f'{{"comment":"one{mark}two"}}'
    assert frame("b-1", "change", said).decode().split("\n")[2] == f"data: {said}"
