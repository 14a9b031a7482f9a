"""Tickets: which are due, who looks at them, what was seen; and how each tracker does."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.store.improvements import TRACKERS_BELL
from heardback.bulk import json_text
from heardback.db import Transaction

_MOST_HOOK_SECRETS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An improvement in a tracker, or on its way there. See the table."""

    improvement_id: str
    tracker_id: str
    number: int
    ticket: str | None
    name: str | None
    url: str | None
    status: str | None
    etag: str | None
    asked_at: datetime | None
    shown: str | None
    written_at: datetime | None
    read_at: datetime | None
    faults: int
    fault: str | None
    try_at: datetime | None
    leased_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """How long a tracker has failed, and how often in a row."""

    faults: int
    failing_since: datetime


_NAMES: Final = tuple(field.name for field in fields(Ticket))
_COLUMNS: Final = ", ".join(f"ticket.{name}" for name in _NAMES)

_PLAN: Final = text("""
    INSERT INTO ticket (improvement_id, tracker_id, number, faults, try_at)
    SELECT improvement_id, :tracker_id, 1, 0, :now FROM improvement
    WHERE state IN ('open', 'planned')
      AND NOT EXISTS (SELECT FROM ticket WHERE ticket.improvement_id = improvement.improvement_id)
    ORDER BY improvement_id LIMIT :limit
    ON CONFLICT DO NOTHING
""")
# A tracker that fails keeps all of its tickets waiting, so no call is wasted on it.
_CLAIM: Final = text(f"""
    UPDATE ticket SET leased_until = :leased_until
    WHERE improvement_id = (
        SELECT improvement_id FROM ticket
        WHERE tracker_id = :tracker_id AND try_at <= :now
          AND (leased_until IS NULL OR leased_until <= :now)
          AND NOT EXISTS (
              SELECT FROM tracker WHERE tracker_id = :tracker_id AND tracker.try_at > :now)
        ORDER BY try_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING {_COLUMNS}
""")
_ASK: Final = text("""
    UPDATE ticket SET asked_at = :now WHERE improvement_id = :improvement_id AND asked_at IS NULL
""")
# `try_at` stays what it has become meanwhile: somebody asked to look again. So do the status and
# the address, where the tracker sent them by itself.
_RECORD: Final = text("""
    UPDATE ticket SET
        ticket = :ticket, name = :name, etag = :etag,
        url = CASE WHEN read_at IS DISTINCT FROM :claimed_read_at THEN url ELSE :url END,
        status = CASE WHEN read_at IS DISTINCT FROM :claimed_read_at THEN status ELSE :status END,
        asked_at = :asked_at, shown = :shown, written_at = :written_at, read_at = :read_at,
        faults = :faults, fault = :fault, leased_until = NULL,
        try_at = CASE WHEN try_at = :claimed_try_at THEN :try_at ELSE try_at END
    WHERE improvement_id = :improvement_id AND leased_until = :leased_until
""")
_LOOK: Final = text("""
    UPDATE ticket SET try_at = :now
    WHERE tracker_id = :tracker_id
      AND ticket IN (SELECT json_array_elements_text(CAST(:tickets AS json)))
    RETURNING improvement_id
""")
_FIND: Final = text(f"""
    SELECT {_COLUMNS} FROM ticket WHERE tracker_id = :tracker_id AND ticket = :ticket
""")
_NOTE_STATUS: Final = text("""
    UPDATE ticket SET status = :status, read_at = :now, url = coalesce(:url, url)
    WHERE improvement_id = :improvement_id
""")
_RENEW: Final = text("""
    UPDATE ticket SET
        tracker_id = :tracker_id, number = number + 1, ticket = NULL, name = NULL, url = NULL,
        status = NULL, etag = NULL, asked_at = NULL, shown = NULL, written_at = NULL,
        read_at = NULL, faults = 0, fault = NULL, try_at = :now, leased_until = NULL
    WHERE improvement_id = :improvement_id
""")
_NEXT: Final = text("""
    SELECT min(greatest(ticket.try_at, ticket.leased_until, tracker.try_at))
    FROM ticket LEFT JOIN tracker USING (tracker_id)
    WHERE tracker_id IN (SELECT json_array_elements_text(CAST(:tracker_ids AS json)))
      AND ticket.try_at IS NOT NULL
""")
_FAIL: Final = text("""
    INSERT INTO tracker (tracker_id, faults, fault, failing_since, try_at, hook_secrets)
    VALUES (
        :tracker_id, 1, CASE WHEN :shown_after <= 1 THEN CAST(:fault AS text) END, :now, :now, '[]')
    ON CONFLICT (tracker_id) DO UPDATE SET
        faults = tracker.faults + 1,
        fault = CASE WHEN tracker.faults + 1 >= :shown_after THEN CAST(:fault AS text) END,
        failing_since = coalesce(tracker.failing_since, excluded.failing_since)
    RETURNING faults, failing_since
""")
_PAUSE: Final = text("""
    INSERT INTO tracker (tracker_id, faults, try_at, hook_secrets)
    VALUES (:tracker_id, 0, :until, '[]')
    ON CONFLICT (tracker_id) DO UPDATE SET try_at = excluded.try_at
""")
_WORKS: Final = text("""
    UPDATE tracker SET faults = 0, fault = NULL, failing_since = NULL, try_at = NULL
    WHERE tracker_id = :tracker_id AND (faults > 0 OR try_at <= :now)
""")
_ADD_SECRET: Final = text(f"""
    INSERT INTO tracker (tracker_id, faults, hook_secrets)
    VALUES (:tracker_id, 0, CAST(:added AS jsonb))
    ON CONFLICT (tracker_id) DO UPDATE SET hook_secrets = (
        SELECT jsonb_agg(secret ORDER BY place) FROM (
            SELECT secret, place
            FROM jsonb_array_elements(CAST(:added AS jsonb) || tracker.hook_secrets)
                WITH ORDINALITY AS known (secret, place)
            ORDER BY place LIMIT {_MOST_HOOK_SECRETS}
        ) AS newest
    )
""")
_SECRETS: Final = text("SELECT hook_secrets FROM tracker WHERE tracker_id = :tracker_id")


