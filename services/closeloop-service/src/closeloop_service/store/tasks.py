"""Loads tasks for a change, and saves what was decided on them.

Locks are taken in one order, so that replicas wait for each other and never in a circle: timers,
erasure, routing, tasks by id.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.decision import OF_CLOCKS, OF_TASKS, Decision, TaskTimer, clock_key
from closeloop_service.domain.planning import timers_of
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Task
from closeloop_service.store.alerts import raise_alerts
from closeloop_service.store.rows import COLUMNS, task_of, to_marks, to_row
from closeloop_service.tables import TASK
from heardback.bulk import insert_new_rows, json_text, upsert_rows
from heardback.db import Transaction
from heardback.driver import fetch
from heardback.timers import Timer
from heardback.vocabulary import SlaClock

BOARD: Final = "board"
"""The doorbell's channel that rings when tasks changed."""

_BY_ID: Final = f"""
    SELECT {COLUMNS} FROM task WHERE task_id = ANY($1::text[]) ORDER BY task_id FOR UPDATE
"""
_BY_ID_OR_ACTIVE_OF: Final = f"""
    SELECT {COLUMNS} FROM task
    WHERE task_id = ANY($1::text[]) OR (customer_id = ANY($2::text[]) AND active)
    ORDER BY task_id FOR UPDATE
"""
_OUTDATED: Final = text("""
    SELECT task_id FROM task WHERE active AND rules_version < :version
    ORDER BY rules_version, task_id LIMIT :limit
""")
_MARK: Final = text("""
    UPDATE task SET clocks = marked.clocks, breached = marked.breached,
        escalation_level = marked.escalation_level, version = marked.version
    FROM json_to_recordset(CAST(:rows AS json)) AS marked (
        task_id text, clocks jsonb, breached boolean, escalation_level smallint, version bigint
    )
    WHERE task.task_id = marked.task_id
""")
_ADD_HISTORY: Final = text("""
    WITH added AS (
        INSERT INTO task_history
            (task_id, customer_id, occurred_at, what, actor, note, details, changed_in)
        SELECT task_id, customer_id, :now, what, actor, note, details,
            CAST(CAST(pg_current_xact_id() AS text) AS bigint)
        FROM json_to_recordset(CAST(:rows AS json)) AS line (
            task_id text, customer_id text, what text, actor text, note text, details jsonb
        )
    )
    SELECT pg_notify(current_schema() || '_' || CAST(:channel AS text), '')
""")


async def lock_tasks(connection: AsyncConnection, task_ids: Collection[str]) -> dict[str, Task]:
    """Load tasks for a change, by id."""
    if not task_ids:
        return {}
    rows = await fetch(connection, _BY_ID, list(task_ids))
    return {row["task_id"]: task_of(row) for row in rows}


async def lock_tasks_around(
    connection: AsyncConnection, task_ids: Collection[str], customer_ids: Collection[str]
) -> dict[str, Task]:
    """Load these tasks and all active ones of these customers for a change, by id."""
    rows = await fetch(connection, _BY_ID_OR_ACTIVE_OF, list(task_ids), list(customer_ids))
    return {row["task_id"]: task_of(row) for row in rows}


async def outdated_tasks(connection: AsyncConnection, version: int, *, limit: int) -> list[str]:
    """Return the ids of active tasks that were planned by rules before `version`."""
    return list(await connection.scalars(_OUTDATED, {"version": version, "limit": limit}))


async def forget_timers(tx: Transaction, task_ids: Collection[str]) -> None:
    """Delete all timers of tasks, before the tasks are locked: the timer loop takes this order."""
    if not task_ids:
        return
    clocks = [clock_key(task_id, which) for task_id in task_ids for which in SlaClock]
    for kind in OF_CLOCKS:
        await tx.cancel_timers(kind, clocks)
    for kind in OF_TASKS:
        await tx.cancel_timers(kind, task_ids)


def set_timers_anew(tx: Transaction, rules: Rules, unchanged: Iterable[Task]) -> None:
    """Set all timers of tasks that stay as they were, after `forget_timers`."""
    for task in unchanged:
        _set_timers(tx, task, timers_of(task, rules))


async def add_new(tx: Transaction, rules: Rules, decisions: Sequence[Decision]) -> list[Decision]:
    """Save tasks that are opened now; return those whose alert was not known yet."""
    if not decisions:
        return []
    rows = [to_row(decision.task) for decision in decisions]
    keys = await insert_new_rows(tx.connection, TASK, rows, key=("alert_id",))
    new = [decision for decision in decisions if (decision.task.alert_id,) in keys]
    await _follow(tx, rules, new)
    return new


async def save(tx: Transaction, rules: Rules, decisions: Sequence[Decision]) -> None:
    """Save changed tasks, each at most once, with their history, events, alerts and timers."""
    if decisions:
        rows = [to_row(decision.task) for decision in decisions]
        await upsert_rows(tx.connection, TASK, rows, key=("task_id",))
        await _follow(tx, rules, decisions)


async def save_marks(tx: Transaction, rules: Rules, decisions: Sequence[Decision]) -> None:
    """Save tasks of which no more than what a timer of a clock marks has changed."""
    if decisions:
        rows = json_text([to_marks(decision.task) for decision in decisions])
        await tx.connection.execute(_MARK, {"rows": rows})
        await _follow(tx, rules, decisions)


async def _follow(tx: Transaction, rules: Rules, decisions: Sequence[Decision]) -> None:
    history = [
        {
            "task_id": decision.task.task_id,
            "customer_id": decision.task.customer_id,
            "what": entry.what,
            "actor": entry.actor,
            "note": entry.note,
            "details": entry.details,
        }
        for decision in decisions
        for entry in decision.entries
    ]
    if history:
        bound = {"rows": json_text(history), "now": tx.now, "channel": BOARD}
        await tx.connection.execute(_ADD_HISTORY, bound)
    for decision in decisions:
        trace = decision.task.traceparent
        for event_type, fields in decision.events:
            tx.emit_fields(event_type, fields, traceparent=trace)
        _set_timers(tx, decision.task, decision.timers)
    await raise_alerts(tx, rules, [alert for decision in decisions for alert in decision.alerts])


def _set_timers(tx: Transaction, task: Task, timers: Iterable[TaskTimer]) -> None:
    for due in timers:
        trace = task.traceparent
        tx.set_timer(Timer(kind=due.kind, key=due.key, due_at=due.due_at, traceparent=trace))
