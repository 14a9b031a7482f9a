"""What trackers tell us while we are at work: it is neither lost nor waited for in a circle."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from closeloop_service.domain.improvement import ImprovementMove, ImprovementState, TicketStatus
from closeloop_service.domain.rules import TrackerKind
from closeloop_service.handlers.improvements import on_ticket_status
from closeloop_service.store import improvements, tickets
from closeloop_service.store.tickets import Ticket

from .room import Room, a_theme

RoomOf = Callable[..., Any]
PAGE_OF_TICKET = "https://tickets.example/T-9"


async def ticketed(room: Room) -> Ticket:
    """Return the ticket of the one improvement."""
    await room.closeloop.hear(a_theme())
    await room.round()
    async with room.database.read() as connection:
        found = await connection.execute(text("SELECT ticket FROM ticket"))
        ticket = await tickets.find(connection, "product", found.scalar_one())
    assert ticket is not None
    return ticket


async def tell(room: Room, ticket: Ticket, status: TicketStatus) -> None:
    async with room.database.transaction() as tx:
        await on_ticket_status(tx, room.closeloop.keeper, ticket, status, url=PAGE_OF_TICKET)


async def test_status_that_comes_while_we_look_is_kept(room_of: RoomOf) -> None:
    room: Room = await room_of(TrackerKind.WEBHOOK)
    ticket = await ticketed(room)
    room.closeloop.clock.advance(timedelta(minutes=5))
    now = room.closeloop.clock.now()
    async with room.database.transaction() as tx:
        until = now + timedelta(minutes=5)
        claimed = await tickets.claim(tx.connection, "product", now=now, leased_until=until)
    assert claimed is not None
    await tell(room, ticket, TicketStatus.DECLINED)
    async with room.database.transaction() as tx:
        assert await tickets.record(tx.connection, claimed, replace(claimed, read_at=now))
    line = await room.line()
    assert line.ticket is not None
    assert (line.ticket.status, line.ticket.url) == ("declined", PAGE_OF_TICKET)


async def waits_for_a_lock(room: Room) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with room.database.read() as connection:
        while not await connection.scalar(waiting):
            await asyncio.sleep(0.01)


async def test_ticket_that_is_opened_again_and_its_theme_wait_for_each_other_in_one_order(
    room_of: RoomOf,
) -> None:
    room: Room = await room_of(TrackerKind.WEBHOOK)
    ticket = await ticketed(room)
    await room.move(ImprovementMove.DECLINE)
    declined = replace(ticket, status="declined")
    async with room.database.transaction() as hearing:
        await improvements.lock_themes(hearing.connection, ["theme-1"])
        telling = asyncio.create_task(tell(room, declined, TicketStatus.OPEN))
        await waits_for_a_lock(room)
        await improvements.lock(hearing.connection, ticket.improvement_id)
    await telling
    assert (await room.line()).improvement.state is ImprovementState.OPEN
