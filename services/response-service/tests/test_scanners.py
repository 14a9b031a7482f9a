"""Link scanners of mail gateways change no NPS; a person after them still counts.

Each is simulated as it works: it follows the links of a mail, in its order and at its speed, as the
client that it says it is, and some press the button too.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from heardback import timers
from heardback.db import Database
from heardback.envelope import Event
from heardback.fast_lane import fast_lane
from heardback.testing.clock import ManualClock
from heardback.testing.people import BROWSER_HEADERS
from response_service.commands.looking import Look, Looking
from response_service.commands.submitting import Submission, submit
from response_service.domain.client import Client, Kind
from response_service.handlers import Handlers
from response_service.store import invitations
from response_service.store.surveys import KnownSurveys

from .conftest import INVITATION_ID
from .score_board import ScoreBoard

Published = Callable[[Database], Awaitable[list[Event[Any]]]]
EDGE = BROWSER_HEADERS["User-Agent"].replace("Chrome/141", "Chrome/132") + " Edg/132.0.0.0"
LIKE_A_BROWSER = {**BROWSER_HEADERS, "User-Agent": EDGE}
BARE = {"User-Agent": EDGE, "Accept": "*/*"}
LIBRARY = {"User-Agent": "python-requests/2.32"}
NAMED = {**BROWSER_HEADERS, "User-Agent": "Mozilla/5.0 (compatible; BarracudaCentral/1.0)"}
MIXED = [LIKE_A_BROWSER, BARE, LIBRARY, NAMED]
NOT_BROKEN = list(range(11))


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """How a scanner works. `pause`: seconds between two links; `presses`: which pages it sends."""

    name: str
    agents: list[dict[str, str]] = field(default_factory=lambda: [LIKE_A_BROWSER])
    addresses: list[str] = field(default_factory=lambda: ["203.0.113.7"])
    order: list[int] = field(default_factory=lambda: NOT_BROKEN)
    pause: float = 0.05
    reads: float = 0.0
    presses: str = "none"
    asks_head: bool = False


SCANNERS = [
    Scanner(name="follows"),
    Scanner(name="follows slowly", pause=40),
    Scanner(name="asks head first", asks_head=True),
    Scanner(name="backwards", order=NOT_BROKEN[::-1]),
    Scanner(name="library", agents=[LIBRARY], presses="all"),
    Scanner(name="says who it is", agents=[NAMED], presses="all"),
    Scanner(name="bare browser", agents=[BARE], presses="all"),
    Scanner(name="presses all", presses="all"),
    Scanner(name="presses all backwards", order=NOT_BROKEN[::-1], presses="all"),
    Scanner(name="presses all shuffled", order=[5, 0, 10, 3, 8, 1, 9, 2, 7, 4, 6], presses="all"),
    Scanner(name="presses the first", presses="first"),
    Scanner(name="presses the last", presses="last"),
    Scanner(name="presses all, reads each page", presses="all", reads=4, pause=5),
    Scanner(name="presses all, takes its time", presses="all", reads=4, pause=40),
    Scanner(name="presses the first, takes its time", presses="first", reads=4, pause=40),
    Scanner(name="many agents", agents=MIXED, presses="all"),
    Scanner(
        name="many addresses",
        addresses=[f"203.0.113.{n}" for n in range(11)],
        presses="all",
    ),
    Scanner(
        name="many addresses, reads each page",
        addresses=[f"203.0.113.{n}" for n in range(11)],
        presses="all",
        reads=2.5,
        pause=0,
    ),
]


class World:
    """The service, a clock, and who comes over the network."""

    def __init__(self, app: FastAPI, clock: ManualClock, link: str) -> None:
        self._app = app
        self._clock = clock
        self._link = link

    def client(self, address: str, headers: dict[str, str]) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=fast_lane(self._app))
        told = {**headers, "X-Forwarded-For": address}
        return httpx2.AsyncClient(transport=transport, base_url="https://s", headers=told)

    async def scan(self, scanner: Scanner) -> None:
        for number, score in enumerate(scanner.order):
            address = scanner.addresses[number % len(scanner.addresses)]
            agent = scanner.agents[number % len(scanner.agents)]
            presses = {
                "none": False,
                "all": True,
                "first": number == 0,
                "last": number == len(scanner.order) - 1,
            }[scanner.presses]
            async with self.client(address, agent) as client:
                if scanner.asks_head:
                    await client.head(f"{self._link}?score={score}")
                await self.visit(client, score, reads=scanner.reads, presses=presses)
            self._clock.advance(timedelta(seconds=scanner.pause))

    async def visit(
        self, client: httpx2.AsyncClient, score: int, *, reads: float, presses: bool, **more: str
    ) -> None:
        url = f"{self._link}?score={score}"
        page = await client.get(url)
        assert page.status_code == 200
        self._clock.advance(timedelta(seconds=reads))
        if presses:
            sent = await client.post(url, data={**form_of(page.text), "score": str(score), **more})
            # It gives nothing away: what is suspect gets the same thank-you.
            assert sent.status_code == 200 and "Thank you" in sent.text

    async def answer(self, score: int, *, address: str = "198.51.100.4", reads: float = 6) -> None:
        async with self.client(address, BROWSER_HEADERS) as client:
            await self.visit(client, score, reads=reads, presses=True)


def form_of(html: str) -> dict[str, str]:
    """Return what stands in the hidden and the text fields of a page."""
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', html)
    return {**dict(fields), "comment": "", "website": ""}


@pytest.fixture
def world(
    database: Database, make_app: Any, clock: ManualClock, asked: Event[Any], path: str
) -> World:
    return World(make_app(database, trusted_proxy_hops=1, limit_per_link=""), clock, path)


@pytest.fixture
def board(database: Database, published: Published) -> Callable[[], Awaitable[ScoreBoard]]:
    async def read() -> ScoreBoard:
        return ScoreBoard(await published(database))

    return read


Board = Callable[[], Awaitable[ScoreBoard]]


@pytest.fixture
def fire(database: Database, clock: ManualClock, handlers: Handlers) -> Any:
    """Let so many seconds pass, and fire what is due."""

    async def fire_due(seconds: float = 31) -> None:
        clock.advance(timedelta(seconds=seconds))
        async with database.transaction() as tx:
            due = await timers.claim_due(tx.connection, now=tx.now, limit=100)
            await handlers.on_opened(tx, due)

    return fire_due


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda s: s.name)
async def test_row_33_scanner_changes_no_nps_and_a_person_after_it_counts_when_it(
    world: World, board: Board, clock: ManualClock, scanner: Scanner
) -> None:
    await world.scan(scanner)
    assert (await board()).nps is None
    clock.advance(timedelta(minutes=2))
    await world.answer(9)
    after = await board()
    assert (list(after.scores.values()), after.nps) == ([9], 100.0)


@pytest.mark.parametrize("scanner", SCANNERS, ids=lambda s: s.name)
async def test_row_33_persons_answer_stands_when_a_scanner_comes_after_it_that(
    world: World, board: Board, clock: ManualClock, scanner: Scanner
) -> None:
    await world.answer(8)
    clock.advance(timedelta(seconds=90))
    await world.scan(scanner)
    assert list((await board()).scores.values()) == [8]


@pytest.mark.parametrize("wait", [0.5, 5, 30])
async def test_row_33_person_counts_when_they_come_right_behind_a_scanner(
    world: World, board: Board, clock: ManualClock, wait: float
) -> None:
    await world.scan(Scanner(name="presses all", presses="all"))
    clock.advance(timedelta(seconds=wait))
    await world.answer(3)
    after = await board()
    assert list(after.scores.values()) == [3]


async def test_person_counts_when_the_scanner_said_the_same_before(
    world: World, board: Board, clock: ManualClock
) -> None:
    await world.scan(Scanner(name="one", order=[9], presses="all", reads=3))
    await world.answer(9)
    await world.scan(Scanner(name="the others", order=NOT_BROKEN[:9]))
    after = await board()
    assert list(after.scores.values()) == [9]


async def test_row_35_person_is_alerted_of_when_a_detractor_before_them_was_taken_back(
    world: World, board: Board, clock: ManualClock
) -> None:
    await world.scan(Scanner(name="presses", presses="first", reads=3))
    assert (await board()).nps is None
    await world.answer(2)
    after = await board()
    assert (after.nps, list(after.alerts.values())) == (-100.0, [2])
    await world.answer(1)
    assert list((await board()).alerts.values()) == [2]


@pytest.mark.parametrize(("said", "then", "alerts"), [(2, 3, 1), (8, 3, 2)])
async def test_row_35_alert_holds_when_the_person_before_the_scanner_was_a_detractor(
    world: World, board: Board, clock: ManualClock, said: int, then: int, alerts: int
) -> None:
    await world.answer(said)
    clock.advance(timedelta(seconds=90))
    await world.scan(Scanner(name="presses", presses="first", reads=3))
    assert list((await board()).scores.values()) == [said]
    await world.answer(then)
    after = await board()
    assert (list(after.scores.values()), list(after.alerts.values())) == ([then], [alerts])


async def test_opening_counts_once_and_for_people_alone_when_looked_at(
    world: World,
    board: Board,
    fire: Callable[..., Awaitable[None]],
) -> None:
    await world.scan(Scanner(name="follows"))
    await world.scan(Scanner(name="library", agents=[LIBRARY], order=[3]))
    async with world.client("198.51.100.9", BROWSER_HEADERS) as client:
        await client.head("/")
    await fire()
    assert not (await board()).opened
    await world.answer(9)
    await world.answer(8)
    await fire()
    await fire()
    assert list((await board()).opened.values()) == [1]


async def test_person_opened_it_when_the_timer_is_late(
    world: World, board: Board, fire: Callable[..., Awaitable[None]]
) -> None:
    async with world.client("198.51.100.9", BROWSER_HEADERS) as client:
        await world.visit(client, 9, reads=0, presses=False)
    await fire(3 * 3600)
    assert list((await board()).opened.values()) == [1]


def a_client(kind: Kind) -> Client:
    return Client(key=b"bot", address="", kind=kind, has_fetch_metadata=True, fetches_ahead=False)


def a_press(client: Client) -> Submission:
    return Submission(invitation_id=INVITATION_ID, score="3", client=client, seconds=6)


def some_looks(client: Client, *, links: int = 11) -> list[Look]:
    return [Look(invitation_id=INVITATION_ID, score=n, client=client) for n in range(links)]


@pytest.mark.parametrize("late", [31, 3600])
@pytest.mark.parametrize("kind", [Kind.BROWSER, Kind.BARE])
async def test_scanner_is_taken_back_when_its_press_and_its_looks_overlap(
    world: World,
    board: Board,
    clock: ManualClock,
    database: Database,
    surveys: KnownSurveys,
    fire: Callable[..., Awaitable[None]],
    kind: Kind,
    late: float,
) -> None:
    async with world.client("198.51.100.9", BROWSER_HEADERS) as person:
        await person.get(world._link)
    await fire()
    clock.advance(timedelta(minutes=20))
    client = a_client(kind)
    looking = Looking(database, surveys, opened_after=timedelta(seconds=30))
    async with database.transaction() as tx:
        await submit(tx, [a_press(client)], surveys)
        await looking(some_looks(client))
    assert list((await board()).scores.values()) == [3]
    await fire(late)
    after = await board()
    assert (after.scores, after.quarantined, list(after.opened.values())) == ({}, 1, [1])


async def test_nobody_deadlocks_when_looks_and_timers_are_about_the_same_invitation(
    world: World, database: Database, surveys: KnownSurveys, clock: ManualClock
) -> None:
    client = a_client(Kind.BROWSER)
    looking = Looking(database, surveys, opened_after=timedelta(seconds=30))
    await looking(some_looks(client, links=1))
    clock.advance(timedelta(seconds=31))
    async with database.transaction() as tx:
        await submit(tx, [a_press(client)], surveys)
    async with database.transaction() as tx:
        assert await timers.claim_due(tx.connection, now=tx.now, limit=100)
        running = asyncio.create_task(looking(some_looks(client)))
        await asyncio.sleep(0.3)
        assert not running.done()
        await invitations.lock(tx.connection, [INVITATION_ID])
    assert len(await running) == 11
