"""Mails through providers that do what providers do, while dispatch-service is killed."""

import asyncio
import random
import re
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx2
import orjson
import pytest
from aiokafka import AIOKafkaProducer

from heardback.contracts import registry
from heardback.embedded.broker import Broker
from heardback.embedded.processes import free_port
from heardback.envelope import encode
from heardback.ids import TimeOrderedIds
from heardback.testing.builders import an_event
from heardback.testing.stack import ServiceDatabase, service_environment
from heardback.testing.waiting import until

from .mail_providers import MailProvider, Moods, Taken

CUSTOMERS: Final = 2_500
INVITATIONS: Final = 2 * CUSTOMERS
UNKNOWN_SHARE: Final = 0.02
SHORT_LIVED_SHARE: Final = 0.05
TIMEOUT_SECONDS: Final = 1.0
LEASE_SECONDS: Final = 3.0
MOST_PER_CONNECTION: Final = 40

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An invitation that was requested; `place`: which one of its customer's it is."""

    invitation_id: str
    customer_id: str
    place: int
    expires_at: datetime


@dataclass
class Dispatch:
    """One replica of dispatch-service, which is killed and started again."""

    env: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    possible_duplicates: float = 0.0
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.env['HEARDBACK_HTTP_PORT']}"

    async def run(self, *arguments: str) -> asyncio.subprocess.Process:
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "dispatch_service",
                *arguments,
                env=self.env,
                stdout=log,
                stderr=log,
            )

    async def start(self) -> None:
        self.process = await self.run()

    async def kill(self) -> None:
        assert self.process is not None
        await self.look_at_metrics()
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), 30) == 0

    async def look_at_metrics(self) -> None:
        """Add up what this process has counted; the next one begins at nothing."""
        async with httpx2.AsyncClient() as client:
            text = (await client.get(f"{self.url}/metrics")).text
        found = re.findall(
            r"^heardback_dispatch_possible_duplicates_total\{.*\} (\S+)$", text, re.MULTILINE
        )
        self.possible_duplicates += sum(map(float, found))


@asynccontextmanager
async def dispatching(
    service_database: ServiceDatabase,
    broker: Broker,
    log: Path,
    providers: Sequence[MailProvider],
    *,
    uncertain_sends: int,
) -> AsyncIterator[tuple[Dispatch, asyncpg.Pool]]:
    url = await service_database("dispatch")
    env = service_environment(
        url,
        broker,
        HTTP_PORT=str(free_port()),
        SMTP_PROVIDERS=orjson.dumps(
            [
                {
                    "name": provider.name,
                    "host": "127.0.0.1",
                    "port": provider.port,
                    "tls": "none",
                    "connections": 4,
                    "rate_per_second": 600,
                    "burst": 200,
                }
                for provider in providers
            ]
        ).decode(),
        SMTP_TIMEOUT_SECONDS=str(TIMEOUT_SECONDS),
        SEND_LEASE_SECONDS=str(LEASE_SECONDS),
        UNCERTAIN_SENDS=str(uncertain_sends),
        MAIL_FROM="Northwind <feedback@example.com>",
        SURVEY_URL="http://127.0.0.1:1",
        PREFERENCES_URL="http://127.0.0.1:1",
        LINK_KEYS="a-key-that-is-long-enough",
    )
    dispatch = Dispatch(env=env, log=log)
    assert await (await dispatch.run("migrate")).wait() == 0
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        await dispatch.start()
        try:
            yield dispatch, pool
        finally:
            if dispatch.process is not None and dispatch.process.returncode is None:
                dispatch.process.kill()
                await dispatch.process.wait()


async def ask(broker: Broker, *, customers: int, each: int, chance: random.Random) -> list[Asked]:
    """Publish the requests: each customer's first, then each one's second, and so on."""
    ids, now = TimeOrderedIds(), datetime.now(UTC)
    asked = []
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all")
    await producer.start()
    try:
        for place in range(each):
            for number in range(customers):
                short = chance.random() < SHORT_LIVED_SHARE
                life = timedelta(seconds=chance.uniform(0, 25)) if short else timedelta(days=1)
                one = Asked(
                    invitation_id=ids.new(),
                    customer_id=f"chaos-{number}",
                    place=place,
                    expires_at=now + life,
                )
                asked.append(one)
                message = encode(_request(one, now))
                await producer.send(
                    message.topic, message.value, key=message.key, headers=list(message.headers)
                )
        await producer.flush()
    finally:
        await producer.stop()
    return asked


