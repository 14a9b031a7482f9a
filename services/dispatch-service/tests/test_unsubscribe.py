"""The way out, over HTTP: a page that asks, a POST that acts, once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from dispatch_service import api
from dispatch_service.settings import Settings
from heardback.db import Database
from heardback.embedded.processes import free_port
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.security import LinkSigner
from heardback.testing.clock import START, CountedIds, ManualClock

Make = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]
KEYS = ["a-key-that-is-long-enough", "an-older-key-long-enough"]
INVITATION_ID = "00000000-0000-7000-8000-000000000001"


def a_client(database: Database) -> httpx2.AsyncClient:
    settings = Settings(
        database_url=database.url,
        mail_from="feedback@example.com",
        survey_url="https://survey.example.com",
        preferences_url="https://preferences.example.com",
        link_keys=",".join(KEYS),
    )
    app = build_app(
        name="dispatch", database=database, health=Health(), routers=[api.router(settings)]
    )
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app), base_url="https://preferences.example.com"
    )


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    async with a_client(database) as client:
        yield client


@pytest.fixture
def path() -> str:
    never = START + timedelta(days=100_000)
    token = LinkSigner(KEYS, purpose="unsubscribe").sign(INVITATION_ID, expires_at=never)
    return f"/unsubscribe/{token}"


async def test_get_asks_and_changes_nothing_when_followed(
    client: httpx2.AsyncClient,
    database: Database,
    requested: Make,
    take: Take,
    published: Published,
    path: str,
) -> None:
    await take(database, requested())
    for method in ("HEAD", "GET"):
        response = await client.request(method, path)
        assert response.status_code == 200
    assert "Stop these surveys?" in response.text
    assert "set-cookie" not in response.headers
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert await published(database) == []


@pytest.mark.parametrize("body", [{"List-Unsubscribe": "One-Click"}, {}])
async def test_post_unsubscribes_once_when_repeated(
    client: httpx2.AsyncClient,
    database: Database,
    requested: Make,
    take: Take,
    published: Published,
    path: str,
    body: dict[str, str],
) -> None:
    await take(database, requested())
    for _ in range(2):
        response = await client.post(path, data=body)
        assert response.status_code == 200  # no redirect
        assert "You are off the list" in response.text
    (event,) = await published(database)
    assert event.type.name == "recipient.unsubscribed.v1"
    assert event.data.invitation_id == INVITATION_ID
    assert "You are off the list" in (await client.get(path)).text


async def test_link_works_when_it_has_expired(
    client: httpx2.AsyncClient, database: Database, requested: Make, take: Take
) -> None:
    await take(database, requested())
    token = LinkSigner(KEYS[1:], purpose="unsubscribe").sign(INVITATION_ID, expires_at=START)
    assert (await client.post(f"/unsubscribe/{token}")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_page_says_nothing_when_the_link_is_not_ours(
    client: httpx2.AsyncClient,
    database: Database,
    requested: Make,
    take: Take,
    published: Published,
    method: str,
    path: str,
) -> None:
    unknown = await client.request(method, path)  # signed by us, but there is no such invitation
    await take(database, requested())
    survey = LinkSigner(KEYS, purpose="survey").sign(
        INVITATION_ID, expires_at=START + timedelta(days=1)
    )
    for tampered in (path[:-1] + ("A" if path[-1] != "A" else "B"), f"/unsubscribe/{survey}"):
        response = await client.request(method, tampered)
        assert response.status_code == 404
        assert response.text == unknown.text
    assert unknown.status_code == 404
    assert await published(database) == []


async def test_page_asks_to_wait_when_the_database_is_away(clock: ManualClock, path: str) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    away = Database(nowhere, service="dispatch", clock=clock, ids=CountedIds())
    async with a_client(away) as client:
        response = await client.get(path)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        assert 'http-equiv="refresh"' in response.text
        assert 'http-equiv="refresh"' not in (await client.post(path)).text
    await away.close()
