"""A dispatch database with people in it, and the service's HTTP app over it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from dispatch_service import preferences, suppression_api
from dispatch_service.callbacks import routes as callbacks
from dispatch_service.callbacks.fetching import Fetch, FetchFailed
from dispatch_service.settings import Settings
from dispatch_service.tables import INVITATION, MESSAGE
from heardback import outbox
from heardback.bulk import insert_rows
from heardback.contracts import topics
from heardback.db import Database
from heardback.envelope import Event, decode
from heardback.health import Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds
from heardback.security import LinkSigner, new_api_key
from heardback.testing.builders import TRACEPARENT
from heardback.testing.clock import START, ManualClock
from heardback.testing.stack import ServiceDatabase

BASE_URL = "https://preferences.example.com"
LINK_KEYS = ["a-key-that-is-long-enough", "an-older-key-long-enough"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(
    migrated_database: ServiceDatabase, clock: ManualClock
) -> AsyncIterator[Database]:
    url = await migrated_database("dispatch")
    opened = Database(url, service="dispatch", clock=clock, ids=TimeOrderedIds())
    yield opened
    await opened.close()


@pytest.fixture
def invitation_id() -> Callable[[int], str]:
    return lambda number: f"00000000-0000-7000-8000-{number:012d}"


Ask = Callable[..., Awaitable[str]]


@pytest.fixture
def asked(database: Database, invitation_id: Callable[[int], str]) -> Ask:
    """Have asked customer c`number`: an invitation that was sent, and its message."""

    async def ask(number: int = 1, *, reference: str | None = None, **columns: Any) -> str:
        key = invitation_id(number)
        invitation = {
            "invitation_id": key,
            "customer_id": f"c{number}",
            "program_id": "post-purchase",
            "program_type": "transactional",
            "touchpoint": "purchase",
            "survey_id": "nps",
            "channels": ["email"],
            "channel": "email",
            "email": f"c{number}@example.com",
            "phone": f"+4930123456{number:02d}",
            "locale": "en",
            "occurred_at": START - timedelta(days=7),
            "requested_at": START + timedelta(seconds=number),
            "expires_at": START + timedelta(days=14),
            "traceparent": TRACEPARENT,
            "state": "sent",
            **columns,
        }
        channel = invitation["channel"]
        addresses = {"email": invitation["email"], "sms": invitation["phone"]}
        message = {
            "message_id": key,
            "invitation_id": key,
            "customer_id": invitation["customer_id"],
            "kind": "invitation",
            "channel": channel,
            "address": addresses.get(channel, invitation["customer_id"]),
            "deadline_at": invitation["expires_at"],
            "state": "sent",
            "attempts": 1,
            "provider": "smtp",
            "reference": reference,
            "settled_at": START,
        }
        async with database.transaction() as tx:
            await insert_rows(tx.connection, INVITATION, [invitation])
            await insert_rows(tx.connection, MESSAGE, [message])
        return key

    return ask


@pytest.fixture
def way_out(invitation_id: Callable[[int], str]) -> Callable[..., str]:
    """Return the path of the link out of an invitation."""

    def path(number: int = 1, *, key: str = LINK_KEYS[0], purpose: str = "unsubscribe") -> str:
        signer = LinkSigner([key], purpose=purpose)
        token = signer.sign(invitation_id(number), expires_at=START + timedelta(days=100_000))
        return f"/unsubscribe/{token}"

    return path


@pytest.fixture
def settings_with() -> Callable[..., Settings]:
    def make(**more: Any) -> Settings:
        usual = {
            "database_url": "postgresql://nobody@127.0.0.1/none",
            "mail_from": "feedback@example.com",
            "survey_url": "https://survey.example.com",
            "preferences_url": BASE_URL,
            "link_keys": ",".join(LINK_KEYS),
        }
        return Settings.model_validate({**usual, **more})

    return make


Open = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]
Build = Callable[..., FastAPI]


@pytest.fixture(scope="session")
def key() -> tuple[str, str]:
    return new_api_key()


@pytest.fixture
def build(
    database: Database, settings_with: Callable[..., Settings], key: tuple[str, str]
) -> Build:
    """Make the app; providers call back as `callbacks` says."""

    async def nothing_there(url: str) -> bytes:
        raise FetchFailed(url=url)

    def make(
        *configured: dict[str, Any],
        fetch: Fetch = nothing_there,
        over: Database = database,
        **more: Any,
    ) -> FastAPI:
        said = settings_with(**more, callbacks=configured)
        return build_app(
            name="dispatch",
            database=over,
            health=Health(),
            routers=[
                preferences.router(said),
                suppression_api.routes,
                callbacks.router(said, fetch=fetch),
            ],
            api_keys=f"crm:{key[1]}",
        )

    return make


@pytest.fixture
def open_client(build: Build) -> Open:
    @asynccontextmanager
    async def open_one(
        *configured: dict[str, Any], **more: Any
    ) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=build(*configured, **more))
        async with httpx2.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            yield client

    return open_one


@pytest.fixture
async def client(open_client: Open) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_client() as opened:
        yield opened


@pytest.fixture
def published(database: Database) -> Callable[[], Awaitable[list[Event[Any]]]]:
    """Return the events that wait to be published."""

    async def read() -> list[Event[Any]]:
        async with database.read() as connection:
            rows = await outbox.claim(connection, limit=100_000)
        return [decode(topics.DELIVERY, row.message.value, row.message.headers) for row in rows]

    return read


@pytest.fixture
def listed(database: Database) -> Callable[[], Awaitable[list[tuple[str, ...]]]]:
    """Return who is on the list: customer, address, scope, what it is to, why."""

    async def read() -> list[tuple[str, ...]]:
        columns = "customer_id, address, scope, scoped_to, reason"
        query = text(f"SELECT {columns} FROM suppression ORDER BY {columns}")
        async with database.read() as connection:
            return [tuple(row) for row in await connection.execute(query)]

    return read