def _request(asked: Asked, now: datetime) -> Any:
    return an_event(
        registry.SURVEY_REQUESTED,
        id=f"requested-{asked.invitation_id}",
        customer_id=asked.customer_id,
        invitation_id=asked.invitation_id,
        program_id="post-purchase",
        touchpoint="purchase",
        survey_id="nps",
        channel="email",
        recipient={"email": f"{asked.customer_id}@example.com", "name": "Ada"},
        occurred_at=now - timedelta(days=7),
        requested_at=now,
        expires_at=asked.expires_at,
    )


async def states(pool: asyncpg.Pool, asked: Sequence[Asked]) -> Counter[str]:
    rows = await pool.fetch(
        "SELECT state, count(*) FROM dispatch.message WHERE invitation_id = ANY($1) GROUP BY 1",
        [one.invitation_id for one in asked],
    )
    return Counter({row["state"]: row["count"] for row in rows})


async def settled(pool: asyncpg.Pool, asked: Sequence[Asked]) -> int:
    found = await states(pool, asked)
    return found["sent"] + found["bounced"] + found["dropped"]


async def hurry(pool: asyncpg.Pool) -> None:
    """Let what providers put off be due: their pauses are not what is tested."""
    await pool.execute(
        "UPDATE dispatch.message SET due_at = now() WHERE message_id IN ("
        " SELECT message_id FROM dispatch.message WHERE state = 'queued' FOR UPDATE SKIP LOCKED)"
    )
    await pool.execute("SELECT pg_notify('dispatch_sending_email', '')")


async def finish(pool: asyncpg.Pool, asked: Sequence[Asked]) -> None:
    async def over() -> bool:
        await hurry(pool)
        await asyncio.sleep(1)
        return await settled(pool, asked) == len(asked)

    await until(over, seconds=150)


def mails_of(asked: Sequence[Asked], providers: Sequence[MailProvider]) -> list[Taken]:
    """Return what was taken of these; another suite's invitations may be on the same broker."""
    ours = {one.invitation_id for one in asked}
    return [mail for mail in providers[0].taken if mail.invitation_id in ours]


def expect_order(asked: Sequence[Asked], taken: Sequence[Taken]) -> None:
    """Each customer's invitations came in the order in which they were requested."""
    places = {one.invitation_id: one for one in asked}
    came: dict[str, list[int]] = defaultdict(list)
    for invitation_id in dict.fromkeys(mail.invitation_id for mail in taken):
        one = places[invitation_id]
        came[one.customer_id].append(one.place)
    assert all(order == sorted(order) for order in came.values())


def expect_in_time(asked: Sequence[Asked], taken: Sequence[Taken]) -> None:
    """Nothing came after its deadline, but for the moment that one mail may take."""
    deadlines = {one.invitation_id: one.expires_at for one in asked}
    moment = timedelta(seconds=TIMEOUT_SECONDS)
    late = [mail for mail in taken if mail.at > deadlines[mail.invitation_id] + moment]
    assert late == []


async def expect_one_each(
    pool: asyncpg.Pool, asked: Sequence[Asked], taken: Sequence[Taken], *, too_many: int
) -> None:
    """Each customer got one mail for each invitation that was sent, but for so many."""
    mails = Counter(mail.invitation_id for mail in taken)
    rows = await pool.fetch(
        "SELECT invitation_id, state FROM dispatch.message WHERE invitation_id = ANY($1)",
        [one.invitation_id for one in asked],
    )
    wrong: Counter[str] = Counter()
    for row in rows:
        count, is_sent = mails[row["invitation_id"]], row["state"] == "sent"
        assert count >= is_sent, "what is noted as sent was taken"
        wrong["too many"] += count - is_sent
    assert wrong["too many"] <= too_many
    published = await pool.fetch(
        "SELECT convert_from(value, 'utf-8')::json ->> 'invitation_id' AS id, count(*)"
        " FROM dispatch.outbox WHERE topic = 'delivery' GROUP BY 1"
    )
    counts = {row["id"]: row["count"] for row in published}
    assert all(counts[one.invitation_id] == 1 for one in asked), "one outcome is published for each"


