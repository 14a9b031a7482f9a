"""HTTP requests over connections that stay open, each sending its next one once it is answered."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

_HEAD_ENDS: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


@dataclass(slots=True)
class Load:
    """What came of the requests. `answers`: by the number of the request, where they are kept."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    answers: dict[int, bytes] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Return the answers per second."""
        return len(self.latencies) / self.seconds

    def milliseconds(self, percentile: float) -> float:
        """Return the latency that `percentile` per cent of the requests stayed within."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(len(ranked) * percentile / 100))] * 1000


async def put(
    port: int, requests: Iterable[bytes], *, connections: int, keep_answers: bool = False
) -> Load:
    """Send `requests`, whole HTTP/1.1 messages, in turn over `connections`."""
    load, waiting = Load(), enumerate(requests)
    loop, ended = asyncio.get_running_loop(), []
    began = perf_counter()
    for _ in range(connections):
        _, connection = await loop.create_connection(
            lambda: _Connection(waiting, load, keep_answers=keep_answers), "127.0.0.1", port
        )
        ended.append(connection.ended)
    await asyncio.gather(*ended)
    load.seconds = perf_counter() - began
    return load


class _Connection(asyncio.Protocol):
    def __init__(
        self, requests: Iterator[tuple[int, bytes]], load: Load, *, keep_answers: bool
    ) -> None:
        self._requests, self._load, self._keep = requests, load, keep_answers
        self._answer = bytearray()
        self._wanted = self._number = 0
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not self._wanted:
            head, found, _ = self._answer.partition(_HEAD_ENDS)
            if not found:
                return
            self._wanted = len(head) + len(found) + _content_length(bytes(head))
        if len(self._answer) >= self._wanted:
            self._note()
            self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("closed before the answer"))

    def _note(self) -> None:
        load, status = self._load, int(self._answer[9:12])
        load.latencies.append(perf_counter() - self._sent_at)
        load.statuses[status] = load.statuses.get(status, 0) + 1
        if self._keep:
            load.answers[self._number] = bytes(self._answer)

    def _send_next(self) -> None:
        numbered = next(self._requests, None)
        if numbered is None:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._number, request = numbered
        self._answer.clear()
        self._wanted = 0
        self._sent_at = perf_counter()
        self._transport.write(request)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    return 0
