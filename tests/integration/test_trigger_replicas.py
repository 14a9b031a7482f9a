"""Three replicas of trigger: what comes at once, and what is due while one is killed."""

import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer

from heardback.contracts import registry, topics
from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EventType
from heardback.embedded.broker import Broker
from heardback.embedded.processes import HOST, Child, Command, free_port, run_to_end
from heardback.envelope import Event, decode
from heardback.testing.builders import an_event
from heardback.testing.stack import ServiceDatabase, service_environment
from heardback.testing.waiting import until
from heardback_local.publisher import Publisher

REPLICAS: Final = 3
PROGRAM: Final = """\
id: {touchpoint}
name: After {touchpoint}
touchpoint: {touchpoint}
type: transactional
survey: nps
delay: {delay}
expires_after: 1d
"""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]


class Fleet:
    """The replicas, one database, and what they publish about the customers of one test."""

    def __init__(self, children: list[Child], ports: list[int], broker: Broker, run: str) -> None:
        self.children = children
        self.run = run
        self._urls = [f"http://{HOST}:{port}" for port in ports]
        self._broker = broker
        self.seen: dict[str, Counter[str]] = {}
        self._ids: set[str] = set()

    async def wait_ready(self, http: httpx2.AsyncClient) -> None:
        for url in self._urls:

            async def is_ready(url: str = url) -> bool:
                try:
                    return (await http.get(f"{url}/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await until(is_ready, seconds=60)

    def event(self, kind: EventType, number: int, **data: Any) -> Event[Payload]:
        """Return an event about customer `number` of this test."""
        customer_id = f"{self.run}-{number}"
        profile = {"email": f"{customer_id}@example.com"}
        fields = {"customer_id": customer_id, "customer": profile, **data}
        return an_event(kind, id=f"{kind.family}-{number}", source=f"/{self.run}", **fields)

    async def publish(self, events: Iterator[Event[Payload]]) -> None:
        async with Publisher(self._broker.bootstrap_servers) as publisher:
            for event in events:
                await publisher.publish(event)
            await publisher.flush()

    def count(self, event_type: EventType) -> int:
        return self.seen.get(event_type.name, Counter()).total()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Read what is published about this test's customers: each call takes what there is."""
        kafka = AIOKafkaConsumer(
            topics.SURVEY.name,
            bootstrap_servers=self._broker.bootstrap_servers,
            auto_offset_reset="earliest",
        )
        await kafka.start()

        async def take() -> None:
            for records in (await kafka.getmany(timeout_ms=200)).values():
                for record in records:
                    event = decode(topics.SURVEY, record.value, record.headers)
                    # A relay that dies after the broker's yes publishes again, with the same id.
                    is_new = event.id not in self._ids
                    self._ids.add(event.id)
                    if is_new and event.key.startswith(f"{self.run}-"):
                        seen = self.seen.setdefault(event.type.name, Counter())
                        seen[event.key] += 1

        try:
            yield take
        finally:
            await kafka.stop()


@pytest.fixture
async def start_fleet(
    service_database: ServiceDatabase, broker: Broker, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Fleet]]]:
    """Start three replicas on one fresh database: `await start_fleet("run", delay="0s")`."""
    url = await service_database("trigger")
    children: list[Child] = []

    def command(*arguments: str, port: int) -> Command:
        programs = str(tmp_path / "programs")
        return Command(
            name="trigger",
            arguments=[sys.executable, "-m", "trigger_service", *arguments],
            log=tmp_path / f"{port}.log",
            env=service_environment(url, broker, PROGRAMS_FOLDER=programs, HTTP_PORT=str(port)),
        )

    async def start(run: str, *, delay: str) -> Fleet:
        (tmp_path / "programs").mkdir()
        for name in ("purchase", "ticket-closed"):
            text = PROGRAM.format(touchpoint=name, delay=delay)
            (tmp_path / "programs" / f"{name}.yaml").write_text(text)
        await run_to_end(command("migrate", port=0), 60)
        ports = [free_port() for _ in range(REPLICAS)]
        children.extend(Child(command(port=port)) for port in ports)
        return Fleet(children, ports, broker, run)

    yield start
    for child in children:
        child.kill()


async def test_one_invitation_goes_out_when_two_events_come_in_the_same_millisecond(
    start_fleet: Callable[..., Awaitable[Fleet]],
) -> None:
    customers, at = 1_000, datetime.now(UTC)
    fleet = await start_fleet("same-millisecond", delay="0s..1s")
    async with httpx2.AsyncClient(timeout=10) as http, fleet.listening() as take:
        await fleet.wait_ready(http)
        await fleet.publish(
            event
            for number in range(customers)
            for event in (
                fleet.event(
                    registry.PURCHASE_COMPLETED, number, occurred_at=at, order_id=f"o{number}"
                ),
                fleet.event(registry.TICKET_CLOSED, number, occurred_at=at, ticket_id=f"t{number}"),
            )
        )

        async def all_decided() -> bool:
            await take()
            decided = fleet.count(registry.SURVEY_SCHEDULED) + fleet.count(
                registry.SURVEY_SUPPRESSED
            )
            return decided >= 2 * customers and fleet.count(registry.SURVEY_REQUESTED) >= customers

        await until(all_decided, seconds=90)
        await take()
    for event_type in (registry.SURVEY_SCHEDULED, registry.SURVEY_REQUESTED):
        assert fleet.count(event_type) == customers
        assert len(fleet.seen[event_type.name]) == customers
    assert fleet.count(registry.SURVEY_SUPPRESSED) == customers


async def test_each_invitation_goes_out_once_when_a_replica_is_killed_while_timers_fire(
    start_fleet: Callable[..., Awaitable[Fleet]],
) -> None:
    customers = 3_000
    fleet = await start_fleet("killed", delay="6s..16s")
    async with httpx2.AsyncClient(timeout=10) as http, fleet.listening() as take:
        await fleet.wait_ready(http)
        at = datetime.now(UTC)
        await fleet.publish(
            fleet.event(registry.PURCHASE_COMPLETED, n, occurred_at=at, order_id=f"o{n}")
            for n in range(customers)
        )

        async def requested(at_least: int) -> bool:
            await take()
            return fleet.count(registry.SURVEY_REQUESTED) >= at_least

        for number, share in enumerate((0.1, 0.5)):
            await until(lambda share=share: requested(int(customers * share)), seconds=60)
            fleet.children[number].kill()
        await until(lambda: requested(customers), seconds=90)
        await take()
    sent = fleet.seen[registry.SURVEY_REQUESTED.name]
    assert len(sent) == customers, "none is lost"
    assert sent.total() == customers, "none goes out twice"
    assert registry.SURVEY_CANCELLED.name not in fleet.seen
