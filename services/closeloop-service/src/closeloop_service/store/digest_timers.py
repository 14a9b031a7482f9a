"""The timers of digests that are set."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.digest import DIGEST

_SET: Final = text("SELECT key, due_at FROM timer WHERE kind = :kind")


async def digest_timers(connection: AsyncConnection) -> dict[str, datetime]:
    """Return when each digest is due, by its reader's key."""
    rows = await connection.execute(_SET, {"kind": DIGEST})
    return {row.key: row.due_at for row in rows}
