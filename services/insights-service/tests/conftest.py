"""A migrated schema, its HTTP app, and stories of customers to count."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from heardback.clock import Clock
from heardback.console.pages import Console, NavigationLink
from heardback.console.sse import Hub
from heardback.contracts import registry
from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EventType
from heardback.db import Database
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import an_event
from heardback.testing.clock import START, CountedIds, ManualClock
from heardback.testing.stack import ServiceDatabase
from heardback.vocabulary import Category, Scale, category_of
from insights_service import api, dashboard
from insights_service.handlers import HANDLERS

Cell = tuple[str, str, date, str, str, str]
Apply = Callable[[Iterable[Event[Any]]], Awaitable[None]]


@pytest.fixture
async def url(migrated_database: ServiceDatabase) -> str:
    """The URL of a migrated schema."""
    return await migrated_database("insights")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def database(url: str, clock: ManualClock) -> AsyncIterator[Database]:
    """A migrated schema, empty."""
    opened = Database(url, service="insights", clock=clock, ids=CountedIds(), pool_size=4)
    yield opened
    await opened.close()


@pytest.fixture
def apply(database: Database) -> Apply:
    """Hand events to their handlers as the consumer does: one transaction for each topic."""

    async def apply_batch(events: Iterable[Event[Any]]) -> None:
        by_topic: dict[Any, list[Event[Any]]] = {}
        for event in events:
            by_topic.setdefault(event.type.topic, []).append(event)
        for topic, batch in by_topic.items():
            async with database.transaction() as tx:
                await HANDLERS[topic](tx, batch)

    return apply_batch


def make_app(database: Database, *, clock: Clock, hub: Hub | None = None) -> FastAPI:
    """Return the service's HTTP app."""
    links = [
        NavigationLink(label="Board", url="/board"),
        NavigationLink(label="Dashboard", url="/"),
    ]
    console = Console(package="insights_service", active="Dashboard", clock=clock, navigation=links)
    routers = [
        api.router,
        dashboard.routes(console, hub or Hub(ids=CountedIds())),
        console.assets_router,
    ]
    return build_app(name="insights", database=database, health=Health(), routers=routers)


@pytest.fixture(name="make_app")
def make_app_fixture() -> Callable[..., FastAPI]:
    return make_app


