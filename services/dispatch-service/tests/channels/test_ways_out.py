"""Rows 23, 26, 29 and 30: requests go out over the channels that the settings open, as composed.

The sending loops, the doorbell and the database are real, and so are the providers' sockets.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from dispatch_service import endpoints, outlets
from dispatch_service.cards import Shelf
from dispatch_service.domain.webhook import Endpoint, Secret
from dispatch_service.provider_settings import SmsProvider
from dispatch_service.settings import Settings
from heardback.clock import SystemClock
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.envelope import Event
from heardback.health import Health
from heardback.service import Runtime
from heardback.testing.waiting import until

from .parcels import INVITATION_ID, KEYS, composers
from .servers import Server, answer, serving

Make = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]
CLOCK = SystemClock()
TAKEN = answer(201, '{"sid": "SM1", "status": "queued"}')


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    return open_database(CLOCK)


@asynccontextmanager
async def sending(database: Database, *texts: Server) -> AsyncIterator[None]:
    """Run what the settings open: webhooks into this machine, and these providers of texts."""
    named = [
        SmsProvider(
            name=f"texts-{number}",
            base_url=server.url,
            account_sid="AC1",
            password="secret",
            sender="Northwind",
            connections=2,
        )
        for number, server in enumerate(texts, 1)
    ]
    settings = Settings(
        database_url=database.url,
        mail_from="feedback@example.com",
        survey_url="https://survey.example.com",
        preferences_url="https://preferences.example.com",
        link_keys=",".join(KEYS),
        sms_providers=tuple(named),
        webhook_allowed_networks="127.0.0.1",
        smtp_port=1,
    )
    health, stop = Health(), asyncio.Event()
    bell = Doorbell(
        url=database.url, schema="dispatch", clock=CLOCK, check=health.check("doorbell")
    )
    runtime = Runtime(database=database, doorbell=bell, health=health, clock=CLOCK)
    ways_out = outlets.outlets(settings, composers())
    async with asyncio.TaskGroup() as group:
        for loop in outlets.loops(settings, ways_out):
            group.create_task(loop(runtime)(stop))
        group.create_task(bell.run(stop))
        await until(lambda: health.ready)
        try:
            yield
        finally:
            stop.set()


def asking(requested: Make, *channels: str) -> Event[Any]:
    return requested(
        now=CLOCK.now(),
        channel=channels[0],
        channels=channels,
        recipient={"email": "c1@example.com", "phone": "+12025550123", "name": "Ada"},
    )


async def an_endpoint(database: Database, url: str, *programs: str) -> None:
    async with database.transaction() as tx:
        endpoint = Endpoint(
            endpoint_id=tx.ids.new(),
            url=url,
            secrets=(Secret(value="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),),
            programs=programs,
            created_at=tx.now,
        )
        await endpoints.save(tx.connection, endpoint)


async def test_text_goes_by_the_second_provider_when_the_first_fails(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    async with serving() as first, serving() as second:
        first.says, second.says = answer(503), TAKEN
        async with sending(database, first, second):
            await take(database, asking(requested, "sms"))
            await until(lambda: _any(published, database))
        (event,) = await published(database)
        assert event.type.name == "invitation.sent.v1"
        assert (event.data.channel, event.data.provider) == ("sms", "texts-2")
        assert event.data.message_id == "SM1"
        for server in (first, second):
            assert INVITATION_ID in server.calls[0].form["StatusCallback"]
        assert len(second.calls) == 1


async def test_next_channel_is_tried_when_the_endpoint_is_gone(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    async with serving() as hook, serving() as texts:
        hook.says, texts.says = answer(410), TAKEN
        await an_endpoint(database, hook.url)
        async with sending(database, texts):
            await take(database, asking(requested, "webhook", "sms"))
            await until(lambda: _count(published, database, 2))
        bounced, sent = await published(database)
        assert (bounced.type.name, bounced.data.next_channel) == ("invitation.bounced.v1", "sms")
        assert (sent.type.name, sent.data.channel) == ("invitation.sent.v1", "sms")
        assert len(hook.calls) == 1
    async with database.read() as connection:
        query = text("SELECT count(*) FROM suppression")
        assert await connection.scalar(query) == 0, "the customer did nothing wrong"


async def test_webhook_is_skipped_when_no_endpoint_serves_the_program(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    async with serving() as hook, serving() as texts:
        texts.says = TAKEN
        await an_endpoint(database, hook.url, "another-program")
        async with sending(database, texts):
            await take(database, asking(requested, "webhook", "sms"))
            await until(lambda: _any(published, database))
        (sent,) = await published(database)
        assert sent.data.channel == "sms"
        assert not hook.calls


async def test_webhook_is_told_once_and_signed(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    async with serving() as hook:
        hook.says = answer(204)
        await an_endpoint(database, hook.url, "post-purchase")
        async with sending(database):
            await take(database, asking(requested, "webhook"))
            await until(lambda: _any(published, database))
        (sent,) = await published(database)
        assert (sent.data.channel, sent.data.provider) == ("webhook", "webhook")
        (call,) = hook.calls
        assert call.headers["webhook-id"] == INVITATION_ID
        assert call.headers["webhook-signature"].startswith("v1,")


async def test_card_is_on_the_shelf_as_soon_as_it_is_sent(
    database: Database, requested: Make, take: Take, published: Published
) -> None:
    async with sending(database):
        await take(database, asking(requested, "in_app"))
        await until(lambda: _any(published, database))
    (sent,) = await published(database)
    assert (sent.data.channel, sent.data.provider) == ("in_app", "in-app")
    (card,) = (await Shelf(composers().cards.compose).of(database, ["c1"]))["c1"]
    assert card["message_id"] == INVITATION_ID


async def _any(published: Published, database: Database) -> bool:
    return await _count(published, database, 1)


async def _count(published: Published, database: Database, count: int) -> bool:
    return len(await published(database)) >= count
