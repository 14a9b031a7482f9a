"""A response database with its tables, and a client of the survey page."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from heardback import outbox
from heardback.contracts import registry, topics
from heardback.db import Database
from heardback.envelope import Event, decode
from heardback.fast_lane import fast_lane
from heardback.health import Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds
from heardback.security import LinkSigner
from heardback.testing.builders import an_event
from heardback.testing.clock import START, ManualClock
from heardback.testing.people import BROWSER_HEADERS
from heardback.testing.stack import ServiceDatabase
from response_service import api
from response_service.handlers import Handlers
from response_service.settings import Settings
from response_service.store.surveys import KnownSurveys

KEYS = ["a-key-that-is-long-enough", "an-older-key-long-enough"]
INVITATION_ID = "00000000-0000-7000-8000-000000000001"
API_KEY = "hb_of-the-kiosk"
API_KEYS = f"kiosk:{hashlib.sha256(API_KEY.encode()).hexdigest()}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def url(migrated_database: ServiceDatabase) -> str:
    return await migrated_database("response")


@pytest.fixture
async def database(url: str, clock: ManualClock) -> AsyncIterator[Database]:
    database = Database(url, service="response", clock=clock, ids=TimeOrderedIds())
    yield database
    await database.close()


@pytest.fixture
def surveys() -> KnownSurveys:
    return KnownSurveys()


@pytest.fixture
def handlers(surveys: KnownSurveys) -> Handlers:
    return Handlers(link_keys=KEYS, surveys=surveys)


@pytest.fixture
def make_app(surveys: KnownSurveys) -> Callable[..., FastAPI]:
    """Make the HTTP app over a database."""

    def make(database: Database, **settings: Any) -> FastAPI:
        told = Settings(database_url=database.url, link_keys=",".join(KEYS), **settings)
        return build_app(
            name="response",
            database=database,
            health=Health(),
            routers=api.routers(told, surveys),
            api_keys=API_KEYS,
        )

    return make


@pytest.fixture
async def client(
    database: Database, make_app: Callable[..., FastAPI]
) -> AsyncIterator[httpx2.AsyncClient]:
    """A person's browser."""
    transport = httpx2.ASGITransport(app=fast_lane(make_app(database)))
    async with httpx2.AsyncClient(
        transport=transport, base_url="https://s.example.com", headers=BROWSER_HEADERS
    ) as client:
        yield client


@pytest.fixture
def token_of() -> Callable[..., str]:
    """Make the token of an invitation's link."""

    def make(
        invitation_id: str = INVITATION_ID,
        *,
        keys: list[str] = KEYS,
    ) -> str:
        expiry = START + timedelta(days=14)
        return LinkSigner(keys, purpose="survey").sign(invitation_id, expires_at=expiry)

    return make


@pytest.fixture
def path(token_of: Callable[..., str]) -> str:
    return f"/s/{token_of()}"


@pytest.fixture
def requested() -> Callable[..., Event[Any]]:
    """Make the event that requests an invitation."""

    def make(**data: Any) -> Event[Any]:
        fields = {
            "customer_id": "c1",
            "invitation_id": INVITATION_ID,
            "program_id": "post-purchase",
            "touchpoint": "purchase",
            "survey_id": "nps",
            "segment": "gold",
            "channel": "email",
            "recipient": {"email": "ada@example.com", "name": "Ada"},
            "occurred_at": START - timedelta(days=7),
            "requested_at": START,
            "expires_at": START + timedelta(days=14),
        }
        return an_event(registry.SURVEY_REQUESTED, **{**fields, **data})

    return make


@pytest.fixture
def take(handlers: Handlers) -> Callable[..., Awaitable[None]]:
    """Have the effects of events of one topic."""

    async def take_events(database: Database, *events: Event[Any]) -> None:
        handle = handlers.on_survey_events
        if events[0].type.topic is topics.DELIVERY:
            handle = handlers.on_delivery_events
        async with database.transaction() as tx:
            await handle(tx, events)

    return take_events


@pytest.fixture
async def asked(
    database: Database,
    take: Callable[..., Awaitable[None]],
    requested: Callable[..., Event[Any]],
) -> Event[Any]:
    """The customer was asked."""
    event = requested()
    await take(database, event)
    return event


@pytest.fixture
def published() -> Callable[[Database], Awaitable[list[Event[Any]]]]:
    """Return the events that wait to be published."""
    known = {topic.name: topic for topic in topics.OUTBOUND}

    async def read(database: Database) -> list[Event[Any]]:
        async with database.read() as connection:
            rows = await outbox.claim(connection, limit=10_000)
        return [
            decode(known[row.message.topic], row.message.value, row.message.headers) for row in rows
        ]

    return read
