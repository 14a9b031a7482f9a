"""The loop as a process runs it: woken by what is opened, stopped when it is told to."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from closeloop_service.domain.rules import TrackerKind
from heardback.clock import SystemClock
from heardback.db import Database
from heardback.doorbell import Doorbell
from heardback.health import Health
from heardback.ids import TimeOrderedIds
from heardback.service import Runtime
from heardback.testing.waiting import until

from .room import Room, a_theme


async def test_loop_makes_the_ticket_as_soon_as_the_improvement_is_opened(
    room_of: Callable[..., Any], url: str
) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    health, clock = Health(), SystemClock()
    database = Database(url, service="closeloop", clock=clock, ids=TimeOrderedIds(), pool_size=4)
    doorbell = Doorbell(url=url, schema="closeloop", clock=clock, check=health.check("doorbell"))
    runtime = Runtime(database=database, doorbell=doorbell, health=health, clock=clock)
    stop = asyncio.Event()
    loop = room.sync.loop(runtime)
    running = [asyncio.ensure_future(run(stop)) for run in (loop, doorbell.run)]
    await until(lambda: health.ready)
    await room.closeloop.hear(a_theme())
    await until(lambda: bool(room.stage.double.issues))
    stop.set()
    await asyncio.gather(*running)
    await database.close()


async def test_fault_of_ours_with_one_ticket_does_not_end_the_loop(
    room_of: Callable[..., Any],
) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(a_theme())
    # An option that nobody checked: the client can't be made.
    room.stage.tracker = replace(room.stage.tracker, options={"labels": 5})  # type: ignore[dict-item]
    await room.configure()
    assert 0 < await room.round() <= 60
