"""A dispatch database with its tables, and a mail provider that can be told to misbehave."""

import asyncio
import email
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from dispatch_service import handlers
from dispatch_service.rendering.composers import Composers
from heardback import outbox
from heardback.clock import Clock
from heardback.contracts import registry, topics
from heardback.db import Database
from heardback.embedded.processes import free_port
from heardback.envelope import Event, decode
from heardback.ids import TimeOrderedIds
from heardback.testing.builders import an_event
from heardback.testing.clock import START, ManualClock
from heardback.testing.stack import ServiceDatabase

KEYS = ["a-key-that-is-long-enough", "an-older-key-long-enough"]


@dataclass
class Provider:
    """A mail provider: keeps what it takes, and answers as it is told."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipient_replies: dict[str, str] = field(default_factory=dict)
    data_replies: dict[str, str] = field(default_factory=dict)
    hang_up_at_data: int = 0
    gate: asyncio.Event | None = None
    connections: int = 0

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.recipient_replies.get(address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.gate is not None:
            await self.gate.wait()
        content = envelope.original_content or b""
        if self.hang_up_at_data:
            self.hang_up_at_data -= 1
            self._keep(content)
            server.transport.abort()
            return "250 too late"
        reply = self.data_replies.get(envelope.rcpt_tos[0])
        if reply is None:
            self._keep(content)
        return reply or "250 taken"

    def _keep(self, content: bytes) -> None:
        self.raw.append(content)
        self.mails.append(email.message_from_bytes(content, policy=policy.default))

    @property
    def recipients(self) -> list[str]:
        return [str(mail["To"].addresses[0].addr_spec) for mail in self.mails]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Provider"]:
        transports: list[Any] = []

        def connect() -> SMTP:
            self.connections += 1
            protocol = SMTP(self, hostname="provider.example.com")
            made = protocol.connection_made

            def connection_made(transport: Any) -> None:
                transports.append(transport)
                made(transport)

            protocol.connection_made = connection_made
            return protocol

        server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", self.port)
        try:
            yield self
        finally:
            server.close()
            for transport in transports:
                transport.abort()
            await server.wait_closed()
            await asyncio.sleep(0)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider(port=free_port()).listening() as listening:
        yield listening


@pytest.fixture
def silent_provider() -> Provider:
    """A provider that nobody has started yet."""
    return Provider(port=free_port())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def url(migrated_database: ServiceDatabase) -> str:
    return await migrated_database("dispatch")


OpenDatabase = Callable[[Clock], Database]


@pytest.fixture
async def open_database(url: str) -> AsyncIterator[OpenDatabase]:
    opened: list[Database] = []

    def open_one(clock: Clock) -> Database:
        database = Database(url, service="dispatch", clock=clock, ids=TimeOrderedIds())
        opened.append(database)
        return database

    yield open_one
    for database in opened:
        await database.close()


@pytest.fixture
def database(open_database: OpenDatabase, clock: ManualClock) -> Database:
    return open_database(clock)


@pytest.fixture
def composers() -> Composers:
    return Composers.of(
        company="Northwind",
        mail_from="feedback@northwind.example.com",
        survey_url="https://survey.example.com/",
        preferences_url="https://preferences.example.com",
        link_keys=KEYS,
    )


def _invitation_id(number: int) -> str:
    return f"00000000-0000-7000-8000-{number:012d}"


@pytest.fixture
def requested() -> Callable[..., Event[Any]]:
    """Make the event that requests the invitation number `number` of customer c`number`."""

    def make(number: int = 1, **data: Any) -> Event[Any]:
        now: datetime = data.pop("now", START)
        fields = {
            "customer_id": f"c{number}",
            "invitation_id": _invitation_id(number),
            "program_id": "post-purchase",
            "touchpoint": "purchase",
            "survey_id": "nps",
            "segment": "gold",
            "channel": "email",
            "recipient": {"email": f"c{number}@example.com", "name": "Ada"},
            "occurred_at": now - timedelta(days=7),
            "requested_at": now,
            "expires_at": now + timedelta(days=14),
        }
        return an_event(registry.SURVEY_REQUESTED, id=f"requested-{number}", **{**fields, **data})

    return make


@pytest.fixture
def cancelled() -> Callable[..., Event[Any]]:
    def make(number: int = 1) -> Event[Any]:
        return an_event(
            registry.SURVEY_CANCELLED,
            id=f"cancelled-{number}",
            customer_id=f"c{number}",
            invitation_id=_invitation_id(number),
            program_id="post-purchase",
            touchpoint="purchase",
            reason="refund",
            cancelled_at=START,
        )

    return make


@pytest.fixture
def take() -> Callable[..., Awaitable[None]]:
    """Have the effects of survey events."""

    async def take_events(database: Database, *events: Event[Any]) -> None:
        async with database.transaction() as tx:
            await handlers.on_survey_events(tx, events)

    return take_events


@pytest.fixture
def published() -> Callable[[Database], Awaitable[list[Event[Any]]]]:
    """Return the events that wait to be published."""

    async def read(database: Database) -> list[Event[Any]]:
        async with database.read() as connection:
            rows = await outbox.claim(connection, limit=100_000)
        return [decode(topics.DELIVERY, row.message.value, row.message.headers) for row in rows]

    return read
