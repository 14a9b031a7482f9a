"""Load and save the endpoints of the channel `webhook`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service import metrics
from dispatch_service.domain.webhook import (
    GIVE_UP_AFTER,
    DisabledReason,
    Endpoint,
    Secret,
)
from dispatch_service.tables import WEBHOOK_ENDPOINT
from heardback.bulk import json_text, upsert_rows
from heardback.db import Database

MOST: Final = 100
"""So many endpoints are kept: the list of them is one page."""

_SILENCE: Final = timedelta(hours=36)
"""Longer than the longest pause between two attempts with one webhook."""

_log = structlog.get_logger(__name__)
_COLUMNS: Final = """e.endpoint_id, e.url, e.secrets, e.programs, e.created_at, e.failing_since,
    e.disabled_at, e.disabled_reason"""
_ALL: Final = text(f"""
    SELECT {_COLUMNS} FROM webhook_endpoint e ORDER BY e.created_at, e.endpoint_id LIMIT :most
""")
_ONE: Final = text(f"SELECT {_COLUMNS} FROM webhook_endpoint e WHERE e.endpoint_id = :id")
_LOCK: Final = text(f"{_ONE.text} FOR UPDATE")
# One endpoint and not all of them: two systems that are told would ask the customer twice.
_OF_PROGRAM: Final = text(f"""
    SELECT {_COLUMNS} FROM webhook_endpoint e
    WHERE e.disabled_at IS NULL
        AND (e.programs = '[]' OR e.programs @> to_jsonb(CAST(:program AS text)))
    ORDER BY e.programs = '[]', e.created_at DESC, e.endpoint_id LIMIT 1
""")
_SERVED: Final = text(f"""
    SELECT DISTINCT p.program FROM json_array_elements_text(CAST(:programs AS json)) AS p (program)
    JOIN webhook_endpoint e ON e.disabled_at IS NULL
        AND (e.programs = '[]' OR e.programs @> to_jsonb(p.program))
    LIMIT {MOST * MOST}
""")
_DELETE: Final = text("DELETE FROM webhook_endpoint WHERE endpoint_id = :id RETURNING 1")
_WORKED: Final = text("""
    UPDATE webhook_endpoint SET failing_since = NULL
    WHERE endpoint_id = :id AND failing_since IS NOT NULL
""")
# After a silence it begins to fail anew: nobody knows whether it would have worked meanwhile.
_FAILED: Final = text("""
    UPDATE webhook_endpoint SET failed_at = :now,
        failing_since = CASE WHEN failed_at >= :not_before THEN coalesce(failing_since, :now)
            ELSE :now END
    WHERE endpoint_id = :id
""")
_DISABLE: Final = text("""
    UPDATE webhook_endpoint SET disabled_at = :now, disabled_reason = :reason
    WHERE endpoint_id = :id AND disabled_at IS NULL
        AND (CAST(:unless_worked_since AS timestamptz) IS NULL
            OR failing_since <= :unless_worked_since)
    RETURNING 1
""")


async def every(connection: AsyncConnection) -> list[Endpoint]:
    """Return every endpoint, the oldest first."""
    return [_endpoint(row) for row in (await connection.execute(_ALL, {"most": MOST})).mappings()]


async def load(connection: AsyncConnection, endpoint_id: str) -> Endpoint | None:
    """Return the endpoint under this id."""
    row = (await connection.execute(_ONE, {"id": endpoint_id})).mappings().first()
    return _endpoint(row) if row else None


async def lock(connection: AsyncConnection, endpoint_id: str) -> Endpoint | None:
    """Return the endpoint under this id, locked."""
    row = (await connection.execute(_LOCK, {"id": endpoint_id})).mappings().first()
    return _endpoint(row) if row else None


async def save(connection: AsyncConnection, endpoint: Endpoint) -> None:
    """Save an endpoint, new or not."""
    row = {
        "endpoint_id": endpoint.endpoint_id,
        "url": endpoint.url,
        "secrets": [{"value": s.value, "until": s.until} for s in endpoint.secrets],
        "programs": list(endpoint.programs),
        "created_at": endpoint.created_at,
        "failing_since": endpoint.failing_since,
        "disabled_at": endpoint.disabled_at,
        "disabled_reason": endpoint.disabled_reason,
    }
    await upsert_rows(connection, WEBHOOK_ENDPOINT, [row], key=("endpoint_id",))


async def delete(connection: AsyncConnection, endpoint_id: str) -> bool:
    """Delete an endpoint; False: there was none."""
    return bool(await connection.scalar(_DELETE, {"id": endpoint_id}))


async def of_program(connection: AsyncConnection, program_id: str) -> Endpoint | None:
    """Return who is told about a program: the newest that names it, else the newest for all."""
    row = (await connection.execute(_OF_PROGRAM, {"program": program_id})).mappings().first()
    return _endpoint(row) if row else None


async def served(connection: AsyncConnection, program_ids: Sequence[str]) -> set[str]:
    """Return those of the programs that an endpoint is open for."""
    rows = await connection.execute(_SERVED, {"programs": json_text(list(program_ids))})
    return set(rows.scalars())


class KnownEndpoints:
    """The endpoints as sending sees them. Most sends change nothing, and write nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_program(self, program_id: str) -> Endpoint | None:
        """Return the one endpoint that is told about a program."""
        async with self._database.read() as connection:
            return await of_program(connection, program_id)

    async def worked(self, endpoint: Endpoint) -> None:
        """Note that it took something."""
        if endpoint.failing_since is not None:
            async with self._database.transaction() as tx:
                await tx.connection.execute(_WORKED, {"id": endpoint.endpoint_id})

    async def failed(self, endpoint: Endpoint) -> None:
        """Note that it did not, and disable it if it has not for days."""
        async with self._database.transaction() as tx:
            now = tx.now
            values = {"id": endpoint.endpoint_id, "now": now, "not_before": now - _SILENCE}
            await tx.connection.execute(_FAILED, values)
        if endpoint.is_given_up(now):
            since = now - GIVE_UP_AFTER
            await self._disable(endpoint, DisabledReason.FAILING, unless_worked_since=since)

    async def gone(self, endpoint: Endpoint) -> None:
        """Disable an endpoint that says that it wants nothing more."""
        await self._disable(endpoint, DisabledReason.GONE, unless_worked_since=None)

    async def _disable(
        self, endpoint: Endpoint, reason: DisabledReason, *, unless_worked_since: datetime | None
    ) -> None:
        async with self._database.transaction() as tx:
            values = {"id": endpoint.endpoint_id, "now": tx.now, "reason": reason.value}
            values["unless_worked_since"] = unless_worked_since
            disabled = await tx.connection.scalar(_DISABLE, values)
        if disabled:
            _log.warning("endpoint_disabled", endpoint=endpoint.endpoint_id, reason=reason.value)
            metrics.ENDPOINTS_DISABLED.add(1, {"reason": reason.value})


def _endpoint(row: RowMapping) -> Endpoint:
    found: dict[str, Any] = dict(row)
    found["programs"] = tuple(row["programs"])
    found["secrets"] = tuple(_secret(secret) for secret in row["secrets"])
    if row["disabled_reason"]:
        found["disabled_reason"] = DisabledReason(row["disabled_reason"])
    return Endpoint(**found)


def _secret(said: dict[str, Any]) -> Secret:
    until = said["until"]
    return Secret(value=said["value"], until=datetime.fromisoformat(until) if until else None)
