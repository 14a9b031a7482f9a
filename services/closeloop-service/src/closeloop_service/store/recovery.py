"""Which tasks an answer, or a customer who leaves, says something of."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# One whose survey was not heard of yet answers the question about the task resolved last.
_ASKED_ABOUT: Final = text("""
    SELECT given.invitation_id, coalesce(known.task_id, (
        SELECT task_id FROM task
        WHERE task.customer_id = given.customer_id AND task.state = 'resolved'
        ORDER BY task.resolved_at DESC LIMIT 1
    )) AS task_id
    FROM unnest(CAST(:invitations AS text[]), CAST(:customers AS text[]))
        AS given (invitation_id, customer_id)
    LEFT JOIN invitation AS known USING (invitation_id)
""")
_RESOLVED_OF: Final = text("""
    SELECT task_id FROM task
    WHERE customer_id = ANY(CAST(:customers AS text[])) AND state = 'resolved'
""")
_LEFT: Final = text("""
    SELECT task_id FROM task JOIN customer USING (customer_id)
    WHERE task_id = ANY(CAST(:tasks AS text[])) AND churned_at IS NOT NULL
        AND (returned_at IS NULL OR returned_at < churned_at)
""")


async def tasks_asked_about(
    connection: AsyncConnection, customers: dict[str, str]
) -> dict[str, str]:
    """Return the task that each invitation is the recovery question of, by invitation id.

    `customers`: whose invitation each is.
    """
    bound = {"invitations": list(customers), "customers": list(customers.values())}
    rows = await connection.execute(_ASKED_ABOUT, bound)
    return {row.invitation_id: row.task_id for row in rows if row.task_id is not None}


async def resolved_tasks_of(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> list[str]:
    """Return the ids of the tasks of these customers of which it is not known what came of them."""
    return list(await connection.scalars(_RESOLVED_OF, {"customers": list(customer_ids)}))


async def who_left(connection: AsyncConnection, task_ids: Collection[str]) -> set[str]:
    """Return those of these tasks whose customers have left."""
    return set(await connection.scalars(_LEFT, {"tasks": list(task_ids)}))
