"""Reporters: the customers who spoke of an improvement, and who of them was told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.hearing import Spoken
from closeloop_service.tables import REPORTER
from heardback.bulk import json_text, upsert_rows
from heardback.db import Transaction

_UNTOLD: Final = text("""
    SELECT customer_id, invitation_id, untold.program_id,
           coalesce(customer.name, invitation.recipient ->> 'name') AS name,
           coalesce(customer.locale, invitation.locale) AS locale
    FROM (
        SELECT customer_id, invitation_id, program_id FROM reporter
        WHERE improvement_id = :improvement_id AND told_at IS NULL
        ORDER BY customer_id LIMIT :limit FOR UPDATE
    ) AS untold
    LEFT JOIN customer USING (customer_id)
    LEFT JOIN invitation USING (invitation_id, customer_id)
    ORDER BY customer_id
""")
_TOLD: Final = text("""
    UPDATE reporter SET told_at = :now, follow_up_id = told.follow_up_id
    FROM json_to_recordset(CAST(:told AS json)) AS told (customer_id text, follow_up_id text)
    WHERE improvement_id = :improvement_id AND reporter.customer_id = told.customer_id
""")
# What failed stays so: a provider may take a message first, and tell later that it bounced.
_OUTCOMES: Final = text("""
    UPDATE reporter SET outcome = came.outcome
    FROM json_to_recordset(CAST(:outcomes AS json)) AS came (follow_up_id text, outcome text)
    WHERE reporter.follow_up_id = came.follow_up_id
      AND reporter.outcome IS DISTINCT FROM 'failed'
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A reporter who waits to be told, and what is known of how to address them."""

    customer_id: str
    invitation_id: str
    program_id: str
    name: str | None
    locale: str | None


async def save_spoken(connection: AsyncConnection, spoken: Sequence[Spoken]) -> None:
    """Write who spoke; who was told already stays told."""
    latest = {(one.improvement_id, one.customer_id): one for one in spoken}
    rows = [
        {
            "improvement_id": one.improvement_id,
            "customer_id": one.customer_id,
            "invitation_id": one.invitation_id,
            "program_id": one.program_id,
            "responses": list(one.responses),
        }
        for _, one in sorted(latest.items())
    ]
    await upsert_rows(connection, REPORTER, rows, key=("improvement_id", "customer_id"))


async def untold(connection: AsyncConnection, improvement_id: str, *, limit: int) -> list[Untold]:
    """Return the next reporters who wait to be told, locked."""
    bound = {"improvement_id": improvement_id, "limit": limit}
    rows = (await connection.execute(_UNTOLD, bound)).mappings()
    return [Untold(**row) for row in rows]


async def mark_told(tx: Transaction, improvement_id: str, follow_up_ids: Mapping[str, str]) -> None:
    """Note that these customers were told, each by a follow-up."""
    told = [
        {"customer_id": customer_id, "follow_up_id": follow_up_id}
        for customer_id, follow_up_id in follow_up_ids.items()
    ]
    bound = {"improvement_id": improvement_id, "now": tx.now, "told": json_text(told)}
    await tx.connection.execute(_TOLD, bound)


async def note_outcomes(connection: AsyncConnection, outcomes: Mapping[str, str]) -> None:
    """Note what became of follow-ups; those that told no reporter are somebody else's."""
    came = [{"follow_up_id": key, "outcome": outcome} for key, outcome in sorted(outcomes.items())]
    await connection.execute(_OUTCOMES, {"outcomes": json_text(came)})
