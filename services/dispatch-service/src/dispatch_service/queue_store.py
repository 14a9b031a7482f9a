"""The queue as the sending loops see it: what is due is claimed, what was sent is settled."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.domain.message import Claim, Message, MessageState, Outcome, Result
from dispatch_service.domain.suppression import Reason, Suppression, canonical
from dispatch_service.domain.turn import Due, PutOff
from dispatch_service.store import (
    INVITATION_COLUMNS,
    MESSAGE_COLUMNS,
    invitation_in,
    message_in,
)
from heardback.bulk import json_text
from heardback.vocabulary import Channel, Scope

_GIVES_WAY_AFTER: Final = timedelta(minutes=1)
_TRIED: Final = (Outcome.SENT, Outcome.BOUNCED, Outcome.DEFERRED)

# `now` is a parameter: a volatile bound can't limit the index scan. Whatever may be sent goes out
# in the order of `seq`. Nothing is held up by what waits for permitted hours, was put off for
# longer by its provider, or is too late; and what a person writes not by what is only asked.
_DUE: Final = text(f"""
    SELECT {MESSAGE_COLUMNS}, {INVITATION_COLUMNS}, m.attempts AS m_attempts, m.tries AS m_tries,
        m.doubts AS m_doubts, m.state AS m_state,
        EXISTS (
            SELECT FROM message o
            WHERE o.customer_id = m.customer_id AND o.due_at IS NOT NULL AND o.seq < m.seq
                AND (o.opens_at IS NULL OR o.opens_at <= :now)
                AND (o.state = 'sending' OR (o.deadline_at > :now
                    AND (o.tries = 0 OR o.due_at <= :soon)
                    AND (m.kind <> 'follow_up' OR o.kind = 'follow_up')))
        ) AS held_up
    FROM message m JOIN invitation i ON i.invitation_id = m.invitation_id
    WHERE m.channel = :channel AND m.due_at <= :now
    ORDER BY m.due_at LIMIT :limit
    FOR UPDATE OF m SKIP LOCKED
""")
_SUPPRESSIONS: Final = text("""
    SELECT s.customer_id, s.address, s.scope, s.scoped_to, s.reason, s.suppressed_at
    FROM suppression s WHERE s.customer_id = ANY(CAST(:customers AS text[]))
    UNION ALL
    SELECT s.customer_id, s.address, s.scope, s.scoped_to, s.reason, s.suppressed_at
    FROM suppression s WHERE s.address = ANY(CAST(:addresses AS text[]))
""")
_CLAIM: Final = text("""
    WITH claimed AS (
        UPDATE message
        SET state = 'sending', attempts = attempts + 1, due_at = :lease_until, provider = :provider
        WHERE message_id = ANY(CAST(:ids AS text[]))
        RETURNING message_id, attempts, customer_id
    )
    INSERT INTO attempt (message_id, number, customer_id, provider, claimed_at)
    SELECT message_id, attempts, customer_id, :provider, :now FROM claimed
""")
_PUT_OFF: Final = text("""
    UPDATE message m SET due_at = r.due_at, opens_at = r.opens_at
    FROM json_to_recordset(CAST(:rows AS json))
        AS r (message_id text, due_at timestamptz, opens_at timestamptz)
    WHERE m.message_id = r.message_id
""")
# Only the attempt that holds a message settles it: a late one was taken over meanwhile. What was
# held up by a message that is done is due at once. The ids stand there once more, or the planner
# reads the whole table: what is being sent is so little of it.
_SETTLE: Final = text("""
    WITH r AS (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS r (message_id text, number int,
            finished_at timestamptz, outcome text, detail text, state text, due_at timestamptz,
            reference text, tried int, doubted int)
    ), finished AS (
        UPDATE attempt a SET finished_at = r.finished_at, outcome = r.outcome, detail = r.detail
        FROM r
        WHERE a.message_id = ANY(CAST(:ids AS text[]))
            AND a.message_id = r.message_id AND a.number = r.number
    ), settled AS (
        UPDATE message m SET state = r.state, due_at = r.due_at, reference = r.reference,
            tries = m.tries + r.tried, doubts = m.doubts + r.doubted,
            settled_at = CASE WHEN r.due_at IS NULL THEN r.finished_at END
        FROM r
        WHERE m.message_id = ANY(CAST(:ids AS text[]))
            AND m.message_id = r.message_id AND m.attempts = r.number AND m.state = 'sending'
        RETURNING m.message_id, m.customer_id, m.due_at
    ), woken AS (
        UPDATE message w SET due_at = :now
        FROM (SELECT DISTINCT customer_id FROM settled WHERE due_at IS NULL) s
        WHERE w.customer_id = s.customer_id AND w.due_at > :now AND w.attempts = 0
            AND (w.opens_at IS NULL OR w.opens_at <= :now)
        RETURNING w.channel
    )
    SELECT message_id, NULL AS channel FROM settled
    UNION ALL SELECT DISTINCT NULL, channel FROM woken
