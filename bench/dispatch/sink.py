"""An SMTP server that takes everything, counts it and keeps nothing but the first mails."""

import asyncio
from time import perf_counter
from typing import Final

_KEPT: Final = 500
_GREETING: Final = b"220 sink\r\n"
_ANSWERS: Final = {
    b"EHLO": b"250-sink\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}


class Sink:
    """What arrived, and when: `times[i]` is when mail i was taken."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.times: list[float] = []

    async def listen(self, port: int) -> asyncio.Server:
        """Start to take mail."""
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _Conversation(self), "127.0.0.1", port)

    def take(self, mail: bytes) -> None:
        """Count a mail."""
        self.times.append(perf_counter())
        if len(self.mails) < _KEPT:
            self.mails.append(mail)


class _Conversation(asyncio.Protocol):
    def __init__(self, sink: Sink) -> None:
        self._sink, self._in_data = sink, False
        self._heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n.\r\n" if self._in_data else b"\r\n")) >= 0:
            said = bytes(self._heard[:end])
            del self._heard[: end + (5 if self._in_data else 2)]
            if self._in_data:
                self._sink.take(said)
                self._in_data = False
                self._transport.write(b"250 taken\r\n")
            else:
                self._in_data = said.upper() == b"DATA"
                self._transport.write(_ANSWERS.get(said[:4].upper(), b"250 ok\r\n"))