async def plan_tickets(
    connection: AsyncConnection, tracker_id: str, *, now: datetime, limit: int
) -> int:
    """Note that improvements without a ticket are to get one; return how many."""
    bound = {"tracker_id": tracker_id, "now": now, "limit": limit}
    return (await connection.execute(_PLAN, bound)).rowcount


async def claim(
    connection: AsyncConnection, tracker_id: str, *, now: datetime, leased_until: datetime
) -> Ticket | None:
    """Take the ticket that is due first, until `leased_until`; None: none is."""
    bound = {"tracker_id": tracker_id, "now": now, "leased_until": leased_until}
    row = (await connection.execute(_CLAIM, bound)).mappings().one_or_none()
    return None if row is None else Ticket(**row)


async def note_asking(connection: AsyncConnection, ticket: Ticket, now: datetime) -> None:
    """Note, before it is asked for, that the tracker may have made the ticket."""
    await connection.execute(_ASK, {"improvement_id": ticket.improvement_id, "now": now})


async def record(connection: AsyncConnection, claimed: Ticket, seen: Ticket) -> bool:
    """Write what was seen, and let go; False: somebody else has it now, and sees for themselves."""
    bound = {name: getattr(seen, name) for name in _NAMES}
    bound |= {
        "claimed_try_at": claimed.try_at,
        "claimed_read_at": claimed.read_at,
        "leased_until": claimed.leased_until,
    }
    return (await connection.execute(_RECORD, bound)).rowcount == 1


async def look_at(tx: Transaction, tracker_id: str, tickets: Sequence[str]) -> int:
    """Have these tickets looked at now; return how many are ours."""
    bound = {"tracker_id": tracker_id, "tickets": json_text(list(tickets)), "now": tx.now}
    found = (await tx.connection.execute(_LOOK, bound)).rowcount
    if found:
        await tx.ring(TRACKERS_BELL)
    return found


async def find(connection: AsyncConnection, tracker_id: str, ticket: str) -> Ticket | None:
    """Return a ticket by what its tracker knows it by."""
    bound = {"tracker_id": tracker_id, "ticket": ticket}
    row = (await connection.execute(_FIND, bound)).mappings().one_or_none()
    return None if row is None else Ticket(**row)


async def note_status(
    tx: Transaction, improvement_id: str, *, status: str, url: str | None
) -> None:
    """Write a status that the tracker sent by itself."""
    bound = {"improvement_id": improvement_id, "status": status, "url": url, "now": tx.now}
    await tx.connection.execute(_NOTE_STATUS, bound)


async def renew(tx: Transaction, improvement_id: str, tracker_id: str) -> bool:
    """Have another ticket made in place of the one that there was; False: there was none."""
    bound = {"improvement_id": improvement_id, "tracker_id": tracker_id, "now": tx.now}
    return (await tx.connection.execute(_RENEW, bound)).rowcount == 1


async def next_try_at(connection: AsyncConnection, tracker_ids: Sequence[str]) -> datetime | None:
    """Return when the next ticket is due; None: none is."""
    bound = {"tracker_ids": json_text(list(tracker_ids))}
    next_at: datetime | None = await connection.scalar(_NEXT, bound)
    return next_at


async def tracker_failed(
    tx: Transaction, tracker_id: str, fault: str, *, shown_after: int
) -> Failing:
    """Count a failure of a tracker as a whole; people see it after so many in a row."""
    bound = {
        "tracker_id": tracker_id,
        "fault": fault,
        "now": tx.now,
        "shown_after": shown_after,
    }
    row = (await tx.connection.execute(_FAIL, bound)).mappings().one()
    return Failing(**row)


async def pause_tracker(tx: Transaction, tracker_id: str, until: datetime) -> None:
    """Call the tracker no more until then."""
    await tx.connection.execute(_PAUSE, {"tracker_id": tracker_id, "until": until})


async def tracker_works(tx: Transaction, tracker_id: str) -> None:
    """Note that the tracker answered as it should."""
    await tx.connection.execute(_WORKS, {"tracker_id": tracker_id, "now": tx.now})


async def add_hook_secret(connection: AsyncConnection, tracker_id: str, secret: str) -> None:
    """Keep a secret by which the tracker's calls are known; the newest ones are kept."""
    await connection.execute(_ADD_SECRET, {"tracker_id": tracker_id, "added": json_text([secret])})


async def hook_secrets(connection: AsyncConnection, tracker_id: str) -> list[str]:
    """Return the secrets that the tracker told us."""
    found = await connection.scalar(_SECRETS, {"tracker_id": tracker_id})
    return list(found or ())
