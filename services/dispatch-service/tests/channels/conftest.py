"""A dispatch database, what is in it, and the service's app over it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from dispatch_service.tables import INVITATION, MESSAGE
from heardback.bulk import insert_rows
from heardback.db import Database
from heardback.health import Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds
from heardback.security import new_api_key
from heardback.testing.clock import START, ManualClock
from heardback.testing.stack import ServiceDatabase


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


Put = Callable[..., Awaitable[str]]


def _rows(
    number: int, invitation: dict[str, Any], message: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    key = f"00000000-0000-7000-8000-{number:012d}"
    common = {"invitation_id": key, "customer_id": f"c{number}"}
    until = START + timedelta(days=14)
    asked = {
        **common,
        "program_id": "post-purchase",
        "touchpoint": "purchase",
        "survey_id": "purchase-nps",
        "channels": ["in_app"],
        "channel": "in_app",
        "occurred_at": START - timedelta(days=7),
        "requested_at": START,
        "expires_at": until,
        "state": "sent",
    }
    said = {
        **common,
        "message_id": key,
        "kind": "invitation",
        "channel": "in_app",
        "address": f"c{number}",
        "number": 0,
        "content": {},
        "deadline_at": until,
        "state": "sent",
        "attempts": 1,
        "settled_at": START,
    }
    return {**asked, **invitation}, {**said, **message}


@pytest.fixture
def put(database: Database) -> Put:
    """Put a card there for customer c`number`, with its invitation; `fields` are the message's."""

    async def put_card(number: int = 1, *, invitation: Any = (), **fields: Any) -> str:
        asked, said = _rows(number, dict(invitation), fields)
        async with database.transaction() as tx:
            if said["message_id"] == said["invitation_id"]:
                await insert_rows(tx.connection, INVITATION, [asked])
            await insert_rows(tx.connection, MESSAGE, [said])
        return str(said["message_id"])

    return put_card


@pytest.fixture(scope="session")
def key() -> tuple[str, str]:
    """An API key and what the settings say of it."""
    secret, digest = new_api_key()
    return secret, f"shop:{digest}"


Over = Callable[..., FastAPI]
Client = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def app_of(key: tuple[str, str]) -> Over:
    """Make the app of some routers over a database."""

    def make(database: Database, *routers: APIRouter) -> FastAPI:
        return build_app(
            name="dispatch",
            database=database,
            health=Health(),
            routers=routers,
            api_keys=key[1],
        )

    return make


@pytest.fixture
def client_of(key: tuple[str, str]) -> Client:
    """Open a client of an app, which sends the API key."""

    @asynccontextmanager
    async def open_client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
        transport = httpx2.ASGITransport(app=app)
        headers = {"Authorization": f"Bearer {key[0]}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="https://dispatch.example.com", headers=headers
        ) as client:
            yield client

    return open_client
