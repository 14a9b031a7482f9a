import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from heardback import timers
from heardback.clock import SystemClock
from heardback.contracts import topics
from heardback.db import Database, Transaction
from heardback.doorbell import Doorbell
from heardback.health import Health
from heardback.ids import TimeOrderedIds
from heardback.testing import toy
from heardback.testing.clock import START, ManualClock
from heardback.testing.waiting import until
from heardback.timer_loop import TimerHandler, TimerLoop
from heardback.timers import Timer


def a_timer(number: int = 1, *, after: timedelta = timedelta(hours=1)) -> Timer:
    return Timer(kind="send", key=f"k{number}", due_at=START + after, payload={"number": number})


def loop_of(
    database: Database, handler: TimerHandler = toy.on_timers, *, batch_size: int = 100
) -> TimerLoop:
    return TimerLoop(
        database=database,
        handlers={"send": handler, "remind": handler},
        bell=asyncio.Event(),
        batch_size=batch_size,
        check=Health().check("timers"),
    )


async def set_timers(database: Database, *wanted: Timer) -> None:
    async with database.transaction() as tx:
        for timer in wanted:
            tx.set_timer(timer)


async def test_timer_fires_when_now_is_exactly_due(database: Database, clock: ManualClock) -> None:
    await set_timers(database, a_timer())
    clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    assert await loop_of(database).fire() == 0
    clock.advance(timedelta(microseconds=1))
    assert await loop_of(database).fire() == 1
    assert await toy.effects(database) == ["k1"]
    assert await loop_of(database).fire() == 0


async def test_payload_and_trace_are_kept_when_the_timer_waits(
    database: Database, clock: ManualClock
) -> None:
    seen: list[Timer] = []

    async def look(_tx: Transaction, due: Sequence[Timer]) -> None:
        seen.extend(due)

    timer = Timer(kind="send", key="k", due_at=START, payload={"a": [1, "ü"]}, traceparent="00-x")
    await set_timers(database, timer)
    await loop_of(database, look).fire()
    assert seen == [timer]


async def test_handler_of_several_kinds_is_given_all_at_once_when_they_are_due(
    database: Database, clock: ManualClock
) -> None:
    seen: list[list[str]] = []

    async def look(_tx: Transaction, due: Sequence[Timer]) -> None:
        seen.append([timer.kind for timer in due])

    kinds = ["send", "remind", "send"]
    await set_timers(
        database,
        *(
            Timer(kind=kind, key=f"k{place}", due_at=START - timedelta(hours=1 - place))
            for place, kind in enumerate(kinds)
        ),
    )
    clock.advance(timedelta(hours=1))
    await loop_of(database, look).fire()
    assert seen == [kinds]


async def test_later_setting_wins_when_kind_and_key_are_the_same(
    database: Database, clock: ManualClock
) -> None:
    await set_timers(database, a_timer())
    await set_timers(database, a_timer(after=timedelta(hours=2)), a_timer(after=timedelta(hours=3)))
    clock.advance(timedelta(hours=2))
    assert await loop_of(database).fire() == 0
    clock.advance(timedelta(hours=1))
    assert await loop_of(database).fire() == 1


async def test_nobody_deadlocks_when_many_set_the_same_timers_in_other_orders(
    database: Database, clock: ManualClock
) -> None:
    wanted = [a_timer(number) for number in range(400)]
    orders = [wanted, wanted[::-1]] * 10
    await asyncio.gather(*(set_timers(database, *order) for order in orders))
    clock.advance(timedelta(hours=1))
    assert await loop_of(database, batch_size=500).fire() == 400


async def test_timer_is_gone_when_it_is_cancelled(database: Database, clock: ManualClock) -> None:
    await set_timers(database, a_timer(1), a_timer(2))
    async with database.transaction() as tx:
        tx.set_timer(a_timer(3))
        await tx.cancel_timers("send", ["k1", "k3", "unknown"])
    clock.advance(timedelta(hours=1))
    await loop_of(database).fire()
    assert await toy.effects(database) == ["k2"]


async def test_each_fires_once_when_replicas_claim_at_once(
    database: Database, clock: ManualClock
) -> None:
    await set_timers(database, *(a_timer(n) for n in range(300)))
    clock.advance(timedelta(hours=1))
    replicas = [loop_of(database, batch_size=10) for _ in range(4)]

    async def drain(replica: TimerLoop) -> int:
        total = 0
        while fired := await replica.fire():
            total += fired
        return total

    totals = await asyncio.gather(*(drain(replica) for replica in replicas))
    # `effect` has a primary key: a timer that fired twice would have failed there.
    assert sum(totals) == 300
    assert len(await toy.effects(database)) == 300


