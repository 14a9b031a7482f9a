"""Incidents at a pager: which are acknowledged, and which are over because their tasks are."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Row, text

from closeloop_service.domain.grouping import MessageText, derived_id
from closeloop_service.store.alert_messages import NewMessage, What, add
from heardback.db import Transaction

# An alert is over when its task is closed; or when somebody took it or reached the customer since,
# and no clock of which was warned runs any more. An incident that another message has opened anew
# goes on until that one is over.
_OVER: Final = text("""
    WITH over AS (
        SELECT m.message_id FROM alert_message AS m
        WHERE m.incident IS NOT NULL AND m.ended_at IS NULL AND m.what = 'alerts'
            AND m.state = 'sent' AND NOT EXISTS (
                SELECT FROM ops_alert AS a LEFT JOIN task ON task.task_id = a.task_id
                WHERE a.message_id = m.message_id
                    AND (a.task_id IS NULL OR task.active IS NOT FALSE AND (
                    EXISTS (
                        SELECT FROM jsonb_each(task.clocks) AS clock (name, state)
                        WHERE clock.state ->> 'stopped_at' IS NULL AND (
                            CAST(clock.state ->> 'warned' AS boolean)
                            OR CAST(clock.state ->> 'breached' AS boolean)
                        )
                    ) OR NOT EXISTS (
                        SELECT FROM task_history AS line
                        WHERE line.task_id = a.task_id AND line.occurred_at >= a.raised_at
                            AND line.what IN ('acknowledged', 'contacted')
                    )
                ))
            )
        ORDER BY m.message_id LIMIT :limit FOR UPDATE OF m SKIP LOCKED
    )
    UPDATE alert_message AS m SET ended_at = :now FROM over WHERE m.message_id = over.message_id
    RETURNING m.message_id, m.target_id, m.incident, m.content, EXISTS (
        SELECT FROM alert_message AS other
        WHERE other.incident = m.incident AND other.target_id = m.target_id
            AND other.ended_at IS NULL AND other.what = 'alerts'
            AND other.state IN ('sending', 'sent')
            AND other.message_id NOT IN (SELECT message_id FROM over)
    ) AS goes_on
""")
_ACKNOWLEDGED: Final = text("""
    SELECT m.message_id, m.target_id, m.incident, m.content FROM alert_message AS m
    WHERE m.incident IS NOT NULL AND m.ended_at IS NULL AND m.what = 'alerts' AND m.state = 'sent'
        AND m.message_id IN (
            SELECT same.message_id FROM ops_alert AS a JOIN ops_alert AS same USING (alert_key)
            WHERE a.message_id = :message_id
        ) AND NOT EXISTS (
            SELECT FROM alert_message AS same JOIN ops_alert AS a USING (message_id)
            WHERE same.incident = m.incident AND same.target_id = m.target_id
                AND same.ended_at IS NULL AND same.what = 'alerts'
                AND same.state IN ('sending', 'sent') AND a.acknowledged_at IS NULL
        )
    ORDER BY m.message_id LIMIT :limit
""")


async def resolve_those_over(tx: Transaction, *, limit: int) -> int:
    """End the incidents whose tasks are dealt with; return how many were ended."""
    rows = await tx.connection.execute(_OVER, {"now": tx.now, "limit": limit})
    return await add(tx, [_follow_up(row, What.RESOLVE) for row in rows if not row.goes_on])


async def acknowledge_those_of(tx: Transaction, message_id: str, *, limit: int) -> int:
    """Acknowledge the incidents all of whose alerts are, after those of a message were."""
    rows = await tx.connection.execute(_ACKNOWLEDGED, {"message_id": message_id, "limit": limit})
    return await add(tx, [_follow_up(row, What.ACKNOWLEDGE) for row in rows])


def _follow_up(row: Row[Any], what: What) -> NewMessage:
    return NewMessage(
        message_id=derived_id(row.message_id, what),
        target_id=row.target_id,
        what=what,
        content=replace(MessageText.from_document(row.content), items=(), more=0),
        incident=row.incident,
    )
