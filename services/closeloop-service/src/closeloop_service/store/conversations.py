"""Conversations with customers, and the lines of their stories: one statement for each kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import Row, json_text

TOUCHPOINT: Final = "touchpoint"
ANSWERED: Final = "answered"
"""The lines that are not just added: what is known later may stand in their place."""

_INVITATION: Final = """
    INSERT INTO invitation AS known (invitation_id, customer_id, program_id, touchpoint, {names})
    SELECT invitation_id, customer_id, program_id, touchpoint, {names}
    FROM json_to_recordset(CAST(:rows AS json)) AS r (
        invitation_id text, customer_id text, program_id text, touchpoint text, task_id text,
        channel text, recipient jsonb, locale text, requested_at timestamptz
    )
    ON CONFLICT (invitation_id) DO UPDATE SET {changes}
"""
# What was sent may be known before: then it says the channel.
_ASKED: Final = text(
    _INVITATION.format(
        names="task_id, channel, recipient, locale, requested_at",
        changes="""
            task_id = coalesce(known.task_id, excluded.task_id),
            channel = coalesce(known.channel, excluded.channel),
            recipient = coalesce(known.recipient, excluded.recipient),
            locale = coalesce(known.locale, excluded.locale),
            requested_at = coalesce(known.requested_at, excluded.requested_at)
            WHERE known.task_id IS NULL AND excluded.task_id IS NOT NULL
                OR known.requested_at IS NULL AND excluded.requested_at IS NOT NULL
        """,
    )
)
_SENT: Final = text(
    _INVITATION.format(
        names="channel",
        changes="""
            channel = excluded.channel WHERE known.channel IS DISTINCT FROM excluded.channel
        """,
    )
)
_LINES: Final = """
    INSERT INTO story AS known (customer_id, what, key, occurred_at, details)
    SELECT customer_id, what, key, occurred_at, details
    FROM json_to_recordset(CAST(:rows AS json)) AS r (
        customer_id text, what text, key text, occurred_at timestamptz, details jsonb
    )
    ON CONFLICT (customer_id, what, key) DO {conflict}
"""
_ADD: Final = text(_LINES.format(conflict="NOTHING"))
_REPLACE: Final = "UPDATE SET occurred_at = excluded.occurred_at, details = excluded.details WHERE "
# One program's no does not hide another's yes.
_ADD_TOUCHPOINTS: Final = text(
    _LINES.format(
        conflict=_REPLACE
        + "CAST(excluded.details ->> 'scheduled' AS bool)"
        + " AND NOT CAST(known.details ->> 'scheduled' AS bool)"
    )
)
_ADD_ANSWERS: Final = text(
    _LINES.format(
        conflict=_REPLACE
        + "coalesce(CAST(excluded.details ->> 'revision' AS bigint), 0)"
        + " >= coalesce(CAST(known.details ->> 'revision' AS bigint), 0)"
    )
)
_OLD: Final = """
    DELETE FROM {table} WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM {table} WHERE {column} < :before LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
"""
_FORGET: Final = (
    text(_OLD.format(table="story", column="occurred_at")),
    text(_OLD.format(table="invitation", column="requested_at")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a customer's story; the same `what` and `key` are the same line."""

    customer_id: str
    what: str
    key: str
    occurred_at: datetime
    details: Mapping[str, Any]


async def keep_asked(connection: AsyncConnection, invitations: Iterable[Row]) -> None:
    """Keep who is asked, by which channel, and of which task it is the recovery question.

    In one statement: others write the same rows, in the order of their ids.
    """
    await _keep(connection, _ASKED, invitations)


async def keep_sent(connection: AsyncConnection, invitations: Iterable[Row]) -> None:
    """Keep by which channel invitations went out after all: there the conversation is."""
    await _keep(connection, _SENT, invitations)


async def add_lines(connection: AsyncConnection, lines: Iterable[Line]) -> None:
    """Add lines that are not there yet; a later answer or a yes takes its line's place."""
    by_statement: dict[TextClause, dict[tuple[str, str, str], Line]] = {}
    for line in lines:
        of_statement = by_statement.setdefault(_STATEMENTS.get(line.what, _ADD), {})
        key = (line.customer_id, line.what, line.key)
        known = of_statement.get(key)
        if known is None or _replaces(line, known):
            of_statement[key] = line
    for statement, latest in by_statement.items():
        rows = [_row(latest[key]) for key in sorted(latest)]
        await connection.execute(statement, {"rows": json_text(rows)})


async def forget_before(connection: AsyncConnection, before: datetime, *, limit: int) -> bool:
    """Drop what is older, up to `limit` rows of each table; tell whether there may be more."""
    bound = {"before": before, "limit": limit}
    dropped = [(await connection.execute(statement, bound)).rowcount for statement in _FORGET]
    return max(dropped) >= limit


_STATEMENTS: Final = {TOUCHPOINT: _ADD_TOUCHPOINTS, ANSWERED: _ADD_ANSWERS}


def _replaces(line: Line, known: Line) -> bool:
    """Tell the same of two lines of a batch that the statements tell of a line and a row."""
    if line.what == TOUCHPOINT:
        return bool(line.details["scheduled"] and not known.details["scheduled"])
    if line.what == ANSWERED:
        # The answers in a quarantine that never counted have no revision.
        return bool((line.details["revision"] or 0) >= (known.details["revision"] or 0))
    return False


async def _keep(
    connection: AsyncConnection, statement: TextClause, invitations: Iterable[Row]
) -> None:
    latest: dict[str, dict[str, Any]] = {}
    for row in invitations:
        latest.setdefault(row["invitation_id"], {}).update(row)
    if latest:
        rows = [latest[key] for key in sorted(latest)]
        await connection.execute(statement, {"rows": json_text(rows)})


def _row(line: Line) -> Row:
    return {
        "customer_id": line.customer_id,
        "what": line.what,
        "key": line.key,
        "occurred_at": line.occurred_at,
        "details": line.details,
    }
