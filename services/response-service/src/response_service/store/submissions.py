"""What trusted systems sent, by their idempotency keys, for a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_rows
from response_service.tables import SUBMISSION

_LOCK = text("""
    SELECT pg_try_advisory_xact_lock(hashtextextended(:api_key || ' ' || :idempotency_key, 0))
""")
_LOAD = text("""
    SELECT digest, status, body FROM submission
    WHERE api_key = :api_key AND idempotency_key = :idempotency_key AND created_at > :since
""").columns(body=JSONB)
_FORGET = text("""
    DELETE FROM submission WHERE api_key = :api_key AND idempotency_key = :idempotency_key
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How a request was answered. `digest`: of what it said."""

    digest: str
    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """Which request this is: of whom, and by what key of theirs."""

    api_key: str
    idempotency_key: str

    @property
    def bound(self) -> dict[str, Any]:
        """The parameters of the statements."""
        return {"api_key": self.api_key, "idempotency_key": self.idempotency_key}


async def try_lock(connection: AsyncConnection, key: RequestKey) -> bool:
    """Have this request to oneself until the transaction ends; False: it is under way.

    A lock and not a row: what dies in the middle leaves nothing that says "under way" for ever.
    """
    return bool(await connection.scalar(_LOCK, key.bound))


async def load(connection: AsyncConnection, key: RequestKey, *, since: datetime) -> Answered | None:
    """Return how this request was answered."""
    row = (await connection.execute(_LOAD, {**key.bound, "since": since})).first()
    return Answered(digest=row.digest, status=row.status, body=row.body) if row else None


async def save(
    connection: AsyncConnection, key: RequestKey, answered: Answered, *, now: datetime
) -> None:
    """Keep how this request was answered."""
    await connection.execute(_FORGET, key.bound)
    row = {
        **key.bound,
        "digest": answered.digest,
        "status": answered.status,
        "body": dict(answered.body),
        "created_at": now,
    }
    await insert_rows(connection, SUBMISSION, [row])
