"""A customer's story: what happened to them, what they were asked and said, and past tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.customer import Customer
from closeloop_service.store import customers
from closeloop_service.tables import STORY, TASK


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryLine:
    """One thing that happened to a customer; `details` say more of it.

    `what`: `touchpoint` (with `scheduled`: whether they were to be asked, else `reasons`), `sent`,
    `bounced`, `dropped`, `unsubscribed`, `written`, `answered`, `task_opened`, `task_resolved`.
    """

    occurred_at: datetime
    what: str
    details: Mapping[str, Any]


async def of_customer(
    connection: AsyncConnection, customer_id: str, *, limit: int
) -> list[StoryLine]:
    """Return the newest lines of a customer's story, the newest first, past tasks among them."""
    columns = STORY.c
    query = (
        select(columns.occurred_at, columns.what, columns.details)
        .where(columns.customer_id == customer_id)
        .order_by(columns.occurred_at.desc())
        .limit(limit)
    )
    lines = [StoryLine(**row._mapping) for row in await connection.execute(query)]
    lines += await _of_tasks(connection, customer_id, limit)
    return sorted(lines, key=lambda line: line.occurred_at, reverse=True)[:limit]


async def find_customer(connection: AsyncConnection, customer_id: str) -> Customer:
    """Return what is known of a customer; of one who is not known, nothing but the id."""
    return (await customers.load_customers(connection, [customer_id]))[customer_id]


async def _of_tasks(connection: AsyncConnection, customer_id: str, limit: int) -> list[StoryLine]:
    columns = TASK.c
    opened = (columns.task_id, columns.category, columns.state, columns.score, columns.owner)
    resolved = (columns.task_id, columns.root_cause, columns.outcome)
    query = (
        select(columns.opened_at, columns.resolved_at, *opened, *resolved[1:])
        .where(columns.customer_id == customer_id)
        .order_by(columns.task_id.desc())
        .limit(limit)
    )
    lines = []
    for row in await connection.execute(query):
        fields = row._mapping
        told = {column.name: fields[column.name] for column in opened}
        lines.append(StoryLine(occurred_at=row.opened_at, what="task_opened", details=told))
        if row.resolved_at is not None:
            told = {column.name: fields[column.name] for column in resolved}
            lines.append(StoryLine(occurred_at=row.resolved_at, what="task_resolved", details=told))
    return lines
