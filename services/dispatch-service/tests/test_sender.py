"""The sending loop against a real SMTP server that is slow, refuses, hangs up or is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from dispatch_service import handlers
from dispatch_service.mail import Composer
from dispatch_service.sender import Pace, Sender
from dispatch_service.smtp import Line
from dispatch_service.smtp import Provider as Route
from heardback.clock import SystemClock
from heardback.db import Database
from heardback.envelope import Event
from heardback.health import Check
from heardback.testing.waiting import until

Make = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]
CLOCK = SystemClock()


def a_sender(
    database: Database, composer: Composer, port: int, *, connections: int = 4, batch: int = 50
) -> Sender:
    route = Route(
        host="127.0.0.1",
        port=port,
        username=None,
        password=None,
        tls="none",
        timeout_seconds=5,
        greeting_name="northwind.example.com",
    )
    pace = Pace(
        connections=connections,
        batch_size=batch,
        lease=timedelta(seconds=60),
        mail_timeout=timedelta(seconds=5),
    )
    return Sender(
        database=database,
        bell=asyncio.Event(),
        check=Check(name="sender"),
        composer=composer,
        open_line=lambda: Line(route),
        pace=pace,
    )


@asynccontextmanager
async def running(sender: Sender) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(sender.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def in_state(database: Database, state: str) -> int:
    async with database.read() as connection:
        query = text("SELECT count(*) FROM invitation WHERE state = :state")
        return int(await connection.scalar(query, {"state": state}) or 0)


async def hurry(database: Database) -> None:
    """Let what waits be due now, as if its time had come."""
    async with database.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE invitation SET due_at = now() WHERE due_at IS NOT NULL")
        )


async def test_each_mail_is_sent_once_when_many_are_due(
    open_database: Any,
    provider: Any,
    composer: Composer,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 201)))
    async with running(a_sender(database, composer, provider.port)):
        await until(lambda: in_state_is(database, "sent", 200))
    assert sorted(provider.recipients) == sorted(f"c{n}@example.com" for n in range(1, 201))
    events = await published(database)
    assert [e.type.name for e in events] == ["invitation.sent.v1"] * 200
    assert provider.connections <= 4
    (mail,) = [m for m in provider.mails if m["To"].addresses[0].addr_spec == "c7@example.com"]
    assert mail["Message-ID"].startswith("<00000000-0000-7000-8000-000000000007@")


async def test_sending_pauses_when_outcomes_can_not_be_recorded(
    open_database: Any, provider: Any, composer: Composer, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 41)))
    sender = a_sender(database, composer, provider.port, connections=4)
    async with running(sender):
        async with database.engine.begin() as blocker:
            await blocker.execute(text("LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE"))
            await until(lambda: len(provider.recipients) == 8)
            for _ in range(50):
                assert await in_state(database, "sending") == 40
            assert len(provider.recipients) == 8, "twice the connections, then it waits"
        await until(lambda: in_state_is(database, "sent", 40))
    assert len(provider.recipients) == len(set(provider.recipients)) == 40


async def in_state_is(database: Database, state: str, count: int) -> bool:
    return await in_state(database, state) == count


async def test_only_the_refused_bounces_when_a_recipient_is_unknown(
    open_database: Any,
    provider: Any,
    composer: Composer,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    provider.recipient_replies["c2@example.com"] = "550 no such user"
    provider.data_replies["c3@example.com"] = "554 not this"
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 6)))
    async with running(a_sender(database, composer, provider.port)):
        await until(lambda: in_state_is(database, "bounced", 2))
        await until(lambda: in_state_is(database, "sent", 3))
    bounced = [e for e in await published(database) if e.type.name == "invitation.bounced.v1"]
    assert {(e.customer_id, e.data.reason) for e in bounced} == {
        ("c2", "550 no such user"),
        ("c3", "554 not this"),
    }


async def test_mail_is_sent_later_when_the_provider_says_not_now(
    open_database: Any,
    provider: Any,
    composer: Composer,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    provider.recipient_replies["c1@example.com"] = "451 greylisted"
    await take(database, requested(1, now=CLOCK.now()), requested(2, now=CLOCK.now()))
    sender = a_sender(database, composer, provider.port)
    async with running(sender):
        await until(lambda: in_state_is(database, "sent", 1))
        await until(lambda: in_state_is(database, "queued", 1))
        provider.recipient_replies.clear()
        await hurry(database)
        sender._bell.set()
        await until(lambda: in_state_is(database, "sent", 2))
    assert sorted(provider.recipients) == ["c1@example.com", "c2@example.com"]
    assert {e.type.name for e in await published(database)} == {"invitation.sent.v1"}


async def test_nothing_is_lost_and_few_attempts_burnt_when_the_provider_is_away(
    open_database: Any,
    silent_provider: Any,
    composer: Composer,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 41)))
    async with running(a_sender(database, composer, silent_provider.port)):
        await until(lambda: attempts_are(database, "away", at_least=2))
        assert await in_state(database, "sent") == 0
        async with silent_provider.listening():
            await until(lambda: in_state_is(database, "sent", 40))
    assert len(set(silent_provider.recipients)) == len(silent_provider.recipients) == 40
    assert {e.type.name for e in await published(database)} == {"invitation.sent.v1"}
    async with database.read() as connection:
        burnt = await connection.scalar(text("SELECT count(*) FROM attempt WHERE outcome = 'away'"))
    assert burnt <= 4 + 4  # those under way when it went, then one for each pause


async def attempts_are(database: Database, outcome: str, *, at_least: int) -> bool:
    async with database.read() as connection:
        query = text("SELECT count(*) FROM attempt WHERE outcome = :outcome")
        return int(await connection.scalar(query, {"outcome": outcome}) or 0) >= at_least


async def test_mail_is_sent_again_when_the_provider_hangs_up_before_answering(
    open_database: Any, provider: Any, composer: Composer, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    provider.hang_up_at_data = 1
    await take(database, requested(1, now=CLOCK.now()))
    async with running(a_sender(database, composer, provider.port)):
        await until(lambda: in_state_is(database, "sent", 1))
    ids = {mail["Message-ID"] for mail in provider.mails}
    assert (len(provider.mails), len(ids)) == (2, 1)  # a possible duplicate, known by its id


async def test_line_is_opened_again_when_the_provider_closed_it_while_idle(
    open_database: Any, silent_provider: Any, composer: Composer, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    sender = a_sender(database, composer, silent_provider.port, connections=1)
    async with running(sender):
        async with silent_provider.listening():
            await take(database, requested(1, now=CLOCK.now()))
            sender._bell.set()
            await until(lambda: in_state_is(database, "sent", 1))
        async with silent_provider.listening():
            await take(database, requested(2, now=CLOCK.now()))
            sender._bell.set()
            await until(lambda: in_state_is(database, "sent", 2))
    assert not await attempts_are(database, "away", at_least=1)


async def test_mail_is_sent_when_its_first_sender_died_after_the_claim(
    open_database: Any,
    provider: Any,
    composer: Composer,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    await take(database, requested(1, now=CLOCK.now()))
    async with database.transaction() as tx:  # ... and here the process is killed
        await handlers.claim(tx, limit=10, lease=timedelta(seconds=1))
    async with running(a_sender(database, composer, provider.port)):
        await until(lambda: in_state_is(database, "sent", 1))
    assert provider.recipients == ["c1@example.com"]
    assert len(await published(database)) == 1


async def test_mails_under_way_are_finished_and_others_given_back_when_stopped(
    open_database: Any, provider: Any, composer: Composer, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    provider.gate = asyncio.Event()
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 31)))
    async with running(a_sender(database, composer, provider.port)) as stop:
        await until(lambda: provider.connections == 4)
        stop.set()
        await asyncio.sleep(0.1)
        provider.gate.set()
    sent = await in_state(database, "sent")
    assert sent == len(provider.mails) <= 4
    assert await in_state(database, "queued") == 30 - sent
    assert await in_state(database, "sending") == 0
