"""Durable timers: what is due later, written in the transaction that decides it.

Claimed in batches with `FOR UPDATE SKIP LOCKED` and deleted in the transaction of their effect,
so that a timer fires once whatever dies. Cost grows with what is due, not with what waits.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import upsert_rows
from heardback.driver import fetch

CHANNEL = "timer"
LONGEST_SLEEP: Final = timedelta(seconds=60)
"""The loops look for timers at least this often, woken or not."""


class Timer(Struct, frozen=True, kw_only=True):
    """Something to do at `due_at`. Setting a timer of the same `kind` and `key` replaces it."""

    kind: str
    key: str
    due_at: datetime
    payload: Mapping[str, Any] = {}
    traceparent: str | None = None
    attempts: int = 0

    def put_off(self, due_at: datetime, *, attempts: int | None = None) -> "Timer":
        """Return the timer due at another time; `attempts` as they are, or as given."""
        kept = self.attempts if attempts is None else attempts
        return replace(self, due_at=due_at, attempts=kept)


def timer_table(metadata: MetaData) -> Table:
    """Describe the timers in a service's schema."""
    table = Table(
        "timer",
        metadata,
        Column("kind", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("due_at", DateTime(timezone=True), nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("traceparent", Text),
        Column("attempts", Integer, nullable=False, server_default="0"),
    )
    Index("timer_due_at", table.c.due_at)
    return table


_TABLE = timer_table(MetaData())

# `now` is a parameter, not clock_timestamp(): a volatile bound can't limit the index scan.
_CLAIM = """
    DELETE FROM timer WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM timer WHERE due_at <= $1 ORDER BY due_at LIMIT $2
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING kind, key, due_at, payload, traceparent, attempts
"""
_TAKE = text("DELETE FROM timer WHERE kind = :kind AND key = :key AND due_at = :due_at")
_NEXT_DUE = text("SELECT due_at FROM timer ORDER BY due_at LIMIT 1")
_CANCEL = text("DELETE FROM timer WHERE kind = :kind AND key = ANY(CAST(:keys AS text[]))")


async def set_timers(connection: AsyncConnection, timers: Sequence[Timer]) -> None:
    """Write `timers`, each in place of the one of the same kind and key."""
    latest = {(timer.kind, timer.key): timer for timer in timers}
    rows = [
        {
            "kind": timer.kind,
            "key": timer.key,
            "due_at": timer.due_at,
            "payload": dict(timer.payload),
            "traceparent": timer.traceparent,
            "attempts": timer.attempts,
        }
        # In one order, so that two replicas that set the same ones don't wait for each other.
        for _, timer in sorted(latest.items(), key=itemgetter(0))
    ]
    await upsert_rows(connection, _TABLE, rows, key=("kind", "key"))


async def cancel_timers(connection: AsyncConnection, kind: str, keys: Collection[str]) -> None:
    """Delete the timers of `kind` under these keys; those that are not there are no error."""
    await connection.execute(_CANCEL, {"kind": kind, "keys": list(keys)})


async def claim_due(connection: AsyncConnection, *, now: datetime, limit: int) -> list[Timer]:
    """Take the timers that are due, the earliest first; they are back if it rolls back."""
    rows = await fetch(connection, _CLAIM, now, limit)
    return sorted((Timer(**row) for row in rows), key=attrgetter("due_at"))


async def take(connection: AsyncConnection, timer: Timer) -> bool:
    """Take exactly `timer`; False: it has fired or was replaced meanwhile."""
    bound = {"kind": timer.kind, "key": timer.key, "due_at": timer.due_at}
    return (await connection.execute(_TAKE, bound)).rowcount == 1


async def next_due_at(connection: AsyncConnection) -> datetime | None:
    """Return when the next timer is due, or None when none waits."""
    due_at: datetime | None = await connection.scalar(_NEXT_DUE)
    return due_at
