"""What owners write to customers, and what customers write back."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Row, Text, any_, bindparam, cast, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.conversing import About
from closeloop_service.domain.playbook import Since
from closeloop_service.domain.writing import Message, MessageState
from closeloop_service.tables import MESSAGE
from heardback.bulk import insert_rows, json_text

_LOCK: Final = (
    select(MESSAGE)
    .where(MESSAGE.c.follow_up_id == any_(cast(bindparam("ids"), ARRAY(Text))))
    .order_by(MESSAGE.c.follow_up_id)
    .with_for_update()
)
_SETTLE: Final = text("""
    UPDATE message SET state = given.state, reason = given.reason, settled_at = given.settled_at
    FROM json_to_recordset(CAST(:rows AS json)) AS given (
        follow_up_id text, state text, reason text, settled_at timestamptz
    )
    WHERE message.follow_up_id = given.follow_up_id
""")
# A reply to the recovery question is about the task that was resolved. Of several tasks of one
# conversation it is about the newest.
_ABOUT: Final = text("""
    SELECT DISTINCT ON (invitation_id) invitation_id, task_id, asked_again
    FROM (
        SELECT invitation_id, task_id, false AS asked_again FROM task
        WHERE customer_id = ANY(CAST(:customers AS text[]))
            AND invitation_id = ANY(CAST(:invitations AS text[]))
        UNION ALL
        SELECT invitation_id, task_id, true FROM invitation
        WHERE invitation_id = ANY(CAST(:invitations AS text[])) AND task_id IS NOT NULL
    ) AS found
    ORDER BY invitation_id, task_id DESC
""")
_HEARD: Final = text("""
    SELECT details ->> 'reply_id' FROM task_history
    WHERE task_id = ANY(CAST(:tasks AS text[])) AND what = 'replied'
        AND details ->> 'reply_id' = ANY(CAST(:replies AS text[]))
""")
_SINCE: Final = text("""
    WITH line AS (
        SELECT seq, what, actor, details ->> 'follow_up_id' AS follow_up_id FROM task_history
        WHERE task_id = :task_id
    ), contact AS (
        SELECT coalesce(max(seq), 0) AS seq FROM line WHERE what = 'contacted'
    ), newest AS (
        SELECT message.* FROM message WHERE task_id = :task_id
        ORDER BY requested_at DESC, follow_up_id DESC LIMIT 1
    )
    SELECT newest.*, EXISTS (
        SELECT FROM line, contact WHERE line.seq > contact.seq
            AND line.what = 'message_failed' AND line.follow_up_id = newest.follow_up_id
    ) AS undelivered, EXISTS (
        SELECT FROM line, contact WHERE line.seq > contact.seq
            AND line.what = 'resumed' AND line.actor IS NULL
    ) AS wait_ran_out
    FROM (VALUES (1)) AS always LEFT JOIN newest ON true
""")
_FIELDS: Final = tuple(column.name for column in MESSAGE.c)


async def add_message(connection: AsyncConnection, message: Message) -> None:
    """Keep a message that is handed to dispatch now."""
    await insert_rows(connection, MESSAGE, [asdict(message)])


async def lock_messages(
    connection: AsyncConnection, follow_up_ids: Collection[str]
) -> dict[str, Message]:
    """Load messages for a change, by id; others' follow-ups are not among them."""
    if not follow_up_ids:
        return {}
    rows = await connection.execute(_LOCK, {"ids": list(follow_up_ids)})
    return {row.follow_up_id: _message(row) for row in rows}


async def settle(connection: AsyncConnection, messages: Sequence[Message]) -> None:
    """Keep what became of messages."""
    if messages:
        rows = [asdict(message) for message in messages]
        await connection.execute(_SETTLE, {"rows": json_text(rows)})


async def tasks_of_conversations(
    connection: AsyncConnection, customers: Mapping[str, str]
) -> dict[str, About]:
    """Return the task that each conversation is about, by invitation id.

    `customers`: whose conversation each is. One about nothing that we know is left out.
    """
    if not customers:
        return {}
    bound = {"invitations": list(customers), "customers": sorted(set(customers.values()))}
    return {
        row.invitation_id: About(task_id=row.task_id, asked_again=row.asked_again)
        for row in await connection.execute(_ABOUT, bound)
    }


async def replies_heard(
    connection: AsyncConnection, task_ids: Collection[str], reply_ids: Collection[str]
) -> set[str]:
    """Return those of these replies that are in the tasks' history already."""
    if not task_ids or not reply_ids:
        return set()
    bound = {"tasks": sorted(task_ids), "replies": sorted(reply_ids)}
    return set(await connection.scalars(_HEARD, bound))


async def since_contact(connection: AsyncConnection, task_id: str) -> Since:
    """Return what happened to a task since somebody was in touch with its customer last."""
    row = (await connection.execute(_SINCE, {"task_id": task_id})).one()
    undelivered = _message(row) if row.undelivered else None
    return Since(undelivered=undelivered, wait_ran_out=row.wait_ran_out)


def _message(row: Row[Any]) -> Message:
    fields = {name: getattr(row, name) for name in _FIELDS}
    return Message(**{**fields, "state": MessageState(fields["state"])})
