"""What came of the tasks that were resolved in a period, by group."""

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.recovery import Recovery
from heardback.vocabulary import Category, Outcome

# By the history: a task that was reopened, and resolved once more, counts both times.
_RESOLVED: Final = text("""
    SELECT task.category, verified.outcome, count(*) AS times,
        count(*) FILTER (
            WHERE customer.churned_at >= task.opened_at
                AND (customer.returned_at IS NULL OR customer.returned_at < customer.churned_at)
        ) AS gone
    FROM task_history AS resolved
    JOIN task USING (task_id)
    LEFT JOIN customer ON customer.customer_id = task.customer_id
    LEFT JOIN LATERAL (
        SELECT details ->> 'outcome' AS outcome FROM task_history AS line
        WHERE line.task_id = resolved.task_id AND line.what = 'verified'
            AND line.details ->> 'number' = resolved.details ->> 'number'
        ORDER BY seq DESC LIMIT 1
    ) AS verified ON true
    WHERE resolved.what = 'resolved'
        AND resolved.occurred_at >= :since AND resolved.occurred_at < :until
        AND (CAST(:segment AS text) IS NULL OR task.segment = :segment)
        AND (CAST(:touchpoint AS text) IS NULL OR task.touchpoint = :touchpoint)
    GROUP BY task.category, verified.outcome
""")


async def recoveries(
    connection: AsyncConnection,
    *,
    since: datetime,
    until: datetime,
    segment: str | None = None,
    touchpoint: str | None = None,
) -> list[Recovery]:
    """Return what came of the tasks that were resolved in [since, until), by group."""
    bound = {"since": since, "until": until, "segment": segment, "touchpoint": touchpoint}
    rows = (await connection.execute(_RESOLVED, bound)).all()
    return [
        Recovery(
            category=category,
            resolved=sum(row.times for row in rows if row.category == category),
            outcomes={
                Outcome(row.outcome): row.times
                for row in rows
                if row.category == category and row.outcome is not None
            },
            left=sum(row.gone for row in rows if row.category == category),
        )
        for category in Category
    ]
