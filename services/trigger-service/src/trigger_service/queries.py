"""The read side: what was decided, and how often."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from trigger_service.domain.ledger import SCHEDULED

Found = Mapping[Any, Any]

_SUMMARY: Final = text("""
    SELECT verdict, count(*) AS touchpoints FROM touchpoint
    WHERE source = :source GROUP BY verdict
""")
_TOUCHPOINTS: Final = text("""
    SELECT seq, touchpoint_id, source, event_id, name AS touchpoint, occurred_at, decided_at,
           facts, outcomes
    FROM touchpoint
    WHERE customer_id = :customer_id AND (CAST(:before AS bigint) IS NULL OR seq < :before)
    ORDER BY seq DESC LIMIT :limit
""")
_INVITATIONS: Final = text("""
    SELECT invitation_id, state, reason, send_at, expires_at, variant, segment
    FROM invitation WHERE invitation_id = ANY(CAST(:ids AS text[]))
""")
_TALLY: Final = text("""
    SELECT day, program_id, verdict, sum(count)::bigint AS count FROM tally
    WHERE day >= :since AND (CAST(:program_id AS text) IS NULL OR program_id = :program_id)
    GROUP BY day, program_id, verdict ORDER BY day, program_id, verdict
""")
_REQUESTED: Final = text("""
    SELECT requested FROM daily_count WHERE day = :day AND scope = :scope
""")


async def summary(connection: AsyncConnection, source: str) -> dict[str, Any]:
    """Return what became of the touchpoints from `source`, each counted once."""
    rows = await connection.execute(_SUMMARY, {"source": source})
    counts = {row.verdict: row.touchpoints for row in rows}
    total, scheduled = sum(counts.values()), counts.pop(SCHEDULED, 0)
    return {"touchpoints": total, "scheduled": scheduled, "suppressed": counts}


async def touchpoints_of(
    connection: AsyncConnection, customer_id: str, *, limit: int, before: int | None
) -> Sequence[Found]:
    """Return a customer's touchpoints, the newest first, from the one after `before` on."""
    bound = {"customer_id": customer_id, "limit": limit, "before": before}
    return (await connection.execute(_TOUCHPOINTS, bound)).mappings().all()


async def invitations(connection: AsyncConnection, ids: Sequence[str]) -> Mapping[str, Found]:
    """Return invitations by their ids."""
    rows = (await connection.execute(_INVITATIONS, {"ids": list(ids)})).mappings()
    return {row["invitation_id"]: row for row in rows}


async def tally(
    connection: AsyncConnection, *, since: date, program_id: str | None = None
) -> Sequence[Found]:
    """Return how often each program decided what, on each day in UTC from `since` on."""
    bound = {"since": since, "program_id": program_id}
    return (await connection.execute(_TALLY, bound)).mappings().all()


async def requested_on(connection: AsyncConnection, day: datetime, scope: str) -> int | None:
    """Return how many invitations of a limited scope went out on a day; None: nobody counted."""
    found = await connection.execute(_REQUESTED, {"day": day, "scope": scope})
    return found.scalar()