@pytest.fixture
async def client(database: Database, clock: ManualClock) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the HTTP app."""
    transport = httpx2.ASGITransport(app=make_app(database, clock=clock))
    async with httpx2.AsyncClient(transport=transport, base_url="http://insights") as opened:
        yield opened


@dataclass
class Story:
    """What customers went through: the events that tell it, and the counts that are true of it."""

    events: list[Event[Payload]] = field(default_factory=list)
    truth: Counter[Cell] = field(default_factory=Counter)


Tell = Callable[..., Story]


@pytest.fixture(scope="session")
def tell() -> Tell:
    """Return the function that makes a story: `tell(seed=1, customers=50)`."""

    def make(*, seed: int, customers: int, days: int = 5, until: datetime = START) -> Story:
        teller = _Teller(seed, days=days, until=until)
        for number in range(customers):
            teller.live_through(number)
        return teller.story

    return make


_ROUTES: Sequence[tuple[str, str]] = (
    ("shop-after-purchase", "purchase"),
    ("support-after-ticket", "ticket-closed"),
    ("saas-after-onboarding", "onboarding-complete"),
)
_SEGMENTS = ("enterprise", "self-serve", "small-business", None)
_REASONS = ("cooldown", "not_eligible", "not_sampled", "unsubscribed", "quiet_customer")


class _Teller:
    """Plays one customer after the other and keeps the books independently of the service."""

    def __init__(self, seed: int, *, days: int, until: datetime) -> None:
        self.story = Story()
        self._random = Random(seed)
        self._seed = seed
        self._days = days
        self._until = until
        self._about: dict[str, Any] = {}

    def live_through(self, number: int) -> None:
        """Let something happen to customer `number`, and all that follows from it."""
        program, touchpoint = self._random.choice(_ROUTES)
        self._key = f"{self._seed}-{number}"
        self._about = {
            "customer_id": f"c{number % 997}",
            "program_id": program,
            "touchpoint": touchpoint,
            "segment": self._random.choice(_SEGMENTS),
        }
        back = timedelta(days=self._days) * (self._random.random() ** 1.3)
        decided_at = self._until - back
        if self._random.random() < 0.35:
            self._suppress(decided_at)
        else:
            self._ask(decided_at)

    def _suppress(self, at: datetime) -> None:
        reasons = self._random.sample(_REASONS, self._random.choice((1, 1, 2)))
        self._happens(
            registry.SURVEY_SUPPRESSED, "suppressed", at, detail=reasons[0],
            touchpoint_id=f"t{self._key}", decided_at=at,
            suppressions=[{"program_id": self._about["program_id"], "reasons": reasons}],
        )  # fmt: skip

    def _ask(self, at: datetime) -> None:
        invitation = f"i{self._key}"
        self._happens(
            registry.SURVEY_SCHEDULED, "scheduled", at, decision_id=f"d{self._key}",
            touchpoint_id=f"t{self._key}", invitation_id=invitation, survey_id="nps",
            send_at=at, decided_at=at,
        )  # fmt: skip
        sent_at = at + timedelta(hours=3)
        fate = self._random.random()
        if fate < 0.04:
            self._happens(
                registry.SURVEY_CANCELLED, "cancelled", at, detail="refunded",
                invitation_id=invitation, reason="refunded", cancelled_at=at,
            )  # fmt: skip
            return
        self._happens(
            registry.SURVEY_REQUESTED, "requested", at, invitation_id=invitation, survey_id="nps",
            variant=self._random.choice((None, "friendly", "short")),
            channel="email", recipient={}, occurred_at=at, requested_at=at, expires_at=sent_at,
        )  # fmt: skip
        if fate < 0.07:
            self._happens(
                registry.INVITATION_DROPPED, "dropped", sent_at, detail="no_address",
                invitation_id=invitation, reason="no_address", dropped_at=sent_at,
            )  # fmt: skip
            return
        self._happens(
            registry.INVITATION_SENT, "sent", sent_at, invitation_id=invitation, channel="email",
            provider="smtp", message_id=f"m{self._key}", sent_at=sent_at,
        )  # fmt: skip
        if fate < 0.09:
            self._happens(
                registry.INVITATION_BOUNCED, "bounced", sent_at, invitation_id=invitation,
                channel="email", reason="550 no such user", bounced_at=sent_at,
            )  # fmt: skip
        elif fate < 0.42:
            looked_at = sent_at + timedelta(hours=self._random.randint(1, 20))
            self._look(invitation, looked_at)
            self._answer(invitation, looked_at)

    def _look(self, invitation: str, at: datetime) -> None:
        """Be reminded up to twice, and look at the survey."""
        for number in range(1, 1 + self._random.choice((0, 0, 1, 2))):
            self._happens(
                registry.INVITATION_REMINDED, "reminded", at, invitation_id=invitation,
                channel="email", provider="smtp", message_id=f"m{self._key}:r{number}", sent_at=at,
                number=number,
            )  # fmt: skip
        self._happens(
            registry.INVITATION_OPENED, "invitation_opened", at, invitation_id=invitation,
            opened_at=at,
        )  # fmt: skip

    def _answer(self, invitation: str, at: datetime) -> None:
        """Answer, and change one's mind up to twice; only the last answer is true.

        Some are suspect then, and do not count; of these, some answer once more.
        """
        scale = self._random.choice((*[Scale.NPS] * 7, Scale.CSAT))
        channel = self._random.choice((*["email"] * 7, "direct"))
        revisions = self._random.choice((1, 1, 1, 2, 3))
        for revision in range(1, 1 + revisions):
            truth = self._record(invitation, at, revision, scale=scale, channel=channel)
            last, at = at, at + timedelta(hours=9)
        fate = self._random.random()
        if fate < 0.15:
            self._happens(
                registry.RESPONSE_QUARANTINED, None, at, response_id=f"r{self._key}",
                invitation_id=invitation, survey_id="nps", channel=channel, revision=revisions,
                category="passive", reasons=("every_link",), quarantined_at=at,
            )  # fmt: skip
            if fate < 0.08:
                return
            truth = self._record(invitation, at, revisions + 1, scale=scale, channel=channel)
            last = at
        for measure, detail in truth:
            self._count(measure, last, detail)

    def _record(
        self, invitation: str, at: datetime, revision: int, *, scale: Scale, channel: str
    ) -> list[tuple[str, str]]:
        """Give an answer; return where it counts if it is the last one."""
        score = self._score(at)
        if scale is Scale.CSAT:
            score = 1 + score * 4 // 10
        category = category_of(score, scale)
        comment = self._random.choice((None, None, " ", "It took too long."))
        recorded = registry.RESPONSE_RECORDED if revision == 1 else registry.RESPONSE_REVISED
        self._happens(
            recorded, None, at, response_id=f"r{self._key}", invitation_id=invitation,
            survey_id="nps", channel=channel, revision=revision, scale=scale, score=score,
            category=category, comment=comment, answered_at=at,
        )  # fmt: skip
        if revision == 1 and category is Category.DETRACTOR:
            self._alert(invitation, at, score)
        counts = [(str(category), "" if scale is Scale.NPS else str(scale))]
        if comment == "It took too long.":
            counts.append(("commented", ""))
        return [*counts, ("unasked", "")] if channel == "direct" else counts

    def _score(self, at: datetime) -> int:
        """Loyalty drifts with time and differs by segment."""
        age = (self._until - at) / timedelta(days=max(self._days, 1))
        drift = 1.0 - 1.6 * abs(0.6 - age)
        lift = {"enterprise": 0.8, "self-serve": -0.5}.get(self._about["segment"] or "", 0.0)
        return max(0, min(10, round(self._random.gauss(7.6 + drift + lift, 2.3))))

    def _alert(self, invitation: str, at: datetime, score: int) -> None:
        self._happens(
            registry.DETRACTOR_ALERTED, "alerted", at, alert_id=f"a{self._key}",
            response_id=f"r{self._key}", invitation_id=invitation, score=score, recipient={},
            alerted_at=at,
        )  # fmt: skip
        self._step(
            registry.TASK_OPENED, "opened", at, alert_id=f"a{self._key}", score=score,
            first_response_due_at=at, resolution_due_at=at,
        )  # fmt: skip
        self._work(at)

    def _work(self, opened_at: datetime) -> None:
        """Work the owner task as far as its owner got until now."""
        wait = self._random.lognormvariate(8.6, 0.9)
        due_at = opened_at + timedelta(hours=4)
        for clock, limit, taken in (
            ("first_response", 4 * 3600, wait),
            ("resolution", 48 * 3600, wait * 9),
        ):
            for event_type, measure, share in (
                (registry.TASK_SLA_WARNED, "warned", 0.75),
                (registry.TASK_SLA_BREACHED, "breached", 1.0),
            ):
                at = opened_at + timedelta(seconds=limit * share)
                if taken > limit * share and at < self._until:
                    self._step(event_type, measure, at, detail=clock, clock=clock, due_at=due_at)
        contacted_at = opened_at + timedelta(seconds=wait)
        if contacted_at > self._until:
            return
        self._step(registry.TASK_ACKNOWLEDGED, "acknowledged", contacted_at, owner="Ben")
        for first in (True, False):
            self._step(
                registry.TASK_CONTACTED, "contacted" if first else None, contacted_at, owner="Ben",
                channel="phone", first=first, first_response_seconds=wait,
            )  # fmt: skip
        resolved_at = opened_at + timedelta(seconds=wait * 9)
        if resolved_at < self._until:
            self._step(
                registry.TASK_RESOLVED, "resolved", resolved_at, owner="Ben",
                root_cause="late delivery", resolution_seconds=wait * 9,
            )  # fmt: skip

    def _step(self, event_type: EventType, measure: str | None, at: datetime, **data: Any) -> None:
        self._happens(event_type, measure, at, task_id=f"k{self._key}", occurred_at=at, **data)

    def _happens(
        self, event_type: EventType, measure: str | None, at: datetime, *,
        detail: str = "", **data: Any,
    ) -> None:  # fmt: skip
        number = len(self.story.events)
        event = an_event(event_type, id=f"{self._key}/{number}", **self._about, **data)
        self.story.events.append(event)
        if measure is not None:
            self._count(measure, at, detail)

    def _count(self, measure: str, at: datetime, detail: str = "") -> None:
        about = self._about
        day, segment = at.astimezone(UTC).date(), about["segment"] or ""
        cell = (str(measure), detail, day, about["program_id"], about["touchpoint"], segment)
        self.story.truth[cell] += 1
