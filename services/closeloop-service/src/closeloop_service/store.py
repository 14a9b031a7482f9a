"""Loads and saves tasks: a batch at a time, locked in one order."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ARRAY, Select, Text, any_, cast, select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import CollectionAggregate

from closeloop_service.domain.decisions import Decision
from closeloop_service.domain.errors import TaskNotFound
from closeloop_service.domain.task import Answer, Task
from closeloop_service.tables import TASK, TASK_HISTORY, to_row, to_task
from heardback.bulk import insert_new_rows, insert_rows, upsert_rows
from heardback.db import Transaction
from heardback.vocabulary import Scale

BOARD: Final = "board"
"""The doorbell's channel that rings when tasks changed."""

# Alerts and revisions come by different topics, perhaps at once. Both write here first, so the
# second waits for the first's commit and then sees what it did. Sorted: no deadlock.
_KEEP_NEWEST: Final = text("""
    INSERT INTO answer AS kept (response_id, customer_id, revision, scale, score, comment)
    SELECT * FROM unnest(
        CAST(:response_id AS text[]), CAST(:customer_id AS text[]), CAST(:revision AS bigint[]),
        CAST(:scale AS text[]), CAST(:score AS smallint[]), CAST(:comment AS text[])
    ) AS given (response_id) ORDER BY response_id
    ON CONFLICT (response_id) DO UPDATE SET
        revision = greatest(kept.revision, excluded.revision),
        scale = CASE WHEN excluded.revision > kept.revision
            THEN excluded.scale ELSE kept.scale END,
        score = CASE WHEN excluded.revision > kept.revision
            THEN excluded.score ELSE kept.score END,
        comment = CASE WHEN excluded.revision > kept.revision
            THEN excluded.comment ELSE kept.comment END
    RETURNING response_id, customer_id, revision, scale, score, comment
""")
_THIS_TRANSACTION: Final = text("SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)")


async def keep_newest(connection: AsyncConnection, answers: Sequence[Answer]) -> dict[str, Answer]:
    """Keep each answer unless a newer revision is known; return the newest by response id."""
    newest: dict[str, Answer] = {}
    for answer in answers:
        known = newest.get(answer.response_id)
        if known is None or answer.revision > known.revision:
            newest[answer.response_id] = answer
    if not newest:
        return {}
    rows = [asdict(answer) for answer in newest.values()]
    arrays = {name: [row[name] for row in rows] for name in rows[0]}
    kept = await connection.execute(_KEEP_NEWEST, arrays)
    return {row.response_id: Answer(**{**row._mapping, "scale": Scale(row.scale)}) for row in kept}


async def lock_task(connection: AsyncConnection, task_id: str) -> Task:
    """Load one task for a change.

    Raises: TaskNotFound.
    """
    found = await lock_tasks(connection, [task_id])
    if task_id not in found:
        raise TaskNotFound(task_id=task_id)
    return found[task_id]


async def lock_tasks(connection: AsyncConnection, task_ids: Collection[str]) -> dict[str, Task]:
    """Load tasks for a change, by id."""
    return await _lock(connection, select(TASK).where(TASK.c.task_id == _any(task_ids)))


async def lock_tasks_of_responses(
    connection: AsyncConnection, response_ids: Collection[str]
) -> dict[str, Task]:
    """Load the tasks that these responses opened for a change, by id."""
    return await _lock(connection, select(TASK).where(TASK.c.response_id == _any(response_ids)))


async def add_new(tx: Transaction, decisions: Sequence[Decision]) -> list[Decision]:
    """Save tasks that are opened now; return those whose alert was not known yet."""
    changed_in = await tx.connection.scalar(_THIS_TRANSACTION)
    rows = [to_row(decision.task, changed_in) for decision in decisions]
    keys = await insert_new_rows(tx.connection, TASK, rows, key=("alert_id",))
    new = [decision for decision in decisions if (decision.task.alert_id,) in keys]
    await _follow(tx, new)
    return new


async def save(tx: Transaction, decisions: Sequence[Decision]) -> None:
    """Save changed tasks, each at most once, with their history and their events."""
    if decisions:
        changed_in = await tx.connection.scalar(_THIS_TRANSACTION)
        rows = [to_row(decision.task, changed_in) for decision in decisions]
        await upsert_rows(tx.connection, TASK, rows, key=("task_id",))
        await _follow(tx, decisions)


async def _follow(tx: Transaction, decisions: Sequence[Decision]) -> None:
    history = [
        {
            "task_id": decision.task.task_id,
            "customer_id": decision.task.customer_id,
            "occurred_at": tx.now,
            **asdict(entry),
        }
        for decision in decisions
        for entry in decision.entries
    ]
    await insert_rows(tx.connection, TASK_HISTORY, history)
    for decision in decisions:
        for event_type, payload in decision.events:
            tx.emit(event_type, payload, traceparent=decision.task.traceparent)
    if decisions:
        await tx.ring(BOARD)


def _any(given: Collection[str]) -> CollectionAggregate[Any]:
    return any_(cast(list(given), ARRAY(Text)))


async def _lock(connection: AsyncConnection, query: Select[Any]) -> dict[str, Task]:
    rows = await connection.execute(query.order_by(TASK.c.task_id).with_for_update())
    return {row.task_id: to_task(row) for row in rows}