def two_providers(first: Moods, second: Moods, *, unknown: frozenset[str]) -> list[MailProvider]:
    taken: list[Taken] = []
    return [
        MailProvider(
            name=name,
            port=free_port(),
            moods=moods,
            unknown=unknown,
            taken=taken,
            chance=random.Random(name),
            most_per_connection=MOST_PER_CONNECTION,
        )
        for name, moods in (("first", first), ("second", second))
    ]


async def test_every_duplicate_is_counted_when_providers_hang_up_after_taking_mail(
    service_database: ServiceDatabase, broker: Broker, tmp_path: Path
) -> None:
    bad = Moods(not_now=0.02, hang_up_after=0.01)
    providers = two_providers(bad, bad, unknown=frozenset())
    first, second = providers
    async with (
        dispatching(service_database, broker, tmp_path / "log", providers, uncertain_sends=32) as (
            dispatch,
            pool,
        ),
        first.listening(),
        second.listening(),
    ):
        asked = await ask(broker, customers=500, each=2, chance=random.Random(5))
        await finish(pool, asked)
        await dispatch.look_at_metrics()
        await dispatch.stop()
        hung_up = first.hung_up_after + second.hung_up_after
        taken = mails_of(asked, providers)
        duplicates = len(taken) - len({mail.invitation_id for mail in taken})
        assert 0 < duplicates <= hung_up <= dispatch.possible_duplicates
        await expect_one_each(pool, asked, taken, too_many=hung_up)
        expect_order(asked, taken)
        expect_in_time(asked, taken)


async def test_each_customer_gets_one_mail_when_providers_fail_and_dispatch_is_killed(
    service_database: ServiceDatabase, broker: Broker, tmp_path: Path
) -> None:
    chance = random.Random(4)
    unknown = frozenset(
        f"chaos-{n}@example.com" for n in range(CUSTOMERS) if chance.random() < UNKNOWN_SHARE
    )
    bad = Moods(not_now=0.02, against_policy=0.01, silence=0.001, hang_up_before=0.002)
    providers = two_providers(bad, bad, unknown=unknown)
    first, second = providers
    async with AsyncExitStack() as stack:
        dispatch, pool = await stack.enter_async_context(
            dispatching(service_database, broker, tmp_path / "log", providers, uncertain_sends=1)
        )
        await stack.enter_async_context(second.listening())
        asked = await ask(broker, customers=CUSTOMERS, each=2, chance=chance)
        crashes = 0
        async with first.listening():
            for share in (0.2, 0.45):
                await until(lambda: len(first.taken) > share * INVITATIONS, seconds=90)  # noqa: B023
                await dispatch.kill()
                crashes += 1
                await dispatch.start()
            await until(lambda: len(first.taken) > 0.6 * INVITATIONS, seconds=90)
        # The first provider is away altogether; the second carries on.
        await until(lambda: len(first.taken) > 0.75 * INVITATIONS, seconds=90)
        await dispatch.kill()
        crashes += 1
        async with first.listening():
            await dispatch.start()
            await finish(pool, asked)
            await dispatch.look_at_metrics()
            await dispatch.stop()
        taken, found = mails_of(asked, providers), await states(pool, asked)
        assert found["bounced"] > 0 and found["dropped"] > 0 and found["sent"] > 4_000
        assert {mail.provider for mail in taken} == {"first", "second"} and first.limited > 0
        await expect_one_each(pool, asked, taken, too_many=crashes)
        duplicates = len(taken) - len({mail.invitation_id for mail in taken})
        assert duplicates <= crashes
        assert duplicates <= dispatch.possible_duplicates
        expect_order(asked, taken)
        expect_in_time(asked, taken)
