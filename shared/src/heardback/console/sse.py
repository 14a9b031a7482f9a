"""Live pages: a change is rendered once, and the same bytes go to every open page.

A message's id is `<boot>-<number>`. Whoever missed one, or met another process, is told to fetch
the page again (`reset`); nothing is replayed. A page that reads too slowly is reset as well, so
memory stays bounded. Other systems listen in the same way; they are sent data, not elements.
"""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from fastapi import Request
from fastapi.responses import StreamingResponse

from heardback.clock import Clock, wait_any
from heardback.ids import Ids

HEARTBEAT_SECONDS: Final = 15.0
_LINE_BREAK: Final = re.compile(r"\r\n|\r|\n")
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class _Listener:
    """One open page: what it has not been sent yet."""

    def __init__(self) -> None:
        self.frames: deque[bytes] = deque()
        self.ready = asyncio.Event()

    def take(self) -> bytes:
        taken = b"".join(self.frames)
        self.frames.clear()
        self.ready.clear()
        return taken


class Hub:
    """Fans messages out to the open pages of this process."""

    def __init__(self, *, ids: Ids, capacity: int = 64) -> None:
        """`capacity`: messages that a page may lag behind before it is reset."""
        self._boot = ids.new().replace("-", "")
        self._number = 0
        self._capacity = capacity
        self._listeners: set[_Listener] = set()

    @property
    def position(self) -> str:
        """The id of the newest message; a page carries the one of the moment it was made."""
        return f"{self._boot}-{self._number}"

    @property
    def listeners(self) -> int:
        """How many pages are open: none, and there is nothing to render."""
        return len(self._listeners)

    def publish(self, html: str) -> None:
        """Send elements, each with an id, to every page."""
        self.send("patch", html)

    def send(self, event: str, data: str) -> None:
        """Send a message of the kind `event` to everybody who listens."""
        self._number += 1
        self._fan_out(frame(self.position, event, data))

    def reset(self) -> None:
        """Let every page fetch itself again."""
        self._number += 1
        self._fan_out(self._reset_frame())

    def _fan_out(self, message: bytes) -> None:
        for listener in self._listeners:
            if len(listener.frames) >= self._capacity:
                listener.frames.clear()
                listener.frames.append(self._reset_frame())
            else:
                listener.frames.append(message)
            listener.ready.set()

    async def listen(
        self, *, after: str | None, stop: asyncio.Event, clock: Clock
    ) -> AsyncIterator[bytes]:
        """Yield what one page is sent, until `stop` is set. `after` is the last id it knows."""
        listener = _Listener()
        self._listeners.add(listener)
        try:
            yield self._beat(clock.now()) if after == self.position else self._reset_frame()
            while not stop.is_set():
                await wait_any(listener.ready, stop, clock=clock, seconds=HEARTBEAT_SECONDS)
                yield listener.take() or self._beat(clock.now())
        finally:
            self._listeners.discard(listener)

    def _reset_frame(self) -> bytes:
        return frame(self.position, "reset", "")

    def _beat(self, now: datetime) -> bytes:
        return frame(self.position, "beat", str(int(now.timestamp() * 1_000)))


def frame(message_id: str, event: str, data: str) -> bytes:
    """Return one message as it goes over the wire.

    Every line break in `data` starts a `data:` line: a text can't forge a message. What Unicode
    alone calls a line break is none here: JSON with one in it comes out as it went in.
    """
    lines = "".join(f"data: {line}\n" for line in _LINE_BREAK.split(data))
    return f"id: {message_id}\nevent: {event}\n{lines}\n".encode()


def stream(request: Request, hub: Hub) -> StreamingResponse:
    """Answer a page that listens; ends by itself when the service stops."""
    after = request.headers.get("last-event-id") or request.query_params.get("after")
    state = request.app.state
    frames = hub.listen(after=after, stop=state.stop, clock=state.database.clock)
    return StreamingResponse(frames, media_type="text/event-stream", headers=_HEADERS)
