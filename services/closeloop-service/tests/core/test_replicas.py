"""Timers of tasks, fired by several replicas at once: each has its effect once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from closeloop_service.domain.commands import Contact, Wait
from closeloop_service.handlers.listening import timer_handlers
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.saving import Draft, save
from closeloop_service.rulebook.shelf import load_shelf
from heardback.db import Database
from heardback.health import Check
from heardback.ids import TimeOrderedIds
from heardback.timer_loop import TimerLoop

TASKS = 300


@asynccontextmanager
async def replica(database: Database, *, batch: int) -> AsyncIterator[TimerLoop]:
    """Another process of the service, as far as timers are concerned."""
    own = Database(
        database.url, service="closeloop", clock=database.clock, ids=TimeOrderedIds(), pool_size=2
    )
    yield TimerLoop(
        database=own,
        handlers=timer_handlers(Keeper()),
        bell=asyncio.Event(),
        batch_size=batch,
        check=Check(name="timers"),
    )
    await own.close()


async def fire_all(loop: TimerLoop) -> int:
    """Fire until nothing is due for a while; what the others hold may come back."""
    fired = idle = 0
    while idle < 5:
        taken = await loop.fire()
        fired += taken
        idle = 0 if taken else idle + 1
    return fired


@pytest.fixture
async def many(closeloop, an_alert):
    for start in range(0, TASKS, 100):
        await closeloop.hear(*(an_alert(number) for number in range(start, start + 100)))
    return [task.task_id for task in await closeloop.tasks()]


async def told(closeloop) -> Counter[tuple[str, str | None, int | None]]:
    """Return how often each thing was said of each clock, over all tasks, if each was said once."""
    said = [
        (e.data.task_id, e.type.family, getattr(e.data, "clock", None), getattr(e.data, "level", 0))
        for e in await closeloop.said()
    ]
    assert len(said) == len(set(said)), "something was said twice"
    return Counter(line[1:3] for line in said)


async def test_each_timer_fires_once_when_three_replicas_are_at_it(closeloop, database, many):
    fired: Counter[int] = Counter()
    async with (
        replica(database, batch=7) as first,
        replica(database, batch=50) as second,
        replica(database, batch=500) as third,
    ):
        for hours in (3, 1, 35, 9, 300):
            closeloop.clock.advance(timedelta(hours=hours))
            counts = await asyncio.gather(*(fire_all(loop) for loop in (first, second, third)))
            fired.update(dict(enumerate(counts)))
    assert all(fired[number] for number in range(3))
    assert await told(closeloop) == {
        ("task.opened", None): TASKS,
        **{
            (f"task.{what}", clock): times * TASKS
            for clock in ("first_response", "resolution")
            for what, times in (("sla_warned", 1), ("sla_breached", 1), ("escalated", 3))
        },
    }
    assert await closeloop.timer_keys("sla_warning", "sla_breach", "escalation") == set()


async def test_each_timer_fires_once_when_a_replica_dies_in_the_middle(closeloop, database, many):
    closeloop.clock.advance(timedelta(hours=4))
    async with replica(database, batch=100) as dies, replica(database, batch=100) as lives:
        for _ in range(6):
            dying = asyncio.ensure_future(dies.fire())
            await asyncio.wait([dying], timeout=0.02)
            dying.cancel()
            await asyncio.gather(dying, return_exceptions=True)
        await fire_all(lives)
    counts = await told(closeloop)
    assert counts[("task.sla_warned", "first_response")] == TASKS
    assert counts[("task.sla_breached", "first_response")] == TASKS


async def test_wait_ends_once_and_the_clock_goes_on_when_two_replicas_see_it(
    closeloop, database, many
):
    await closeloop.move_many(many, Contact(actor="Ana", channel="phone"))
    closeloop.clock.advance(timedelta(hours=1))
    await closeloop.move_many(many, Wait(actor="Ana"))
    closeloop.clock.advance(timedelta(days=7))
    async with replica(database, batch=20) as first, replica(database, batch=30) as second:
        await asyncio.gather(fire_all(first), fire_all(second))
    assert (await closeloop.families()).count("task.resumed") == TASKS
    tasks = await closeloop.tasks()
    assert {task.state for task in tasks} == {"contacted"}
    resumed_at = closeloop.clock.now()
    assert {task.due_at for task in tasks} == {resumed_at + timedelta(hours=47)}


async def test_replan_reaches_every_task_once_when_two_replicas_do_it(closeloop, database, many):
    await closeloop.move_many(many[:50], Contact(actor="Ana", channel="phone"))
    body = (await _policies(database)).replace("{within: 48h, calendar: always}", "10h")
    await _save_policies(database, body)
    async with replica(database, batch=500) as first, replica(database, batch=500) as second:
        await asyncio.gather(fire_all(first), fire_all(second))
    tasks = await closeloop.tasks()
    (version,) = {task.rules_version for task in tasks}
    assert version > 0
    lines = [line for line in await closeloop.history() if line.what == "replanned"]
    assert len(lines) == TASKS
    # Ten office hours from Monday at 9 end on Tuesday at 11.
    due = {task.clocks["resolution"].due_at for task in tasks}
    assert due == {closeloop.clock.now() + timedelta(hours=26)}


async def _policies(database: Database) -> str:
    async with database.read() as connection:
        return (await load_shelf(connection)).kept[Kind.SLA_POLICIES].body


async def _save_policies(database: Database, body: str) -> None:
    async with database.transaction() as tx:
        await save(tx, Draft(kind=Kind.SLA_POLICIES, body=body, saved_by="Maya"), secrets=())


async def test_nobody_waits_in_a_circle_when_replicas_catch_up_on_all_kinds_at_once(
    closeloop, database, many
):
    closeloop.clock.advance(timedelta(hours=400))
    async with database.transaction() as tx:
        # By chance, so that a task has timers in the batches of several replicas.
        mixed = "UPDATE timer SET due_at = due_at + random() * interval '40 hours'"
        await tx.connection.execute(text(mixed))
    async with (
        replica(database, batch=50) as first,
        replica(database, batch=70) as second,
        replica(database, batch=90) as third,
    ):
        await asyncio.gather(*(fire_all(loop) for loop in (first, second, third)))
    counts = await told(closeloop)
    for which in ("first_response", "resolution"):
        assert counts["task.sla_breached", which] == TASKS
        assert counts["task.escalated", which] == 3 * TASKS


async def test_replan_reaches_a_task_that_was_opened_by_the_rules_of_before_and_committed_late(
    closeloop, database, an_alert
):
    await closeloop.hear(an_alert(1))
    await closeloop.pass_time(seconds=1)
    before = await closeloop.change_rules()
    await _save_policies(database, (await _policies(database)).replace("48h", "47h"))
    closeloop.keeper.fix(None)
    await closeloop.pass_time(seconds=1)
    closeloop.keeper.fix(replace(before, version=0))
    await closeloop.hear(an_alert(2))
    closeloop.keeper.fix(None)
    await closeloop.pass_time(minutes=2)
    assert len({task.rules_version for task in await closeloop.tasks()}) == 1
    await closeloop.pass_time(minutes=2)
    assert await closeloop.timer_keys("replan") == set()
