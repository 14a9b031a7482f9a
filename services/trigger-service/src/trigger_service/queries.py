"""The read side: what was decided, and by which programs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from trigger_service.domain.ledger import SCHEDULED

Found = Mapping[Any, Any]

_SUMMARY: Final = text("""
    SELECT verdict, count(*) AS touchpoints FROM decision
    WHERE source = :source AND is_decisive GROUP BY verdict
""")
_DECISIONS: Final = text("""
    SELECT d.decision_id, d.program_id, d.reasons, d.decided_at, d.source,
           t.event_id, t.name AS touchpoint, t.occurred_at,
           i.invitation_id, i.state, i.reason, i.send_at, i.expires_at
    FROM decision d
    JOIN touchpoint t USING (touchpoint_id)
    LEFT JOIN invitation i ON i.invitation_id = d.invitation_id
    WHERE d.customer_id = :customer_id
      AND (CAST(:before AS text) IS NULL OR d.decision_id < :before)
    ORDER BY d.decision_id DESC LIMIT :limit
""")


async def summary(connection: AsyncConnection, source: str) -> dict[str, Any]:
    """Return what became of the touchpoints from `source`, each counted once."""
    rows = await connection.execute(_SUMMARY, {"source": source})
    counts = {row.verdict: row.touchpoints for row in rows}
    total, scheduled = sum(counts.values()), counts.pop(SCHEDULED, 0)
    return {"touchpoints": total, "scheduled": scheduled, "suppressed": counts}


async def decisions(
    connection: AsyncConnection, customer_id: str, *, limit: int, before: str | None
) -> Sequence[Found]:
    """Return a customer's decisions, the newest first, from the one after `before` on."""
    bound = {"customer_id": customer_id, "limit": limit, "before": before}
    return (await connection.execute(_DECISIONS, bound)).mappings().all()