async def test_timer_comes_back_when_its_transaction_fails(
    database: Database, clock: ManualClock
) -> None:
    await set_timers(database, a_timer())
    clock.advance(timedelta(hours=1))

    async def lose_the_database(_tx: Transaction, _due: Sequence[Timer]) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await loop_of(database, lose_the_database).fire()
    assert await loop_of(database).fire() == 1


async def test_others_fire_when_one_handler_call_fails(
    database: Database, clock: ManualClock
) -> None:
    await set_timers(database, *(a_timer(n) for n in range(5)))
    clock.advance(timedelta(hours=1))

    async def refuse_three(tx: Transaction, due: Sequence[Timer]) -> None:
        if any(timer.key == "k3" for timer in due):
            raise LookupError("no such invitation")
        await toy.on_timers(tx, due)

    loop = loop_of(database, refuse_three)
    await loop.fire()
    assert await toy.effects(database) == ["k0", "k1", "k2", "k4"]
    assert await loop.fire() == 0


async def test_timer_is_taken_only_as_it_is_when_it_was_replaced(database: Database) -> None:
    await set_timers(database, a_timer())
    async with database.transaction() as tx:
        assert not await timers.take(tx.connection, a_timer(after=timedelta(hours=2)))
        assert await timers.take(tx.connection, a_timer())
        assert not await timers.take(tx.connection, a_timer())


async def test_timer_is_set_aside_when_it_failed_ten_times(
    database: Database, clock: ManualClock
) -> None:
    async def refuse(_tx: Transaction, _due: Sequence[Timer]) -> None:
        raise LookupError("no such invitation")

    await set_timers(database, a_timer())
    loop = loop_of(database, refuse)
    for _ in range(10):
        clock.advance(timedelta(days=1))
        await loop.fire()
    (letter,) = await toy.staged(database)
    assert letter.topic == topics.DEAD_LETTER.name
    assert dict(letter.headers)["dlq_reason"] == b"timer_failed"
    assert letter.value == b'{"number":1}'


async def test_loop_wakes_when_an_earlier_timer_is_written(database: Database) -> None:
    real = Database(database.url, service="toy", clock=SystemClock(), ids=TimeOrderedIds())
    health, stop = Health(), asyncio.Event()
    doorbell = Doorbell(
        url=database.url, schema="toy", clock=SystemClock(), check=health.check("doorbell")
    )
    loop = TimerLoop(
        database=real,
        handlers={"send": toy.on_timers},
        bell=doorbell.bell(timers.CHANNEL),
        batch_size=100,
        check=health.check("timers"),
    )
    tasks = [asyncio.create_task(doorbell.run(stop)), asyncio.create_task(loop.run(stop))]
    await until(lambda: health.ready)
    soon = SystemClock().now() + timedelta(milliseconds=50)
    far = SystemClock().now() + timedelta(days=9)
    # Written through another engine, as another replica would.
    other = Database(database.url, service="toy", clock=SystemClock(), ids=TimeOrderedIds())
    await set_timers(other, Timer(kind="send", key="far", due_at=far))
    await set_timers(other, Timer(kind="send", key="soon", due_at=soon))

    async def fired() -> bool:
        return await toy.effects(database) == ["soon"]

    await until(fired)
    stop.set()
    await asyncio.gather(*tasks)
    await real.close()
    await other.close()


async def test_loop_sleeps_on_when_a_timer_is_written_that_is_due_much_later(
    database: Database,
) -> None:
    stop = asyncio.Event()
    doorbell = Doorbell(
        url=database.url, schema="toy", clock=SystemClock(), check=Health().check("doorbell")
    )
    timer_bell, other_bell = doorbell.bell(timers.CHANNEL), doorbell.bell("other")
    task = asyncio.create_task(doorbell.run(stop))
    await until(timer_bell.is_set)  # everyone is woken at the start

    async def wakes(timer: Timer) -> bool:
        timer_bell.clear()
        other_bell.clear()
        async with database.transaction() as tx:
            tx.set_timer(timer)
        async with database.transaction() as tx:
            await tx.ring("other")
        await until(other_bell.is_set)
        return timer_bell.is_set()

    assert await wakes(a_timer(after=timedelta(seconds=60)))
    assert not await wakes(a_timer(after=timedelta(seconds=121)))
    stop.set()
    await task


async def test_due_timers_are_found_by_index_when_many_wait(database: Database) -> None:
    async with database.transaction() as tx:
        for number in range(2_000):
            tx.set_timer(a_timer(number, after=timedelta(days=number)))
    async with database.engine.begin() as connection:
        await connection.execute(text("ANALYZE timer"))
        plan = "\n".join(
            await connection.scalars(
                text(
                    "EXPLAIN SELECT ctid FROM timer WHERE due_at <= '2026-03-03' "
                    "ORDER BY due_at LIMIT 500 FOR UPDATE SKIP LOCKED"
                )
            )
        )
    assert "timer_due_at" in plan
