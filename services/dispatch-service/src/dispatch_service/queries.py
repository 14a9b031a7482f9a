"""The read side: what the sending loop and the pages ask."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NEXT_DUE = text("""
    SELECT due_at FROM invitation WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1
""")
_SUPPRESSED = text("""
    SELECT EXISTS (
        SELECT FROM suppression s JOIN invitation i USING (customer_id)
        WHERE i.invitation_id = :id AND s.address = lower(coalesce(i.email, ''))
    ) FROM invitation WHERE invitation_id = :id
""")


async def next_due_at(connection: AsyncConnection) -> datetime | None:
    """Return when the next invitation is to be taken, or None when none waits."""
    due_at: datetime | None = await connection.scalar(_NEXT_DUE)
    return due_at


async def is_unsubscribed(connection: AsyncConnection, invitation_id: str) -> bool | None:
    """Tell whether the recipient of an invitation is off the list; None: no such invitation."""
    answer: bool | None = await connection.scalar(_SUPPRESSED, {"id": invitation_id})
    return answer
