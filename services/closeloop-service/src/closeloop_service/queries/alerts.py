"""Ops alerts and the messages in which they were told, the newest first."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.errors import AlertMessageNotFound
from closeloop_service.domain.grouping import MessageText
from closeloop_service.queries.tasks import CursorUnknown
from closeloop_service.tables import ALERT_MESSAGE, OPS_ALERT

_MESSAGE: Final = (
    ALERT_MESSAGE.c.message_id,
    ALERT_MESSAGE.c.target_id,
    ALERT_MESSAGE.c.what,
    ALERT_MESSAGE.c.content,
    ALERT_MESSAGE.c.state,
    ALERT_MESSAGE.c.alerts,
    ALERT_MESSAGE.c.attempts,
    ALERT_MESSAGE.c.fault,
    ALERT_MESSAGE.c.made_at,
    ALERT_MESSAGE.c.try_at,
    ALERT_MESSAGE.c.settled_at,
)
_SEEN: Final = text("""
    SELECT acknowledged_by, acknowledged_at FROM ops_alert
    WHERE message_id = :message_id AND acknowledged_at IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM ops_alert WHERE message_id = :message_id AND acknowledged_at IS NULL
        )
    ORDER BY acknowledged_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """One alert for one target. No `message_id`: it waits."""

    seq: int
    alert_key: str
    target_id: str
    kind: str
    title: str
    text: str
    task_id: str | None
    improvement_id: str | None
    team: str | None
    raised_at: datetime
    message_id: str | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLine:
    """One message to one target. `try_at`: when it is tried next, while it is `sending`."""

    message_id: str
    target_id: str
    what: str
    content: MessageText
    state: str
    alerts: int
    attempts: int
    fault: str | None
    made_at: datetime
    try_at: datetime
    settled_at: datetime | None

    @property
    def cursor(self) -> str:
        """Where a page ends that ends with it."""
        place = f"{self.made_at.isoformat()} {self.message_id}"
        return base64.urlsafe_b64encode(place.encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Who has seen all alerts of a message, and when."""

    by: str
    at: datetime


async def find_message(connection: AsyncConnection, message_id: str) -> MessageLine:
    """Return one message.

    Raises: AlertMessageNotFound.
    """
    query = select(*_MESSAGE).where(ALERT_MESSAGE.c.message_id == message_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise AlertMessageNotFound(message_id=message_id)
    return _message(row)


async def seen_by(connection: AsyncConnection, message_id: str) -> Seen | None:
    """Return who acknowledged a message; None: not all of it is."""
    row = (await connection.execute(_SEEN, {"message_id": message_id})).one_or_none()
    return None if row is None else Seen(by=row.acknowledged_by, at=row.acknowledged_at)


async def newest_messages(
    connection: AsyncConnection, *, state: str | None, cursor: str | None, limit: int
) -> list[MessageLine]:
    """Return messages, after the one at which the page before ended.

    Raises: CursorUnknown.
    """
    columns = ALERT_MESSAGE.c
    query = select(*_MESSAGE).order_by(columns.made_at.desc(), columns.message_id.desc())
    if state is not None:
        query = query.where(columns.state == state)
    if cursor is not None:
        query = query.where(tuple_(columns.made_at, columns.message_id) < tuple_(*_place(cursor)))
    return [_message(row) for row in await connection.execute(query.limit(limit))]


async def newest_alerts(
    connection: AsyncConnection,
    *,
    target_id: str | None,
    task_id: str | None,
    message_id: str | None,
    before: int | None,
    limit: int,
) -> list[AlertLine]:
    """Return alerts, those before the sequence number at which the page before ended."""
    columns = OPS_ALERT.c
    shown = [column for column in columns if column.name != "people"]
    query = select(*shown).order_by(columns.seq.desc()).limit(limit)
    given = {columns.target_id: target_id, columns.task_id: task_id, columns.message_id: message_id}
    for column, value in given.items():
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(columns.seq < before)
    return [AlertLine(**row._mapping) for row in await connection.execute(query)]


def _place(cursor: str) -> Sequence[Any]:
    try:
        written, _, message_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition(" ")
        made_at = datetime.fromisoformat(written)
    except (ValueError, binascii.Error):
        raise CursorUnknown from None
    if made_at.tzinfo is None or "\x00" in message_id:
        raise CursorUnknown
    return made_at, message_id


def _message(row: Any) -> MessageLine:
    return MessageLine(**{**row._mapping, "content": MessageText.from_document(row.content)})
