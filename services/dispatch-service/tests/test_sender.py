"""The sending loop against a real SMTP server that is slow, refuses, hangs up or is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from dispatch_service import delivery, moves, telling
from dispatch_service.adapters.smtp import Mail, SmtpAdapter, SmtpRoute
from dispatch_service.domain.message import Outcome
from dispatch_service.rendering.composers import Composers
from dispatch_service.sending import budget
from dispatch_service.sending.budget import Budget
from dispatch_service.sending.closed import Closed
from dispatch_service.sending.failover import Outlet, Route
from dispatch_service.sending.sender import Pace, Sender
from dispatch_service.surveys import Surveys
from heardback.clock import SystemClock
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.embedded.processes import free_port
from heardback.envelope import Event
from heardback.health import Check
from heardback.testing.waiting import until
from heardback.vocabulary import Channel

from .driving import an_ask, row_of, rows_of

Make = Callable[..., Event[Any]]
Take = Callable[..., Awaitable[None]]
Published = Callable[[Database], Awaitable[list[Event[Any]]]]
CLOCK = SystemClock()


def an_outlet(
    composers: Composers,
    port: int,
    *,
    name: str = "smtp",
    connections: int = 4,
    budget: Budget | None = None,
) -> Outlet:
    route = SmtpRoute(
        host="127.0.0.1",
        port=port,
        tls="none",
        timeout_seconds=5,
        greeting_name="northwind.example.com",
    )
    adapter = SmtpAdapter(name, route=route, at_once=connections, compose=composers.mail.compose)
    return Outlet(adapter=adapter, budget=budget)


def a_sender(
    database: Database,
    *outlets: Outlet,
    permits: int = 8,
    bell: asyncio.Event | None = None,
) -> Sender:
    pace = Pace(
        batch_size=50,
        uncertain=permits,
        lease=timedelta(seconds=60),
    )
    return Sender(
        database=database,
        bell=bell or asyncio.Event(),
        check=Check(name="sender"),
        surveys=Surveys(),
        outlets=outlets,
        permits=asyncio.Semaphore(permits),
        pace=pace,
    )


@asynccontextmanager
async def running(sender: Sender | Doorbell | Closed) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(sender.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def in_state(database: Database, state: str) -> int:
    async with database.read() as connection:
        query = text("SELECT count(*) FROM message WHERE state = :state")
        return int(await connection.scalar(query, {"state": state}) or 0)


async def hurry(database: Database) -> None:
    """Let what waits be due now, as if its time had come."""
    async with database.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE message SET due_at = now() WHERE due_at IS NOT NULL")
        )


async def test_each_mail_is_sent_once_when_many_are_due(
    open_database: Any,
    provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 201)))
    async with running(a_sender(database, an_outlet(composers, provider.port))):
        await until(lambda: in_state_is(database, "sent", 200))
    assert sorted(provider.recipients) == sorted(f"c{n}@example.com" for n in range(1, 201))
    events = await published(database)
    assert [e.type.name for e in events] == ["invitation.sent.v1"] * 200
    assert provider.connections <= 4
    (mail,) = [m for m in provider.mails if m["To"].addresses[0].addr_spec == "c7@example.com"]
    assert mail["Message-ID"].startswith("<00000000-0000-7000-8000-000000000007@")


async def test_sending_pauses_when_outcomes_can_not_be_recorded(
    open_database: Any, provider: Any, composers: Composers, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 41)))
    sender = a_sender(database, an_outlet(composers, provider.port))
    async with running(sender):
        async with database.engine.begin() as blocker:
            await blocker.execute(text("LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE"))
            await until(lambda: len(provider.recipients) == 8)
            for _ in range(50):
                assert await in_state(database, "sending") == 40
            assert len(provider.recipients) == 8, "as many as there are permits, then it waits"
        await until(lambda: in_state_is(database, "sent", 40))
    assert len(provider.recipients) == len(set(provider.recipients)) == 40


async def in_state_is(database: Database, state: str, count: int) -> bool:
    return await in_state(database, state) == count


async def test_only_the_unknown_bounces_when_others_are_refused_for_other_reasons(
    open_database: Any,
    provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    provider.recipient_replies["c2@example.com"] = "550 no such user"
    provider.recipient_replies["c4@example.com"] = "550 5.7.1 not from you"
    provider.data_replies["c3@example.com"] = "554 not this"
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 6)))
    async with running(a_sender(database, an_outlet(composers, provider.port))):
        await until(lambda: in_state_is(database, "bounced", 1))
        await until(lambda: in_state_is(database, "sent", 2))
        await until(lambda: attempts_are(database, "deferred", at_least=2))
    bounced = [e for e in await published(database) if e.type.name == "invitation.bounced.v1"]
    assert [(e.data.customer_id, e.data.reason) for e in bounced] == [("c2", "550 no such user")]
    (entry,) = await rows_of(database, "suppression")
    assert (entry.address, entry.customer_id, entry.reason) == ("c2@example.com", "", "bounce")


async def test_mail_is_sent_later_when_the_provider_says_not_now(
    open_database: Any,
    provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    provider.recipient_replies["c1@example.com"] = "451 greylisted"
    await take(database, requested(1, now=CLOCK.now()), requested(2, now=CLOCK.now()))
    sender = a_sender(database, an_outlet(composers, provider.port))
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
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 41)))
    async with running(a_sender(database, an_outlet(composers, silent_provider.port))):
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
    open_database: Any, provider: Any, composers: Composers, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    provider.hang_up_at_data = 1
    await take(database, requested(1, now=CLOCK.now()))
    sender = a_sender(database, an_outlet(composers, provider.port))
    async with running(sender):
        await until(lambda: attempts_are(database, "away", at_least=1))
        await hurry(database)
        sender._bell.set()
        await until(lambda: in_state_is(database, "sent", 1))
    ids = {mail["Message-ID"] for mail in provider.mails}
    assert (len(provider.mails), len(ids)) == (2, 1)  # a possible duplicate, known by its id


async def test_line_is_opened_again_when_the_provider_closed_it_while_idle(
    open_database: Any, silent_provider: Any, composers: Composers, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    sender = a_sender(database, an_outlet(composers, silent_provider.port, connections=1))
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
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    await take(database, requested(1, now=CLOCK.now()))
    async with database.transaction() as tx:  # ... and here the process is killed
        ask = delivery.Ask(
            channel=an_ask().channel, provider="smtp", limit=10, lease=timedelta(seconds=1)
        )
        await delivery.claim(tx, ask, Surveys())
    async with running(a_sender(database, an_outlet(composers, provider.port))):
        await until(lambda: in_state_is(database, "sent", 1))
    assert provider.recipients == ["c1@example.com"]
    assert len(await published(database)) == 1


async def test_mails_under_way_are_finished_and_others_given_back_when_stopped(
    open_database: Any, provider: Any, composers: Composers, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    provider.gate = asyncio.Event()
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 31)))
    async with running(a_sender(database, an_outlet(composers, provider.port))) as stop:
        await until(lambda: provider.connections == 4)
        stop.set()
        await asyncio.sleep(0.1)
        provider.gate.set()
    sent = await in_state(database, "sent")
    assert sent == len(provider.mails) <= 4
    assert await in_state(database, "queued") == 30 - sent
    assert await in_state(database, "sending") == 0


async def test_next_provider_takes_over_when_the_first_is_away(
    open_database: Any,
    provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 61)))
    away = an_outlet(composers, free_port(), name="first")
    standby = an_outlet(composers, provider.port, name="second")
    async with running(a_sender(database, away, standby)):
        await until(lambda: in_state_is(database, "sent", 60))
    assert len(set(provider.recipients)) == len(provider.recipients) == 60
    assert {e.data.provider for e in await published(database)} == {"second"}


async def test_first_provider_is_used_again_when_it_is_back(
    open_database: Any,
    provider: Any,
    silent_provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
) -> None:
    database = open_database(CLOCK)
    first = an_outlet(composers, silent_provider.port, name="first")
    sender = a_sender(database, first, an_outlet(composers, provider.port, name="second"))
    await take(database, requested(1, now=CLOCK.now()))
    async with running(sender):
        await until(lambda: in_state_is(database, "sent", 1))
        async with silent_provider.listening():
            number = 1
            while not silent_provider.mails:
                number += 1
                await take(database, requested(number, now=CLOCK.now()))
                sender._bell.set()
                await until(lambda: in_state_is(database, "sent", number))  # noqa: B023
            await take(database, *(requested(n, now=CLOCK.now()) for n in range(100, 130)))
            sender._bell.set()
            await until(lambda: in_state_is(database, "sent", number + 30))
    assert len(silent_provider.mails) >= 31, "the probe, and all that came after it"


async def test_budget_is_kept_by_all_replicas_together(
    open_database: Any, provider: Any, composers: Composers, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    budget = Budget(rate_per_second=40, burst=10)
    senders = [
        a_sender(database, an_outlet(composers, provider.port, budget=budget)) for _ in range(2)
    ]
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 71)))
    started_at = CLOCK.now()
    async with running(senders[0]), running(senders[1]):
        await until(lambda: in_state_is(database, "sent", 70))
    seconds = (CLOCK.now() - started_at).total_seconds()
    assert 1.5 <= seconds < 6, "the burst at once, 60 more at 40 a second"
    assert len(set(provider.recipients)) == 70


async def test_mails_of_one_customer_keep_their_order_when_some_are_put_off(
    open_database: Any, provider: Any, composers: Composers, requested: Make, take: Take
) -> None:
    database = open_database(CLOCK)
    together = {"customer_id": "c1", "recipient": {"email": "c1@example.com"}}
    events = [requested(n, now=CLOCK.now(), **together) for n in range(1, 9)]
    provider.recipient_replies["c1@example.com"] = "451 not now"
    await take(database, *events)
    doorbell = Doorbell(
        url=database.url, schema="dispatch", clock=CLOCK, check=Check(name="doorbell")
    )
    bell = doorbell.bell(moves.bell_of(Channel.EMAIL))
    sender = a_sender(database, an_outlet(composers, provider.port), bell=bell)
    async with running(doorbell), running(sender):
        await until(lambda: attempts_are(database, "deferred", at_least=1))
        provider.recipient_replies.clear()
        await hurry(database)
        sender._bell.set()
        await until(lambda: in_state_is(database, "sent", 8))
    sent = [mail["Message-ID"].partition("@")[0].strip("<") for mail in provider.mails]
    assert sent == [e.data.invitation_id for e in events]


@pytest.mark.parametrize("permits", [1, 3])
async def test_no_more_is_uncertain_than_there_are_permits(
    open_database: Any,
    provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
    permits: int,
) -> None:
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 21)))
    sender = a_sender(database, an_outlet(composers, provider.port), permits=permits)
    async with running(sender):
        async with database.engine.begin() as blocker:
            await blocker.execute(text("LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE"))
            await until(lambda: len(provider.recipients) == permits)
            await asyncio.sleep(0.3)
            assert len(provider.recipients) == permits
        await until(lambda: in_state_is(database, "sent", 20))
    assert len(set(provider.recipients)) == len(provider.recipients) == 20


async def test_mail_is_sent_twice_at_most_when_the_provider_never_answers(
    open_database: Any,
    provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
) -> None:
    database = open_database(CLOCK)
    provider.hang_up_at_data = 9
    await take(database, requested(1, now=CLOCK.now()))
    sender = a_sender(database, an_outlet(composers, provider.port))
    async with running(sender):
        await until(lambda: attempts_are(database, "away", at_least=1))
        row = await row_of(database, "message")
        assert (row.due_at - CLOCK.now()).total_seconds() > 5, "not again at once"
        await hurry(database)
        sender._bell.set()
        await until(lambda: in_state_is(database, "sent", 1))
    assert len(provider.mails) == 2
    (_, last) = await rows_of(database, "attempt")
    assert last.detail.startswith("in doubt: ")
    assert [e.type.name for e in await published(database)] == ["invitation.sent.v1"]


async def test_others_are_recorded_when_one_result_can_not_be(
    open_database: Any,
    provider: Any,
    composers: Composers,
    requested: Make,
    take: Take,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = telling.sent

    def fail(tx: Any, result: Any) -> None:
        if result.claim.message.customer_id == "c3":
            raise ValueError(result)
        told(tx, result)

    monkeypatch.setattr(telling, "sent", fail)
    database = open_database(CLOCK)
    await take(database, *(requested(n, now=CLOCK.now()) for n in range(1, 6)))
    async with running(a_sender(database, an_outlet(composers, provider.port))):
        await until(lambda: in_state_is(database, "sent", 5))
    assert len(provider.mails) == 5
    assert len(await published(database)) == 4


async def test_budget_goes_on_when_a_wrong_clock_was_far_ahead(open_database: Any) -> None:
    database, limits = open_database(CLOCK), Budget(rate_per_second=10, burst=10)
    now = CLOCK.now()
    for at, tokens in ((now + timedelta(days=1), 10), (now, 0), (now + timedelta(seconds=1), 10)):
        async with database.transaction() as tx:
            assert await budget.fill(tx.connection, "smtp", limits, now=at) == tokens
            await budget.take(tx.connection, "smtp", tokens)


class Slow:
    """Somebody who takes long to answer."""

    name, channel, is_idempotent = "slow", Channel.WEBHOOK, True
    at_once, at_most_seconds = 8, 15.0

    def compose(self, parcel: Any) -> str:
        raise NotImplementedError

    def open_line(self) -> Any:
        raise NotImplementedError


def test_no_more_is_claimed_than_can_be_sent_before_its_lease_is_over() -> None:
    route = Route(Outlet(adapter=Slow()), batch_size=500, lease=timedelta(seconds=120))
    assert route.needs == timedelta(seconds=15)
    assert route.room() == 256
    for _ in range(100):
        route.took(timedelta(seconds=15))
    assert 8 <= route.room() <= 64
    for _ in range(100):
        route.took(timedelta(milliseconds=5))
    assert route.room() == 256


async def test_server_has_more_time_to_answer_than_to_listen(
    provider: Any, composers: Composers
) -> None:
    route = SmtpRoute(
        host="127.0.0.1", port=provider.port, tls="none", timeout_seconds=0.5, answer_seconds=20
    )
    adapter = SmtpAdapter("slow", route=route, at_once=1, compose=composers.mail.compose)
    assert adapter.at_most_seconds == 20
    provider.gate = asyncio.Event()
    line = adapter.open_line()
    content = b"To: c1@example.com\r\n\r\nHow was it?\r\n"
    mail = Mail(sender="us@example.com", recipient="c1@example.com", content=content)
    sending = asyncio.create_task(line.send(mail))
    await asyncio.sleep(1)
    provider.gate.set()
    assert (await sending).outcome is Outcome.SENT
    await line.close()


async def test_what_waits_in_a_closed_channel_is_dropped(
    open_database: Any, requested: Make, take: Take, published: Published
) -> None:
    database = open_database(CLOCK)
    phone = {"phone": "+12025550123"}
    await take(database, requested(1, now=CLOCK.now(), channel="sms", recipient=phone))
    async with database.transaction() as tx:
        await tx.connection.execute(text("UPDATE message SET due_at = due_at - interval '1 hour'"))
    closed = Closed(database=database, check=Check(name="closed"), channel=Channel.SMS)
    async with running(closed):
        await until(lambda: in_state_is(database, "dropped", 1))
    (event,) = await published(database)
    assert (event.type.family, event.data.reason) == ("invitation.dropped", "no_channel")
