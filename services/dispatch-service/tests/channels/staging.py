"""What a provider does on a stage, and the stage with aiosmtpd, which speaks SMTP."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from dispatch_service.adapters.interface import Adapter
from dispatch_service.adapters.smtp import SmtpAdapter, SmtpRoute

from .parcels import composers

TIMEOUT_SECONDS = 0.3


class Behaviour(StrEnum):
    """What a provider does with what it is sent."""

    TAKES = "takes"
    REFUSES = "refuses for good"
    NOT_NOW = "says not now"
    SILENT = "takes it and says nothing"
    HANGS_UP = "takes it and hangs up"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """An adapter with its provider: `received` are the ids that reached it, whatever it said."""

    adapter: Adapter[Any]
    tell: Callable[[Behaviour], None]
    received: Callable[[], list[str]]


class _Mail:
    def __init__(self) -> None:
        self.does = Behaviour.TAKES
        self.received: list[str] = []
        self.gate = asyncio.Event()

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return {
            Behaviour.REFUSES: "550 5.1.1 no such mailbox",
            Behaviour.NOT_NOW: "451 4.7.1 not now",
        }.get(self.does, "250 OK")

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = (envelope.original_content or b"").decode("utf-8", "replace")
        found = re.search(r"^Message-ID: <([^@>]+)@", content, re.MULTILINE)
        self.received.append(found[1].replace(".", ":") if found else "none")
        if self.does is Behaviour.SILENT:
            await self.gate.wait()
        if self.does is Behaviour.HANGS_UP:
            server.transport.abort()
        return "250 taken"


@asynccontextmanager
async def mail_stage() -> AsyncIterator[Stage]:
    provider, transports = _Mail(), []

    class Session(SMTP):
        def connection_made(self, transport: Any) -> None:
            transports.append(transport)
            super().connection_made(transport)

    server = await asyncio.get_running_loop().create_server(
        lambda: Session(provider, hostname="provider.example.com"), "127.0.0.1", 0
    )

    def tell(does: Behaviour) -> None:
        provider.does = does

    try:
        yield Stage(
            adapter=smtp(server.sockets[0].getsockname()[1]),
            tell=tell,
            received=lambda: provider.received,
        )
    finally:
        provider.gate.set()
        server.close()
        for transport in transports:
            transport.abort()
        await server.wait_closed()
        await asyncio.sleep(0)


def smtp(port: int) -> Adapter[Any]:
    route = SmtpRoute(host="127.0.0.1", port=port, tls="none", timeout_seconds=TIMEOUT_SECONDS)
    return SmtpAdapter("smtp", route=route, at_once=2, compose=composers().mail.compose)
