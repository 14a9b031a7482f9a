"""A provider on HTTP that is as real as it gets, and misbehaves as it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Call:
    """A request as it came in; `headers` have lower-case names."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


def answer(status: int, body: bytes | str = b"", **headers: str) -> bytes:
    """Write an answer; `retry_after="5"` becomes the header `retry-after`."""
    body = body.encode() if isinstance(body, str) else body
    named = {"content-length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode() + body


@dataclass
class Server:
    """`says`: the bytes of each answer; None: nothing at all. Then it hangs up, if it is told."""

    says: bytes | None = OK
    hangs_up: bool = False
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while call := await _read(reader):
                self.calls.append(call)
                if self.says is not None:
                    writer.write(self.says)
                    await writer.drain()
                if self.hangs_up:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Call | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Call(path=first.split(" ")[1], headers=headers, body=body)


@asynccontextmanager
async def serving(
    *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """Serve on a free port."""
    server = Server()
    listener = await asyncio.start_server(server._serve, host, 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for writer in server._writers:
            writer.transport.abort()
        await asyncio.sleep(0)
        await listener.wait_closed()
        await asyncio.sleep(0)
