"""One replica of the service, without its processes: events in, people and machines, events out."""

import asyncio
import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx2
from fastapi import FastAPI

from heardback import outbox
from heardback.contracts import topics
from heardback.contracts.registry import EventType
from heardback.db import Database
from heardback.envelope import Event, decode
from heardback.health import Health
from heardback.http import build_app
from heardback.security import LinkSigner
from heardback.service import Service
from heardback.surveys import ready_made
from heardback.testing.clock import START, ManualClock
from heardback.testing.people import BROWSER_HEADERS
from heardback.timer_loop import TimerLoop
from response_service.app import service
from response_service.settings import Settings

from .conftest import API_KEY, API_KEYS, KEYS

_TOPICS: Final = {topic.name: topic for topic in topics.OUTBOUND}
_HIDDEN: Final = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """The service over a database, with a clock that a test moves."""

    database: Database
    clock: ManualClock
    told: Service
    app: FastAPI

    async def deliver(self, *events: Event[Any]) -> None:
        """Handle one batch; all of its events are of one topic."""
        async with self.database.transaction() as tx:
            await self.told.handlers[events[0].type.topic](tx, events)

    async def fire(self) -> int:
        """Fire what is due; return how many timers there were."""
        loop = TimerLoop(
            database=self.database,
            handlers=self.told.timers,
            bell=asyncio.Event(),
            batch_size=500,
            check=Health().check("timers"),
        )
        return await loop.fire()

    async def events(self) -> list[Event[Any]]:
        """Return what was published, in order."""
        async with self.database.read() as connection:
            staged = await outbox.claim(connection, limit=10_000)
        return [
            decode(_TOPICS[s.message.topic], s.message.value, s.message.headers) for s in staged
        ]

    async def published(self, *types: EventType) -> list[Any]:
        """Return the payloads of these types, in order."""
        return [event.data for event in await self.events() if event.type in types]

    def browser(self, address: str = "198.51.100.4", **headers: str) -> httpx2.AsyncClient:
        """Open a client that comes from an address as a person's browser does."""
        told = {**BROWSER_HEADERS, "X-Forwarded-For": address, **headers}
        return self._client(told)

    def machine(self) -> httpx2.AsyncClient:
        """Open a client that has an API key."""
        return self._client({"Authorization": f"Bearer {API_KEY}"})

    async def answer(
        self,
        link: str,
        score: int | str,
        *,
        comment: str = "",
        reads: float = 6,
        client: httpx2.AsyncClient | None = None,
        **more: str,
    ) -> httpx2.Response:
        """Open a link, read for so many seconds, choose and send."""
        async with client or self.browser() as http:
            page = await http.get(link)
            self.clock.advance(timedelta(seconds=reads))
            return await http.post(link, data=form_of(page.text, score, comment) | more)

    def _client(self, headers: Mapping[str, str]) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app)
        return httpx2.AsyncClient(
            transport=transport, base_url="https://s.example.com", headers=headers
        )


async def start_replica(database: Database, clock: ManualClock) -> Replica:
    """Start the service over `database`, with the surveys that it brings."""
    settings = Settings(
        database_url=database.url,
        link_keys=",".join(KEYS),
        api_keys=API_KEYS,
        trusted_proxy_hops=1,
        limit_per_link="",
        widget_origins="*",
    )
    told = service(settings)
    assert told.on_start
    await told.on_start(database)
    app = build_app(
        name="response",
        database=database,
        health=Health(),
        routers=told.routers,
        api_keys=settings.api_keys,
    )
    return Replica(database=database, clock=clock, told=told, app=app)


def form_of(page: str, score: int | str, comment: str = "") -> dict[str, str]:
    """Return what a form sends that somebody filled in."""
    return {**dict(_HIDDEN.findall(page)), "website": "", "score": str(score), "comment": comment}


def invitation_id(number: int) -> str:
    """Return the id of the invitation `number`."""
    return f"00000000-0000-7000-8000-{number:012d}"


def link_of(number: int = 1, *, keys: list[str] = KEYS, days: float = 14) -> str:
    """Return the path of the link of the invitation `number`, as dispatch signs it."""
    expiry = START + timedelta(days=days)
    return "/s/" + LinkSigner(keys, purpose="survey").sign(invitation_id(number), expires_at=expiry)


def a_document(**fields: Any) -> dict[str, Any]:
    """Return the document of a survey of our own; `texts` change those in English."""
    document = copy.deepcopy(dict(ready_made()["relationship-nps"].document))
    document["texts"]["en"] |= fields.pop("texts", {})
    return {**document, "id": "mine", "name": "Mine", **fields}
