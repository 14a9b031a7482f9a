"""The loop that keeps tickets in step, over real HTTP and a real database."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from closeloop_service.domain.improvement import ImprovementMove, ImprovementState
from closeloop_service.domain.rules import TrackerKind
from closeloop_service.handlers import improvements as handlers
from closeloop_service.trackers import recording
from closeloop_service.trackers.sync import LEASE
from heardback.contracts import registry
from heardback.testing.builders import an_event
from heardback.testing.clock import START

from .doubles.base import Lost
from .room import PAGE, Room, a_theme
from .stages import READ_BACK

every_readable = pytest.mark.parametrize("kind", READ_BACK)


class Crash(Exception):
    """The process dies here."""


RoomOf = Callable[..., Any]


@pytest.mark.parametrize("kind", TrackerKind)
async def test_improvement_becomes_one_ticket_and_follows_it_to_the_end(
    kind: TrackerKind, room_of: RoomOf
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme())
    await room.round()
    for _ in range(3):
        await room.round(minutes=6)
    line = await room.line()
    assert line.ticket is not None
    assert line.ticket.name and line.ticket.url and line.ticket.fault is None
    assert len(room.stage.texts()) == 1
    assert await room.history() == ["opened", "ticketed"]
    if kind not in READ_BACK:
        return
    room.stage.ways["plan"]()
    await room.round(minutes=6)
    assert (await room.line()).improvement.state is ImprovementState.PLANNED
    room.stage.ways["done"]()
    await room.round(minutes=6)
    assert (await room.line()).improvement.state is ImprovementState.SHIPPED
    assert await room.history() == ["opened", "ticketed", "planned", "shipped"]


@every_readable
async def test_ticket_closed_as_wont_do_declines_and_is_looked_at_no_more(
    kind: TrackerKind, room_of: RoomOf
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme())
    await room.round()
    room.stage.ways["declined"]()
    await room.round(minutes=6)
    assert (await room.line()).improvement.state is ImprovementState.DECLINED
    before = len(room.stage.double.calls)
    await room.round(hours=3)
    assert len(room.stage.double.calls) <= before + 2
    await room.round(hours=3)
    await room.round(hours=3)
    assert len(room.stage.double.calls) <= before + 2


@pytest.mark.parametrize("kind", TrackerKind)
async def test_one_ticket_when_we_die_between_the_trackers_yes_and_our_commit(
    kind: TrackerKind, room_of: RoomOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme())

    async def die(*_: Any) -> bool:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(recording, "record", die)
        await room.round()
    assert len(room.stage.texts()) == 1
    assert (await room.line()).ticket.name is None
    await room.round(minutes=1)
    assert (await room.line()).ticket.name is None  # the lease of the dead one still runs
    await room.round(seconds=LEASE.total_seconds())
    assert (await room.line()).ticket.name is not None
    assert len(room.stage.texts()) == 1
    assert await room.history() == ["opened", "ticketed"]


@pytest.mark.parametrize("kind", TrackerKind)
async def test_one_ticket_when_the_answer_is_lost(kind: TrackerKind, room_of: RoomOf) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme())
    room.stage.double.failures.append(Lost())
    await room.round()
    assert (await room.line()).ticket.name is None
    await room.round(minutes=1)
    assert (await room.line()).ticket.name is not None
    assert len(room.stage.texts()) == 1


async def test_two_replicas_make_one_ticket(room_of: RoomOf) -> None:
    import asyncio

    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(*[a_theme(number) for number in range(6)])
    other = replace(room.sync)
    await asyncio.gather(room.round(), other.round(room.database))
    assert len(room.stage.double.issues) == 6
    assert all(line.ticket.name for line in await room.lines())


@every_readable
async def test_text_is_written_at_most_once_an_hour_and_never_without_need(
    kind: TrackerKind, room_of: RoomOf
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme())
    await room.round()

    async def rewritten(after_minutes: int, responses: int) -> bool:
        later = START + timedelta(minutes=after_minutes)
        await room.closeloop.hear(a_theme(responses=responses, reached_at=later))
        await room.round(minutes=after_minutes)
        return str(responses) in room.stage.texts()[0]

    assert not await rewritten(20, 1_043)
    assert not await rewritten(30, 1_044)
    await room.round(minutes=10)
    assert "1,044" in room.stage.texts()[0].replace("\\", "")
    calls = [call for call in room.stage.double.calls if call[0] in ("PUT", "PATCH")]
    await room.round(hours=5)
    assert [call for call in room.stage.double.calls if call[0] in ("PUT", "PATCH")] == calls


async def test_only_words_with_consent_leave_and_without_who_said_them(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.ASANA)
    async with room.database.transaction() as tx:
        customer = text(
            "INSERT INTO customer (customer_id, name, attributes) VALUES ('c1', 'Ada Byron', '{}')"
        )
        await tx.connection.execute(customer)
    await room.closeloop.hear(a_theme())
    await room.round()
    (shown,) = room.stage.texts()
    assert "too late" in shown
    assert "secret" not in shown
    for private in ("Ada", "Byron", "1234567", "ada@example.com", "c1"):
        assert private not in shown
    assert PAGE in shown


async def test_erased_customers_words_leave_the_ticket(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(a_theme())
    await room.round()
    assert "too late" in room.stage.texts()[0]
    await room.closeloop.hear(
        an_event(registry.CUSTOMER_ERASED, customer_id="c1", occurred_at=START)
    )
    await room.round(hours=1)
    assert "too late" not in room.stage.texts()[0]
    line = await room.line()
    assert line.improvement.reporters == 0
    assert [quote.customer_id for quote in line.improvement.quotes] == ["c2"]


@every_readable
async def test_deleted_ticket_is_said_once_and_another_can_be_made(
    kind: TrackerKind, room_of: RoomOf
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme())
    await room.round()
    room.stage.ways["delete"]()
    for _ in range(4):
        await room.round(hours=2)
    line = await room.line()
    assert line.improvement.state is ImprovementState.OPEN
    assert "another ticket" in line.ticket.fault
    assert len(await room.alerts()) == 1
    assert (await room.history()).count("ticket_failed") == 1
    async with room.database.transaction() as tx:
        await handlers.renew_ticket(
            tx, room.closeloop.keeper, line.improvement.improvement_id, actor="Maya Lind"
        )
    await room.round()
    renewed = (await room.line()).ticket
    assert renewed.fault is None
    assert renewed.name is not None


@every_readable
async def test_moved_ticket_is_followed_under_its_new_name(
    kind: TrackerKind, room_of: RoomOf
) -> None:
    room: Room = await room_of(kind)
    await room.closeloop.hear(a_theme())
    await room.round()
    room.stage.ways["move"]()
    await room.round(minutes=6)
    assert (await room.line()).ticket.name in ("NEW-7", "example/new#7")
    assert (await room.history())[-1] == "ticket_renamed"


async def test_what_a_person_decided_stands_while_the_ticket_does_not_change(
    room_of: RoomOf,
) -> None:
    room: Room = await room_of(TrackerKind.JIRA)
    await room.closeloop.hear(a_theme())
    await room.round()
    await room.move(ImprovementMove.DECLINE)
    await room.round(minutes=6)
    assert (await room.line()).improvement.state is ImprovementState.DECLINED
    await room.move(ImprovementMove.REOPEN)
    room.stage.ways["declined"]()
    await room.round(minutes=6)
    assert (await room.line()).improvement.state is ImprovementState.DECLINED
    await room.move(ImprovementMove.REOPEN)
    await room.round(minutes=6)
    assert (await room.line()).improvement.state is ImprovementState.OPEN


async def test_closed_before_it_had_a_ticket_gets_none(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(a_theme())
    await room.move(ImprovementMove.SHIP)
    assert await room.round() == 60
    assert room.stage.double.calls == []
    assert (await room.line()).ticket is None


async def test_improvements_get_tickets_when_a_tracker_is_named_later(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.GITHUB, tracker_id=None)
    await room.closeloop.hear(a_theme())
    await room.round()
    assert (await room.line()).ticket is None
    await room.configure()
    await room.round()
    assert (await room.line()).ticket.name == "example/product#1"
