"""Load and save conversations and what is said in them, a batch in each statement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.domain.invitation import DropReason, Invitation, InvitationState
from dispatch_service.domain.message import Kind, Message, MessageState
from dispatch_service.tables import INVITATION, MESSAGE
from heardback.bulk import insert_new_rows, json_text
from heardback.vocabulary import Channel, ProgramType

_INVITATION_FIELDS: Final = tuple(field.name for field in fields(Invitation))
_MESSAGE_FIELDS: Final = tuple(field.name for field in fields(Message))
INVITATION_COLUMNS: Final = ", ".join(f"i.{name}" for name in _INVITATION_FIELDS)
MESSAGE_COLUMNS: Final = ", ".join(f"m.{name} AS m_{name}" for name in _MESSAGE_FIELDS)

_LOCK_CONVERSATIONS: Final = text(f"""
    SELECT {INVITATION_COLUMNS} FROM invitation i
    WHERE i.invitation_id = ANY(CAST(:ids AS text[])) ORDER BY i.invitation_id FOR UPDATE
""")
_SAVE_CONVERSATIONS: Final = text("""
    UPDATE invitation i SET
        state = r.state, channels = r.channels, channel = r.channel,
        reminders_sent = r.reminders_sent, opened_at = r.opened_at, answered_at = r.answered_at,
        way_out_seen_at = r.way_out_seen_at, drop_reason = r.drop_reason
    FROM json_to_recordset(CAST(:rows AS json)) AS r (invitation_id text, state text,
        channels jsonb, channel text, reminders_sent int, opened_at timestamptz,
        answered_at timestamptz, way_out_seen_at timestamptz, drop_reason text)
    WHERE i.invitation_id = r.invitation_id
""")
_CHANGING: Final = (
    "invitation_id",
    "state",
    "channels",
    "channel",
    "reminders_sent",
    "opened_at",
    "answered_at",
    "way_out_seen_at",
    "drop_reason",
)
_LOCK_QUEUED: Final = text(f"""
    SELECT {MESSAGE_COLUMNS} FROM message m
    WHERE m.invitation_id = ANY(CAST(:ids AS text[])) AND m.state = 'queued'
        AND m.kind <> 'follow_up'
    ORDER BY m.message_id FOR UPDATE
""")
_DROP: Final = text("""
    UPDATE message m
    SET state = 'dropped', drop_reason = d.reason, due_at = NULL, settled_at = :now
    FROM json_to_recordset(CAST(:rows AS json)) AS d (message_id text, reason text)
    WHERE m.message_id = d.message_id
""")
# A callback may come before we have recorded that the provider took the message.
_BOUNCE: Final = text(f"""
    UPDATE message m SET state = 'bounced', due_at = NULL, settled_at = :now
    WHERE m.message_id = ANY(ARRAY(
        SELECT message_id FROM message
        WHERE message_id = ANY(CAST(:ids AS text[])) AND state IN ('queued', 'sending', 'sent')
        ORDER BY message_id FOR UPDATE
    ))
    RETURNING {MESSAGE_COLUMNS}
""")
_COUNT: Final = text("""
    INSERT INTO channel_score AS s (segment, channel, asked, answered)
    SELECT segment, channel, asked, answered FROM json_to_recordset(CAST(:rows AS json))
        AS r (segment text, channel text, asked bigint, answered bigint)
    ORDER BY 1, 2
    ON CONFLICT (segment, channel) DO UPDATE SET
        asked = s.asked + excluded.asked, answered = s.answered + excluded.answered
""")


async def insert_new(
    connection: AsyncConnection, invitations: Sequence[Invitation]
) -> list[Invitation]:
    """Save the invitations that are not known yet; return these."""
    rows = [_fields(invitation, _INVITATION_FIELDS) for invitation in invitations]
    new = await insert_new_rows(connection, INVITATION, rows, key=("invitation_id",))
    found: dict[str, Invitation] = {}
    for invitation in invitations:
        if (invitation.invitation_id,) in new:
            found.setdefault(invitation.invitation_id, invitation)
    return list(found.values())


async def queue(connection: AsyncConnection, messages: Sequence[Message], *, now: datetime) -> None:
    """Queue the messages that are not known yet, to be sent from now on."""
    waiting = {"state": MessageState.QUEUED.value, "due_at": now}
    rows = [{**_fields(message, _MESSAGE_FIELDS), **waiting} for message in messages]
    await insert_new_rows(connection, MESSAGE, rows, key=("message_id",))


async def lock_conversations(
    connection: AsyncConnection, ids: Collection[str]
) -> dict[str, Invitation]:
    """Return those of the invitations that there are, by their id, locked."""
    rows = (await connection.execute(_LOCK_CONVERSATIONS, {"ids": list(ids)})).mappings()
    return {row["invitation_id"]: invitation_in(row) for row in rows}


async def save_conversations(
    connection: AsyncConnection, invitations: Collection[Invitation]
) -> None:
    """Save how far conversations have come."""
    if invitations:
        rows = [_fields(invitation, _CHANGING) for invitation in invitations]
        await connection.execute(_SAVE_CONVERSATIONS, {"rows": json_text(rows)})


async def lock_queued(
    connection: AsyncConnection, invitation_ids: Collection[str]
) -> list[Message]:
    """Return what still waits to be said about these invitations, locked against being claimed."""
    rows = (await connection.execute(_LOCK_QUEUED, {"ids": list(invitation_ids)})).mappings()
    return [message_in(row) for row in rows]


async def save_dropped(
    connection: AsyncConnection, dropped: Mapping[str, DropReason], *, now: datetime
) -> None:
    """Note that these messages will not be sent, and why."""
    if dropped:
        rows = [{"message_id": key, "reason": reason} for key, reason in dropped.items()]
        await connection.execute(_DROP, {"rows": json_text(rows), "now": now})


async def save_bounced(
    connection: AsyncConnection, message_ids: Collection[str], *, now: datetime
) -> list[Message]:
    """Note that these messages did not arrive; return those of which that was news."""
    rows = await connection.execute(_BOUNCE, {"ids": list(message_ids), "now": now})
    return [message_in(row) for row in rows.mappings()]


async def count_channels(
    connection: AsyncConnection, counts: Mapping[tuple[str, Channel], tuple[int, int]]
) -> None:
    """Add to how often customers of a segment were asked in a channel, and answered."""
    rows = [
        {"segment": segment, "channel": channel, "asked": asked, "answered": answered}
        for (segment, channel), (asked, answered) in counts.items()
    ]
    if rows:
        await connection.execute(_COUNT, {"rows": json_text(rows)})


def invitation_in(row: RowMapping) -> Invitation:
    """Return the invitation in a row that has `INVITATION_COLUMNS`."""
    found: dict[str, Any] = {name: row[name] for name in _INVITATION_FIELDS}
    found["state"] = InvitationState(found["state"])
    found["channels"] = tuple(map(Channel, found["channels"]))
    for name, made in _OPTIONAL:
        if found[name] is not None:
            found[name] = made(found[name])
    return Invitation(**found)


def message_in(row: RowMapping) -> Message:
    """Return the message in a row that has `MESSAGE_COLUMNS`."""
    found: dict[str, Any] = {name: row[f"m_{name}"] for name in _MESSAGE_FIELDS}
    found["kind"] = Kind(found["kind"])
    found["channel"] = Channel(found["channel"])
    return Message(**found)


_OPTIONAL: Final = (
    ("channel", Channel),
    ("program_type", ProgramType),
    ("drop_reason", DropReason),
)


def _fields(thing: Invitation | Message, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}
