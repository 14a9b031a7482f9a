"""The console's app, with providers that keep what they take."""

import asyncio
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from typing import Any

import httpx2
from aiosmtpd.smtp import SMTP, Envelope, Session

from dispatch_service.adapters.interface import Parcel, Reply
from dispatch_service.adapters.smtp import SmtpAdapter, SmtpRoute
from dispatch_service.console.routes import routers
from dispatch_service.domain.message import Outcome
from heardback.console.pages import NavigationLink
from heardback.db import Database
from heardback.embedded.processes import free_port
from heardback.health import Health
from heardback.http import build_app
from heardback.vocabulary import Channel

from .rendering_builders import composers

PAGE = "/console/messages"


class Inbox:
    """A mail provider that keeps what it takes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        self.mails.append(email.message_from_bytes(content, policy=policy.default))
        return "250 taken"


class Phone:
    """A provider of text messages that can be told how it ends."""

    name = "sms"
    channel = Channel.SMS
    is_idempotent = True
    at_once = 1
    at_most_seconds = 1.0

    def __init__(self, name: str = "sms", outcome: Outcome = Outcome.SENT) -> None:
        self.name = name
        self.outcome = outcome
        self.texts: list[str] = []

    def compose(self, parcel: Parcel) -> str:
        return composers().sms.compose(parcel)

    def open_line(self) -> "Phone":
        return self

    async def send(self, load: str) -> Reply:
        self.texts.append(load)
        return Reply(outcome=self.outcome, detail="as told")

    async def close(self) -> None:
        pass


def an_app(database: Database, *adapters: Any) -> Any:
    by_channel: dict[Channel, list[Any]] = {}
    for adapter in adapters:
        by_channel.setdefault(adapter.channel, []).append(adapter)
    routes = routers(
        composers=composers(reply_to="care@northwind.example.com"),
        adapters=by_channel,
        navigation=[
            NavigationLink(label="Board", url="/b"),
            NavigationLink(label="Messages", url=PAGE),
        ],
        clock=database.clock,
    )
    return build_app(name="dispatch", database=database, health=Health(), routers=routes)


def a_client(database: Database, *adapters: Any) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=an_app(database, *adapters))
    return httpx2.AsyncClient(transport=transport, base_url="http://console")


@asynccontextmanager
async def an_smtp_adapter(inbox: Inbox) -> AsyncIterator[SmtpAdapter]:
    port = free_port()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox), "127.0.0.1", port)
    route = SmtpRoute(host="127.0.0.1", port=port, tls="none", timeout_seconds=5)
    try:
        compose = composers().mail.compose
        yield SmtpAdapter("post-office", route=route, at_once=1, compose=compose)
    finally:
        server.close()
        await server.wait_closed()
