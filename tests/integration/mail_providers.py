"""A mail provider that limits, refuses, times out and hangs up, and remembers what it took."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

_INVITATION: Final = re.compile(rb"^Heardback-Invitation: (\S+)\r$", re.MULTILINE)
_ADDRESS: Final = re.compile(rb"<(.+)>")
_OTHERS: Final = {b"EHLO": b"250 provider\r\n", b"QUIT": b"221 bye\r\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moods:
    """How often something goes wrong with a mail, each from 0 to 1."""

    not_now: float = 0.0  # 451 at the recipient
    against_policy: float = 0.0  # 554 5.7.1 at the content
    silence: float = 0.0  # no answer to the recipient, ever
    hang_up_before: float = 0.0  # the connection is cut at the recipient
    hang_up_after: float = 0.0  # ... once the mail was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A mail that was taken: which invitation, by whom, and when."""

    invitation_id: str
    provider: str
    at: datetime


@dataclass
class MailProvider:
    """One provider. `unknown`: the recipients that it refuses for good.

    `most_per_connection`: so many mails it takes before it says goodbye (421); `limited`: how often
    it has said that.
    """

    name: str
    port: int
    moods: Moods
    unknown: frozenset[str]
    taken: list[Taken]
    chance: random.Random
    most_per_connection: int | None = None
    limited: int = 0
    hung_up_after: int = 0
    open: set[asyncio.WriteTransport] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Take mail inside the block, and cut every connection at its end."""
        server = await asyncio.get_running_loop().create_server(
            lambda: _Conversation(self), "127.0.0.1", self.port
        )
        try:
            yield
        finally:
            server.close()
            for transport in list(self.open):
                transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0)

    def feels(self, share: float) -> bool:
        return share > 0 and self.chance.random() < share

    def take(self, content: bytes) -> None:
        found = _INVITATION.search(content)
        assert found is not None, "the invitation's id travels in every mail"
        mail = Taken(invitation_id=found[1].decode(), provider=self.name, at=datetime.now(UTC))
        self.taken.append(mail)


class _Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, provider: MailProvider) -> None:
        self._provider = provider
        self._heard = bytearray()
        self._in_data = False
        self._mails = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._provider.open.add(transport)
        transport.write(b"220 provider\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        self._provider.open.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n.\r\n" if self._in_data else b"\r\n")) >= 0:
            said = bytes(self._heard[:end])
            del self._heard[: end + (5 if self._in_data else 2)]
            answer = self._content(said) if self._in_data else self._command(said)
            if answer:
                self._transport.write(answer)

    def _command(self, said: bytes) -> bytes:
        verb = said[:4].upper()
        if verb == b"MAIL":
            return self._sender()
        if verb == b"RCPT":
            return self._recipient(said)
        if verb == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        return _OTHERS.get(verb, b"250 ok\r\n")

    def _sender(self) -> bytes:
        self._mails += 1
        most = self._provider.most_per_connection
        if most is None or self._mails <= most:
            return b"250 ok\r\n"
        self._provider.limited += 1
        self._transport.write(b"421 4.7.0 too many mails on one connection\r\n")
        self._transport.close()
        return b""

    def _recipient(self, said: bytes) -> bytes:
        moods, feels = self._provider.moods, self._provider.feels
        address = _ADDRESS.search(said)
        if address is not None and address[1].decode() in self._provider.unknown:
            return b"550 5.1.1 no such user\r\n"
        if feels(moods.hang_up_before):
            self._transport.abort()
            return b""
        if feels(moods.silence):
            return b""
        return b"451 4.7.1 come back later\r\n" if feels(moods.not_now) else b"250 ok\r\n"

    def _content(self, said: bytes) -> bytes:
        self._in_data = False
        provider = self._provider
        if provider.feels(provider.moods.against_policy):
            return b"554 5.7.1 looks like spam today\r\n"
        provider.take(said)
        if provider.feels(provider.moods.hang_up_after):
            provider.hung_up_after += 1
            self._transport.abort()
            return b""
        return b"250 taken\r\n"
