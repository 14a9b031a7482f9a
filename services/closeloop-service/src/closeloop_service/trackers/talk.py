"""One conversation with a tracker about one ticket, and what is to be noted of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.ticket import TicketText, link_to
from closeloop_service.store.tickets import Ticket
from closeloop_service.trackers.interface import (
    Fault,
    FaultKind,
    Reading,
    TicketRef,
    TrackerClient,
    Unchanged,
)

POLL_EVERY: Final = timedelta(minutes=5)
WRITE_AT_MOST_EVERY: Final = timedelta(hours=1)
"""A ticket whose text changes all the time would notify its watchers all the time."""
FAULTY_AGAIN_AFTER: Final = timedelta(hours=1)
"""What the tracker refuses it refuses again, until somebody mends it."""
HELD_UP_AFTER: Final = 10
"""So often in a row with no answer for one ticket: it may be the ticket, and people are to look."""
OF_THE_TRACKER: Final = (FaultKind.AWAY, FaultKind.BUSY, FaultKind.KEY_REFUSED)
"""The faults that are not of one ticket: no other ticket of the tracker would fare better."""

_ADVICE: Final = {
    FaultKind.AWAY: "The tracker does not answer; we try again.",
    FaultKind.BUSY: "The tracker asks us to wait; we try again.",
    FaultKind.KEY_REFUSED: "The tracker refuses our key; see to its secret and what it may do.",
    FaultKind.REFUSED: "The tracker refuses this; see to the tracker in the rules.",
    FaultKind.GONE: (
        "The ticket is not there any more, or our key may not see it. Ship or decline the "
        "improvement here, or have another ticket made."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """What came of it. `made`: the ticket is there since now; `written`: so is its text."""

    ref: TicketRef | None = None
    reading: Reading | None = None
    made: bool = False
    written: bool = False
    fault: Fault | None = None


async def make(client: TrackerClient, ticket: Ticket, text: TicketText) -> Talk:
    """Have the ticket made, unless an earlier attempt that broke off made it."""
    if ticket.asked_at is not None:
        found = await client.find(text.key, ticket.asked_at)
        if isinstance(found, Fault):
            # Whether it is there is as uncertain as before.
            return Talk(fault=replace(_not_gone(found), in_doubt=True))
        if found is not None:
            return Talk(ref=found, made=True)
    made = await client.create(text)
    if isinstance(made, Fault):
        return Talk(fault=_not_gone(made))
    return Talk(ref=made, made=True, written=True)


async def follow(client: TrackerClient, ticket: Ticket, text: TicketText, now: datetime) -> Talk:
    """Read the ticket back, and write its text anew if it changed and the last time is not near."""
    assert ticket.ticket is not None
    ref = TicketRef(ticket=ticket.ticket, name=ticket.name or ticket.ticket, url=ticket.url)
    read = await client.read(ref, ticket.etag)
    if isinstance(read, Fault):
        return Talk(ref=ref, fault=read)
    reading = None if isinstance(read, Unchanged) else read
    ref = reading.ref if reading else ref
    if text.digest == ticket.shown or now < may_write_at(ticket, now):
        return Talk(ref=ref, reading=reading)
    fault = await client.update(ref, text)
    return Talk(ref=ref, reading=reading, written=fault is None, fault=fault)


def noted(ticket: Ticket, talk: Talk, text: TicketText, now: datetime, *, active: bool) -> Ticket:
    """Return the ticket after a talk. `active`: the improvement is still to be mended."""
    seen = _with_ref(ticket, talk.ref)
    if talk.reading is not None:
        seen = replace(seen, status=talk.reading.status, etag=talk.reading.etag)
    if talk.written:
        seen = replace(seen, shown=text.digest, written_at=now, etag=None)
    if talk.made:
        seen = replace(seen, status=TicketStatus.OPEN)
    if talk.fault is None:
        again = _next(seen, text, now, active=active)
        return replace(seen, faults=0, fault=None, read_at=now, try_at=again)
    if talk.fault.in_doubt:
        seen = replace(seen, asked_at=ticket.asked_at or now)
    away = talk.fault.kind is FaultKind.AWAY
    of_the_tracker = talk.fault.kind in OF_THE_TRACKER
    faults = ticket.faults + (away or not of_the_tracker)
    if of_the_tracker and not (away and faults >= HELD_UP_AFTER):
        # It waits for the tracker, behind the others: it may be the one that the tracker can't do.
        return replace(seen, faults=faults, try_at=now)
    again = now + FAULTY_AGAIN_AFTER if active else None
    return replace(seen, faults=faults, fault=in_words(talk.fault), try_at=again)


def in_words(fault: Fault) -> str:
    """Return what is wrong and what to do."""
    return f"{_ADVICE[fault.kind]} ({fault.detail})"


def may_write_at(ticket: Ticket, now: datetime) -> datetime:
    """Return when the text may be written again."""
    return now if ticket.written_at is None else ticket.written_at + WRITE_AT_MOST_EVERY


def _next(ticket: Ticket, text: TicketText, now: datetime, *, active: bool) -> datetime | None:
    """Return when to look at it again: what is closed is not looked at, once it is all said."""
    if ticket.ticket is None:
        return None
    behind = text.digest != ticket.shown
    if not active:
        return may_write_at(ticket, now) if behind else None
    if behind:
        return min(now + POLL_EVERY, max(may_write_at(ticket, now), now))
    return now + POLL_EVERY


def _with_ref(ticket: Ticket, ref: TicketRef | None) -> Ticket:
    if ref is None:
        return ticket
    return replace(ticket, ticket=ref.ticket, name=ref.name, url=link_to(ref.url))


def _not_gone(fault: Fault) -> Fault:
    """There is no ticket yet: what is gone is its project."""
    if fault.kind is not FaultKind.GONE:
        return fault
    return replace(
        fault, kind=FaultKind.REFUSED, detail=f"{fault.detail} (is the project's name right?)"
    )
