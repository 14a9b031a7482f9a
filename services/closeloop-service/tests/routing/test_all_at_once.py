"""Replicas, timers and people at once: nothing waits in a circle, and capacity holds throughout."""

import asyncio
from collections import Counter
from contextlib import suppress

from closeloop_service.domain.commands import Cancel, Release
from closeloop_service.domain.errors import MoveNotAllowed
from closeloop_service.domain.rules import Member

from .queues import rows
from .teams import a_team, rules_of

CAPACITY = 5
NAMES = [f"M{number}" for number in range(4)]
MOST_OWNED = """
    SELECT coalesce(max(n), 0) AS most FROM (
        SELECT count(*) AS n FROM task WHERE active AND owner IS NOT NULL GROUP BY owner
    ) AS owned
"""


async def hear_alerts(closeloop, an_alert, first):
    for number in range(first, first + 60, 3):
        await closeloop.hear(*(an_alert(n) for n in range(number, number + 3)))


async def fire_timers(closeloop, done):
    while not done.is_set():
        await closeloop.timers.fire()
        await asyncio.sleep(0)


async def give_back_and_cancel(closeloop, done):
    while not done.is_set():
        owned = [task for task in await closeloop.tasks() if task.active and task.owner]
        for place, task in enumerate(owned):
            command = Release(actor="M0") if place % 2 else Cancel(actor="M0", reason="a test")
            with suppress(MoveNotAllowed):
                await closeloop.move(task.task_id, command)


async def watch_capacity(closeloop, done):
    while not done.is_set():
        (row,) = await rows(closeloop, MOST_OWNED)
        assert row.most <= CAPACITY


async def test_capacity_holds_and_tasks_keep_moving_when_all_happens_at_once(closeloop, an_alert):
    team = a_team("care", *(Member(name=name, capacity=CAPACITY) for name in NAMES))
    closeloop.keeper.fix(rules_of(team))
    done = asyncio.Event()

    async def replicas():
        await asyncio.gather(*(hear_alerts(closeloop, an_alert, n) for n in (1_000, 2_000)))
        done.set()

    await asyncio.gather(
        replicas(),
        fire_timers(closeloop, done),
        fire_timers(closeloop, done),
        give_back_and_cancel(closeloop, done),
        watch_capacity(closeloop, done),
    )
    assert len(await closeloop.tasks()) == 120
    await closeloop.pass_time(seconds=1)
    active = [task for task in await closeloop.tasks() if task.active]
    owners = Counter(task.owner for task in active if task.owner)
    waits = [task for task in active if task.owner is None and task.unrouted is None]
    assert not waits or all(owners[name] == CAPACITY for name in NAMES)
