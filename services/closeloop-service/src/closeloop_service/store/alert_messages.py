"""Messages to ops: made of the alerts that wait, sent by whoever claims them, settled once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.grouping import (
    MOST_NAMED,
    URGENCY,
    Count,
    Gathered,
    MessageText,
    Raised,
)
from closeloop_service.domain.rules import AlertKind
from closeloop_service.tables import ALERT_MESSAGE
from heardback.bulk import insert_new_rows
from heardback.db import Transaction


class What(StrEnum):
    """What a message does."""

    ALERTS = "alerts"
    DIGEST = "digest"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """What waits for a target, since when, and when its newest messages were made."""

    target_id: str
    first_raised_at: datetime
    made: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message to be sent. `incident`: what it opens, acknowledges or resolves."""

    message_id: str
    target_id: str
    what: What
    content: MessageText
    alerts: int = 0
    incident: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message that is ours to send. `again`: somebody began to, and never said how it ended."""

    message_id: str
    target_id: str
    what: What
    content: MessageText
    incident: str | None
    attempts: int
    doubts: int
    made_at: datetime
    again: bool


_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('ops_alerts', 0))")
# While a message is under way its target's alerts gather for the next one.
_WAITING: Final = text("""
    SELECT t.target_id, first.raised_at AS first_raised_at, ARRAY(
        SELECT made_at FROM alert_message AS made
        WHERE made.target_id = t.target_id AND made.made_at > :since AND made.what = 'alerts'
        ORDER BY made_at DESC LIMIT :most
    ) AS made
    FROM unnest(CAST(:targets AS text[])) AS t (target_id)
    CROSS JOIN LATERAL (
        SELECT raised_at FROM ops_alert
        WHERE ops_alert.target_id = t.target_id AND message_id IS NULL ORDER BY seq LIMIT 1
    ) AS first
    WHERE NOT EXISTS (
        SELECT FROM alert_message AS unsent
        WHERE unsent.target_id = t.target_id AND state = 'sending' AND what = 'alerts'
    )
""")
_TAKE: Final = text("""
    UPDATE ops_alert SET message_id = :message_id WHERE seq IN (
        SELECT seq FROM ops_alert WHERE target_id = :target_id AND message_id IS NULL
        ORDER BY seq LIMIT :limit
    )
""")
_COUNTS: Final = text("""
    SELECT kind, team, count(*) AS alerts, count(DISTINCT coalesce(task_id, alert_key)) AS subjects
    FROM ops_alert
    WHERE message_id = :message_id GROUP BY kind, team
""")
_URGENT: Final = text("""
    SELECT kind, alert_key, title, text, task_id, improvement_id, team, count(*) OVER () AS subjects
    FROM (
        SELECT DISTINCT ON (coalesce(a.task_id, a.alert_key)) a.kind, a.alert_key, a.title, a.text,
            a.task_id, a.improvement_id, a.team, a.seq, task.due_at,
            array_position(CAST(:urgency AS text[]), a.kind) AS rank
        FROM ops_alert AS a LEFT JOIN task ON task.task_id = a.task_id
        WHERE a.message_id = :message_id
        ORDER BY coalesce(a.task_id, a.alert_key), rank, a.seq DESC
    ) AS subject
    ORDER BY rank, due_at NULLS LAST, seq LIMIT :limit
""")
_SPLIT: Final = text("""
    UPDATE ops_alert SET message_id = :message_id
    WHERE message_id = :taken AND coalesce(task_id, alert_key) = :subject
""")
# What was to end an incident must not end the one that is opened now.
_DROP_ENDS: Final = text("""
    UPDATE alert_message SET state = 'dropped'
    WHERE state = 'sending' AND target_id = :target_id AND incident = :incident
        AND what IN ('acknowledge', 'resolve')
