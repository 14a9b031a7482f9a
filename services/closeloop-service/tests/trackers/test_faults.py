"""Trackers that are busy, away or refuse: they wait, the others go on, and ops are told once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Request, Response

from closeloop_service.domain.rules import TrackerKind
from heardback.testing.clock import START

from .doubles.base import Double
from .doubles.github import problem
from .room import Room, a_theme
from .stages import READ_BACK

every_readable = pytest.mark.parametrize("kind", READ_BACK)
RoomOf = Callable[..., Any]


@every_readable
async def test_rate_limited_tracker_is_left_alone_for_as_long_as_it_asks(
    kind: TrackerKind, room_of: RoomOf
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme(1), a_theme(2))
    room.stage.double.failures.append(room.stage.limited())
    await room.round()
    assert len(room.stage.double.calls) == 1
    seconds = await room.round(seconds=60)
    assert len(room.stage.double.calls) == 1
    assert seconds == pytest.approx(30, abs=1)
    await room.round(seconds=31)
    assert all(line.ticket.name for line in await room.lines())
    assert await room.alerts() == []
    assert [line.ticket.fault for line in await room.lines()] == [None, None]


@asynccontextmanager
async def closed(room: Room) -> AsyncIterator[None]:
    """Let nobody answer at the tracker's address."""
    tracker = room.stage.tracker
    room.stage.tracker = replace(tracker, base_url="http://127.0.0.1:9")
    await room.configure()
    yield
    room.stage.tracker = tracker
    await room.configure()


async def test_tracker_that_is_down_is_told_once_and_stops_nothing_else(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.LINEAR)
    await room.closeloop.hear(a_theme())
    async with closed(room):
        for after, shown in ((0, False), (16, False), (31, True), (61, True), (121, True)):
            await room.round(seconds=after)
            assert ((await room.line()).ticket.fault is not None) is shown
        assert "does not answer" in (await room.line()).ticket.fault
        assert len(await room.alerts()) == 1
        await room.closeloop.hear(a_theme(2))
        assert len(await room.lines()) == 2
    await room.round(minutes=15)
    assert [line.ticket.fault for line in await room.lines()] == [None, None]
    assert all(line.ticket.name for line in await room.lines())
    async with closed(room):
        for _ in range(4):
            await room.round(minutes=20)
        assert len(await room.alerts()) == 2


async def test_refused_key_is_told_at_once(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(a_theme())
    room.sync = replace(room.sync, secrets={})
    await room.round()
    assert "tracker_token is not set" in (await room.line()).ticket.fault
    assert len(await room.alerts()) == 1
    assert room.stage.double.calls == []


async def test_refused_ticket_is_told_with_the_trackers_own_words(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.JIRA)
    room.stage.tracker = replace(room.stage.tracker, project="NO")
    await room.configure()
    await room.closeloop.hear(a_theme())
    await room.round()
    await room.round(minutes=30)
    assert "valid project is required" in (await room.line()).ticket.fault
    assert len(await room.alerts()) == 1
    assert len(room.stage.double.asked("POST")) == 1


async def test_dead_tracker_does_not_keep_another_waiting(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    live = room.stage.tracker
    dead = replace(live, tracker_id="old", base_url="http://127.0.0.1:9")
    await room.configure(trackers={"old": dead}, tracker_id="old")
    await room.closeloop.hear(a_theme(1))
    await room.round()
    await room.configure(trackers={"old": dead, "product": live})
    await room.closeloop.hear(a_theme(2))
    await room.round(minutes=1)
    old, new = await room.lines()
    assert (old.ticket.tracker_id, old.ticket.name) == ("old", None)
    assert (new.ticket.tracker_id, new.ticket.name) == ("product", "example/product#1")


@pytest.mark.parametrize("secret", ["ghp_1234\n", "ghp_1234 ", "ghp_é1234"])
async def test_secret_that_no_header_takes_is_told_and_never_shown(
    secret: str, room_of: RoomOf
) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(a_theme())
    room.sync = replace(room.sync, secrets={"tracker_token": secret})
    await room.round()
    fault = (await room.line()).ticket.fault
    assert "tracker_token has a space around it" in fault
    (told,) = await room.alerts()
    assert "1234" not in f"{fault} {told}"


async def test_tracker_that_asks_for_ages_is_tried_again_after_a_day(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(a_theme())
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 400}
    room.stage.double.failures.append(problem(403, "API rate limit exceeded", headers))
    await room.round()
    await room.round(hours=23)
    assert len(room.stage.double.calls) == 1
    await room.round(hours=1)
    assert (await room.line()).ticket.name is not None


def break_on(double: Double, word: str, status: int, method: str = "POST") -> None:
    """Have a tracker fail, each time anew, whenever `word` is in what it is sent."""
    refuse = double.refuse

    async def refuse_or_break(request: Request) -> Response | None:
        said = word.encode() in await request.body()
        return (
            problem(status, "Oh no")
            if said and request.method == method
            else (await refuse(request))
        )

    double.refuse = refuse_or_break  # type: ignore[method-assign]


async def test_ticket_that_the_tracker_always_breaks_on_keeps_no_other_waiting(
    room_of: RoomOf,
) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    break_on(room.stage.double, "Poison", 500)
    await room.closeloop.hear(a_theme(1, title="Poison"))
    await room.round()
    await room.closeloop.hear(a_theme(2), a_theme(3))
    await room.round(seconds=16)
    await room.round(seconds=31)
    poisoned, *others = await room.lines()
    assert (poisoned.ticket.name, poisoned.ticket.fault) == (None, None)
    assert all(line.ticket.name for line in others)
    for number in range(4, 14):
        await room.closeloop.hear(a_theme(number))
        await room.round(minutes=1)
    poisoned, *others = await room.lines()
    assert all(line.ticket.name for line in others)
    assert "does not answer" in poisoned.ticket.fault
    (told,) = await room.alerts()
    assert "Oh no" in told
    asked = len(room.stage.double.asked("POST"))
    await room.round(minutes=50)
    assert len(room.stage.double.asked("POST")) == asked


@pytest.mark.parametrize(
    ("kind", "method"), [(TrackerKind.GITHUB, "PATCH"), (TrackerKind.JIRA, "PUT")]
)
async def test_change_that_is_forbidden_is_no_fault_of_the_key(
    kind: TrackerKind, method: str, room_of: RoomOf
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme(1), a_theme(2))
    await room.round()
    break_on(room.stage.double, "7,777", 403, method)
    later = START + timedelta(minutes=1)
    await room.closeloop.hear(a_theme(1, responses=7_777, reached_at=later))
    await room.round(hours=1)
    locked, other = await room.lines()
    assert "refuses this" in locked.ticket.fault
    assert other.ticket.fault is None
    room.stage.ways["done"]()
    for _ in range(4):
        await room.round(minutes=20)
    assert (await room.lines())[0].improvement.state == "shipped"
    assert len(await room.alerts()) == 1