""")
_WAKE: Final = text("""
    UPDATE message SET due_at = :now
    WHERE customer_id = ANY(CAST(:customers AS text[])) AND due_at > :now AND attempts = 0
        AND (opens_at IS NULL OR opens_at <= :now)
    RETURNING channel
""")
_SENT: Final = text("""
    UPDATE invitation SET state = 'sent' WHERE invitation_id = ANY(CAST(:ids AS text[]))
""")
_NEXT_DUE: Final = text("""
    SELECT due_at FROM message WHERE channel = :channel AND due_at IS NOT NULL
    ORDER BY due_at LIMIT 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The messages whose attempts still held them, and the channels where something is due now."""

    message_ids: frozenset[str]
    woken: frozenset[Channel]


async def lock_due(
    connection: AsyncConnection, channel: Channel, *, now: datetime, limit: int
) -> list[Due]:
    """Return what is due in a channel, the longest due first, locked."""
    soon = now + _GIVES_WAY_AFTER
    values = {"channel": channel.value, "now": now, "soon": soon, "limit": limit}
    rows = (await connection.execute(_DUE, values)).mappings()
    return [
        Due(
            message=message_in(row),
            invitation=invitation_in(row),
            attempts=row["m_attempts"],
            tries=row["m_tries"],
            doubts=row["m_doubts"],
            interrupted=row["m_state"] == MessageState.SENDING,
            held_up=row["held_up"],
        )
        for row in rows
    ]


async def suppressions_of(
    connection: AsyncConnection, messages: Collection[Message]
) -> list[Suppression]:
    """Return what the suppression list says about the customers and addresses of messages."""
    values = {
        "customers": list({message.customer_id for message in messages}),
        "addresses": list({canonical(message.address) for message in messages} - {""}),
    }
    rows = (await connection.execute(_SUPPRESSIONS, values)).mappings()
    return [_suppression(row) for row in rows]


async def save_claims(
    connection: AsyncConnection, claims: Sequence[Claim], *, lease_until: datetime
) -> None:
    """Write the intent to send, so that whoever finds it later knows of the attempt."""
    if claims:
        values = {
            "ids": [claim.message.message_id for claim in claims],
            "provider": claims[0].provider,
            "now": claims[0].claimed_at,
            "lease_until": lease_until,
        }
        await connection.execute(_CLAIM, values)


async def put_off(connection: AsyncConnection, waits: Sequence[tuple[Message, PutOff]]) -> None:
    """Let messages wait until their time."""
    if waits:
        rows = [
            {
                "message_id": message.message_id,
                "due_at": wait.until,
                "opens_at": wait.until if wait.for_hours else None,
            }
            for message, wait in waits
        ]
        await connection.execute(_PUT_OFF, {"rows": json_text(rows)})


async def settle(
    connection: AsyncConnection, results: Sequence[Result], *, now: datetime
) -> Settled:
    """Record what became of attempts."""
    values = {
        "ids": [result.claim.message.message_id for result in results],
        "rows": json_text([_result_row(result) for result in results]),
        "now": now,
    }
    rows = (await connection.execute(_SETTLE, values)).all()
    return Settled(
        message_ids=frozenset(row.message_id for row in rows if row.message_id is not None),
        woken=frozenset(Channel(row.channel) for row in rows if row.channel is not None),
    )


async def wake(
    connection: AsyncConnection, customer_ids: Collection[str], *, now: datetime
) -> set[Channel]:
    """Make due what was never tried for these customers; return the channels where it waits."""
    if not customer_ids:
        return set()
    values = {"customers": list(customer_ids), "now": now}
    return {Channel(name) for name in (await connection.execute(_WAKE, values)).scalars()}


async def mark_sent(connection: AsyncConnection, invitation_ids: Sequence[str]) -> None:
    """Note that a provider took what opens a conversation in a channel."""
    if invitation_ids:
        await connection.execute(_SENT, {"ids": list(invitation_ids)})


async def next_due_at(connection: AsyncConnection, channel: Channel) -> datetime | None:
    """Return when the next message of a channel is to be taken, or None when none waits."""
    due_at: datetime | None = await connection.scalar(_NEXT_DUE, {"channel": channel.value})
    return due_at


def _suppression(row: RowMapping) -> Suppression:
    found: dict[str, Any] = dict(row)
    return Suppression(**{**found, "scope": Scope(row["scope"]), "reason": Reason(row["reason"])})


def _result_row(result: Result) -> dict[str, Any]:
    return {
        "message_id": result.claim.message.message_id,
        "number": result.claim.number,
        "finished_at": result.finished_at,
        "outcome": result.outcome,
        "detail": result.detail,
        "state": result.state,
        "due_at": result.retry_at,
        "reference": result.reference,
        "tried": int(result.outcome in _TRIED),
        "doubted": int(result.in_doubt),
    }