""")
_CLAIM: Final = text("""
    WITH due AS (
        SELECT message_id, leased_until FROM alert_message
        WHERE state = 'sending' AND try_at <= :now
            AND NOT target_id = ANY(CAST(:busy AS text[]))
        ORDER BY try_at, made_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE alert_message AS m SET attempts = attempts + 1, try_at = :until, leased_until = :until,
        doubts = doubts + CAST(due.leased_until IS NOT NULL AS integer)
    FROM due WHERE m.message_id = due.message_id
    RETURNING m.message_id, target_id, what, content, incident, attempts, doubts, made_at,
        due.leased_until IS NOT NULL AS again
""")
_SETTLE: Final = text("""
    UPDATE alert_message SET state = :state, fault = :fault, settled_at = :now, leased_until = NULL
    WHERE message_id = :message_id AND attempts = :attempts AND state = 'sending'
""")
_PUT_OFF: Final = text("""
    UPDATE alert_message SET try_at = :at, fault = :fault, leased_until = NULL,
        doubts = doubts + CAST(:in_doubt AS integer)
    WHERE message_id = :message_id AND attempts = :attempts AND state = 'sending'
""")
_HOLD: Final = text("""
    UPDATE alert_message SET try_at = :at
    WHERE target_id = :target_id AND state = 'sending' AND leased_until IS NULL AND try_at < :at
""")
_HELD: Final = text("""
    SELECT target_id, max(try_at) AS try_at FROM alert_message
    WHERE state = 'sending' AND leased_until IS NULL AND try_at > :now
        AND target_id = ANY(CAST(:targets AS text[]))
    GROUP BY target_id
""")
_LAST: Final = text("""
    SELECT state FROM alert_message
    WHERE target_id = :target_id AND message_id <> :message_id AND state IN ('sent', 'failed')
    ORDER BY made_at DESC LIMIT 1
""")
_NEXT: Final = text("""
    SELECT min(try_at) FROM alert_message
    WHERE state = 'sending' AND NOT target_id = ANY(CAST(:busy AS text[]))
""")
_AGAIN: Final = text("""
    UPDATE alert_message SET state = 'sending', try_at = :now, attempts = 0, doubts = 0,
        made_at = :now, settled_at = NULL
    WHERE message_id = :message_id AND state = 'failed'
""")


async def waiting(
    connection: AsyncConnection, targets: Collection[str], *, since: datetime, most: int
) -> list[Queue]:
    """Return the targets for which alerts wait, and that no message is under way to.

    `most`: so many of the messages that were made since then are told.
    """
    bound = {"targets": list(targets), "since": since, "most": most}
    rows = await connection.execute(_WAITING, bound)
    return [
        Queue(target_id=row.target_id, first_raised_at=row.first_raised_at, made=tuple(row.made))
        for row in rows
    ]


async def may_make(connection: AsyncConnection) -> bool:
    """Tell whether this transaction alone makes messages now; another replica may be at it."""
    return bool(await connection.scalar(_LOCK))


async def take(
    connection: AsyncConnection, target_id: str, message_id: str, *, limit: int
) -> Gathered:
    """Put all that waits for a target, the oldest `limit` at most, into a message."""
    bound = {"target_id": target_id, "message_id": message_id, "limit": limit}
    await connection.execute(_TAKE, bound)
    counts = await connection.execute(_COUNTS, {"message_id": message_id})
    bound = {"message_id": message_id, "urgency": list(URGENCY), "limit": MOST_NAMED}
    urgent = (await connection.execute(_URGENT, bound)).all()
    return Gathered(
        counts=[
            Count(kind=AlertKind(row.kind), team=row.team, alerts=row.alerts, subjects=row.subjects)
            for row in counts
        ],
        urgent=[_raised(row) for row in urgent],
        subjects=urgent[0].subjects if urgent else 0,
    )


async def split_off(
    connection: AsyncConnection, taken: str, raised: Raised, message_id: str
) -> int:
    """Move all alerts about one subject into a message of its own; return how many they are."""
    subject = raised.task_id or raised.alert_key
    bound = {"taken": taken, "subject": subject, "message_id": message_id}
    return (await connection.execute(_SPLIT, bound)).rowcount


async def add(tx: Transaction, messages: Sequence[NewMessage]) -> int:
    """Write the intent to send messages; those that are there already are no news."""
    for message in messages:
        if message.what is What.ALERTS and message.incident is not None:
            bound = {"target_id": message.target_id, "incident": message.incident}
            await tx.connection.execute(_DROP_ENDS, bound)
    held = await _held_until(tx, {message.target_id for message in messages})
    rows = [
        {
            "message_id": message.message_id,
            "target_id": message.target_id,
            "what": message.what,
            "incident": message.incident,
            "content": message.content.to_document(),
            "state": "sending",
            "alerts": message.alerts,
            "attempts": 0,
            "doubts": 0,
            "try_at": held.get(message.target_id, tx.now),
            "made_at": tx.now,
        }
        for message in messages
    ]
    return len(await insert_new_rows(tx.connection, ALERT_MESSAGE, rows, key=("message_id",)))


async def claim(tx: Transaction, *, busy: Collection[str], lease: timedelta) -> Claimed | None:
    """Take the message that is due first, for as long as `lease`, of targets that are not busy."""
    bound = {"now": tx.now, "until": tx.now + lease, "busy": list(busy)}
    row = (await tx.connection.execute(_CLAIM, bound)).one_or_none()
    if row is None:
        return None
    fields = {**row._mapping, "what": What(row.what)}
    return Claimed(**{**fields, "content": MessageText.from_document(row.content)})


async def settle(tx: Transaction, claimed: Claimed, *, state: str, fault: str | None) -> bool:
    """Note how a message ended; False: it is not ours any more."""
    bound = {"message_id": claimed.message_id, "attempts": claimed.attempts}
    bound |= {"state": state, "fault": fault, "now": tx.now}
    return (await tx.connection.execute(_SETTLE, bound)).rowcount == 1


async def put_off(
    tx: Transaction, claimed: Claimed, *, at: datetime, fault: str, in_doubt: bool
) -> None:
    """Try a message later, and all that waits for its target not earlier."""
    bound = {"message_id": claimed.message_id, "attempts": claimed.attempts}
    bound |= {"at": at, "fault": fault, "in_doubt": in_doubt}
    await tx.connection.execute(_PUT_OFF, bound)
    await tx.connection.execute(_HOLD, {"target_id": claimed.target_id, "at": at})


async def failed_before(connection: AsyncConnection, claimed: Claimed) -> bool:
    """Tell whether the message before this one to the same target failed too."""
    bound = {"target_id": claimed.target_id, "message_id": claimed.message_id}
    return bool(await connection.scalar(_LAST, bound) == "failed")


async def next_try_at(connection: AsyncConnection, *, busy: Collection[str]) -> datetime | None:
    """Return when the next message is to be sent to targets that are not busy; None: none waits."""
    at: datetime | None = await connection.scalar(_NEXT, {"busy": list(busy)})
    return at


async def send_again(tx: Transaction, message_id: str) -> bool:
    """Have a message that failed sent anew; False: there is none."""
    bound = {"message_id": message_id, "now": tx.now}
    return (await tx.connection.execute(_AGAIN, bound)).rowcount == 1


async def _held_until(tx: Transaction, targets: Collection[str]) -> dict[str, datetime]:
    """Return the targets that want peace until then: one that is asked to wait is left alone."""
    rows = await tx.connection.execute(_HELD, {"now": tx.now, "targets": sorted(targets)})
    return {row.target_id: row.try_at for row in rows}


def _raised(row: Row[Any]) -> Raised:
    fields = dict(row._mapping)
    fields.pop("subjects")
    return Raised(**{**fields, "kind": AlertKind(row.kind)})
