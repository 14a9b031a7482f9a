"""What is recorded, streamed: the touchpoints of some days, and the customers of a cohort.

A page of rows is in memory at a time, whatever there is.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from trigger_service.domain.cadence_run import Run
from trigger_service.domain.rehearsal import Happening
from trigger_service.domain.touchpoint import Touchpoint
from trigger_service.dry_run.past_events import Stories

_CHUNK: Final = 500

# What happened since then was decided since then: that is the indexed column.
_TOUCHPOINTS: Final = text("""
    SELECT * FROM (
        SELECT touchpoint_id, source, event_id, customer_id, name, subject, occurred_at, facts, seq
        FROM touchpoint
        WHERE name = :name AND occurred_at >= :since AND decided_at >= :since
        ORDER BY occurred_at DESC, seq DESC LIMIT :limit
    ) newest ORDER BY customer_id, occurred_at, seq
""")
_COHORT: Final = text("""
    SELECT customer_id FROM customer
    WHERE bucket >= :low AND bucket < :high AND erased_at IS NULL ORDER BY bucket LIMIT :limit
""")
_COHORT_SIZE: Final = text("""
    SELECT count(*) FROM customer
    WHERE bucket >= :low AND bucket < :high AND erased_at IS NULL
""")


async def recorded(
    connection: AsyncConnection, name: str, *, since: datetime, limit: int
) -> AsyncGenerator[Touchpoint]:
    """Yield the newest touchpoints of this name, customer by customer, each one's by their time."""
    bound = {"name": name, "since": since, "limit": limit}
    async with connection.stream(_TOUCHPOINTS, bound) as rows:
        async for row in rows:
            yield _touchpoint(row)


async def cohort(
    connection: AsyncConnection, run: Run, *, limit: int
) -> AsyncGenerator[Touchpoint]:
    """Yield what the run means to the customers whose turn it is, in the order of their turn."""
    left = limit
    for low, high in run.arc.ranges(0, run.arc.width):
        bound = {"low": low, "high": high, "limit": left}
        async with connection.stream(_COHORT, bound) as rows:
            async for (customer_id,) in rows:
                left -= 1
                yield run.touchpoint(customer_id)


async def cohort_size(connection: AsyncConnection, run: Run) -> int:
    """Return how many of the known customers it is the turn of."""
    size = 0
    for low, high in run.arc.ranges(0, run.arc.width):
        size += await connection.scalar(_COHORT_SIZE, {"low": low, "high": high}) or 0
    return size


async def by_customer(
    touchpoints: AsyncGenerator[Touchpoint], *, at: Callable[[Touchpoint], datetime]
) -> AsyncGenerator[Stories]:
    """Yield the touchpoints of some customers at a time; each customer's stand together already.

    `at`: when one is decided on.
    """
    stories, count = Stories(), 0
    async with aclosing(touchpoints):
        async for touchpoint in touchpoints:
            if count >= _CHUNK and touchpoint.customer_id not in stories:
                yield stories
                stories, count = Stories(), 0
            happening = Happening(at=at(touchpoint), what=touchpoint)
            stories.setdefault(touchpoint.customer_id, []).append(happening)
            count += 1
    yield stories


def _touchpoint(row: Row[tuple[object, ...]]) -> Touchpoint:
    closed_by = row.facts.get("closed_by")
    return Touchpoint(
        touchpoint_id=row.touchpoint_id,
        source=row.source,
        event_id=row.event_id,
        customer_id=row.customer_id,
        name=row.name,
        subject=row.subject,
        occurred_at=row.occurred_at,
        facts=row.facts,
        closed_by=closed_by if isinstance(closed_by, str) else None,
    )
