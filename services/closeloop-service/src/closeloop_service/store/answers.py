"""Answers: their newest revisions, the tasks that they belong to, and where they were asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.task import Answer
from closeloop_service.tables import TASK_ANSWER
from heardback.bulk import insert_new_rows, json_text
from heardback.contracts.payloads import Recipient
from heardback.vocabulary import Channel, Scale

# Alerts and revisions come by different topics, in any order. Of who is erased, no words are kept.
_KEEP_NEWEST: Final = text("""
    INSERT INTO answer AS kept (response_id, customer_id, revision, scale, score, comment)
    SELECT response_id, customer_id, revision, scale, score,
        CASE WHEN customer.erased_at IS NULL THEN comment END
    FROM json_to_recordset(CAST(:rows AS json)) AS given (
        response_id text, customer_id text, revision bigint, scale text, score smallint,
        comment text
    ) LEFT JOIN customer USING (customer_id) ORDER BY response_id
    ON CONFLICT (response_id) DO UPDATE SET
        revision = greatest(kept.revision, excluded.revision),
        scale = CASE WHEN excluded.revision > kept.revision
            THEN excluded.scale ELSE kept.scale END,
        score = CASE WHEN excluded.revision > kept.revision
            THEN excluded.score ELSE kept.score END,
        comment = CASE WHEN excluded.revision > kept.revision
            THEN excluded.comment ELSE kept.comment END
    RETURNING response_id, customer_id, revision, scale, score, comment
""")
_BELONGS: Final = text("""
    SELECT alert_id, response_id, task_id FROM task_answer
    WHERE response_id = ANY(CAST(:ids AS text[])) ORDER BY joined_at, alert_id
""")
_CONVERSATIONS: Final = text("""
    SELECT invitation_id, task_id, channel, recipient, locale FROM invitation
    WHERE invitation_id = ANY(CAST(:ids AS text[]))
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Belonging:
    """Which tasks answers belong to. `tasks`: by response, the newest; `alerts`: all known."""

    tasks: Mapping[str, str]
    alerts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Where a customer was asked. `task_id`: it is the recovery question of that task."""

    task_id: str | None = None
    channel: Channel | None = None
    recipient: Recipient | None = None
    locale: str | None = None


async def keep_newest(connection: AsyncConnection, answers: Sequence[Answer]) -> dict[str, Answer]:
    """Keep each answer unless a newer revision is known; return the newest by response id."""
    newest: dict[str, Answer] = {}
    for answer in answers:
        known = newest.get(answer.response_id)
        if known is None or answer.revision > known.revision:
            newest[answer.response_id] = answer
    if not newest:
        return {}
    rows = json_text([asdict(answer) for answer in newest.values()])
    kept = await connection.execute(_KEEP_NEWEST, {"rows": rows})
    return {row.response_id: Answer(**{**row._mapping, "scale": Scale(row.scale)}) for row in kept}


async def load_belonging(connection: AsyncConnection, response_ids: Collection[str]) -> Belonging:
    """Return which tasks these responses belong to."""
    rows = (await connection.execute(_BELONGS, {"ids": list(response_ids)})).all()
    return Belonging(
        tasks={row.response_id: row.task_id for row in rows},
        alerts=frozenset(row.alert_id for row in rows),
    )


async def load_conversations(
    connection: AsyncConnection, invitation_ids: Collection[str]
) -> dict[str, Conversation]:
    """Return the conversations that are known, by invitation id."""
    rows = await connection.execute(_CONVERSATIONS, {"ids": list(invitation_ids)})
    return {row.invitation_id: _conversation(row) for row in rows}


async def add_belonging(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note which tasks answers belong to, by their alerts."""
    await insert_new_rows(connection, TASK_ANSWER, rows, key=("alert_id",))


def _conversation(row: Any) -> Conversation:
    return Conversation(
        task_id=row.task_id,
        channel=None if row.channel is None else Channel(row.channel),
        recipient=None if row.recipient is None else Recipient.model_validate(row.recipient),
        locale=row.locale,
    )
