"""How commands were answered that came with an `Idempotency-Key`, for a day.

Source: draft-ietf-httpapi-idempotency-key-header.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.tables import IDEMPOTENCY
from heardback.bulk import upsert_rows

KEPT: Final = timedelta(hours=24)
"""How long a command is remembered: sent again within it, it is answered as it was."""

_LOCK: Final = text(
    "SELECT pg_try_advisory_xact_lock(hashtextextended('idempotency ' || CAST(:key AS text), 0))"
)
_LOAD: Final = text("""
    SELECT fingerprint, status, body FROM idempotency WHERE key = :key AND expires_at > :now
""")
_FORGET: Final = text("""
    DELETE FROM idempotency WHERE key = ANY(ARRAY(
        SELECT key FROM idempotency WHERE expires_at <= :now ORDER BY expires_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ))
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How a command was answered. `fingerprint`: what two commands share that say the same."""

    fingerprint: str
    status: int
    body: bytes


async def try_lock(connection: AsyncConnection, key: str) -> bool:
    """Have this command to oneself until the transaction ends; False: it is under way.

    A lock and not a row: what dies in the middle leaves nothing that says "under way" for ever.
    """
    return bool(await connection.scalar(_LOCK, {"key": key}))


async def load(connection: AsyncConnection, key: str, *, now: datetime) -> Answered | None:
    """Return how the command with this key was answered."""
    row = (await connection.execute(_LOAD, {"key": key, "now": now})).first()
    return Answered(**row._mapping) if row else None


async def save(connection: AsyncConnection, key: str, answered: Answered, *, now: datetime) -> None:
    """Keep how a command was answered."""
    row = {
        "key": key,
        "fingerprint": answered.fingerprint,
        "status": answered.status,
        "body": answered.body,
        "expires_at": now + KEPT,
    }
    await upsert_rows(connection, IDEMPOTENCY, [row], key=("key",))


async def forget_expired(connection: AsyncConnection, now: datetime, *, limit: int) -> bool:
    """Drop what is no longer remembered, up to `limit`; tell whether there may be more."""
    dropped = await connection.execute(_FORGET, {"now": now, "limit": limit})
    return dropped.rowcount >= limit
