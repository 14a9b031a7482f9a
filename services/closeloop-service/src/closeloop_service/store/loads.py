"""Who has how much to do, whose turn it is, and which tasks wait for an owner."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Text, any_, bindparam, cast, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.routing import Load
from closeloop_service.domain.task import Task
from closeloop_service.store.rows import to_task
from closeloop_service.tables import TASK

# Whoever has it routes alone, so that nobody is given more than they can do by two replicas at
# once. It is taken before customers and tasks are locked, or not waited for.
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('closeloop routing'))")
_TRY_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('closeloop routing'))")
_LOADS: Final = text("""
    SELECT given.name, coalesce(held.active, 0) AS active, coalesce(member_turn.turn, 0) AS turn
    FROM unnest(CAST(:names AS text[])) AS given (name)
    LEFT JOIN (
        SELECT owner, count(*) AS active FROM task
        WHERE active AND owner = ANY(CAST(:names AS text[])) GROUP BY owner
    ) AS held ON held.owner = given.name
    LEFT JOIN member_turn ON member_turn.name = given.name
""")
_KEEP_TURNS: Final = text("""
    INSERT INTO member_turn (name, turn)
    SELECT name, (SELECT coalesce(max(turn), 0) FROM member_turn) + max(place)
    FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS given (name, place)
    GROUP BY name ORDER BY name
    ON CONFLICT (name) DO UPDATE SET turn = excluded.turn
""")
_ACCOUNT_OWNERS: Final = text("""
    SELECT customer_id, attributes ->> CAST(:attribute AS text) AS owner FROM customer
    WHERE customer_id = ANY(CAST(:ids AS text[]))
        AND jsonb_typeof(attributes -> CAST(:attribute AS text)) = 'string'
""")
_GAVE_BACK: Final = text("""
    SELECT task_id, array_agg(details ->> 'before') AS names FROM task_history
    WHERE task_id = ANY(CAST(:ids AS text[])) AND what = 'released' GROUP BY task_id
""")
_WAKE_AT: Final = text("""
    SELECT split_part(key, '/', 1) AS queue, min(due_at) AS due_at FROM timer
    WHERE kind = :kind AND NOT payload ? 'after' GROUP BY queue
""")
_QUEUES: Final = text("""
    SELECT team FROM unnest(CAST(:teams AS text[])) AS given (team)
    WHERE EXISTS (
        SELECT FROM task WHERE active AND owner IS NULL AND task.team = given.team
    )
""")
_UNOWNED: Final = (
    select(TASK)
    .where(TASK.c.task_id == any_(cast(bindparam("ids"), ARRAY(Text))))
    .where(TASK.c.active, TASK.c.owner.is_(None))
    .order_by(TASK.c.task_id)
    .with_for_update(skip_locked=True)
)


async def lock_routing(connection: AsyncConnection) -> None:
    """Let nobody else route until this commits."""
    await connection.execute(_LOCK)


async def try_lock_routing(connection: AsyncConnection) -> bool:
    """Do so unless somebody else routes right now; tell whether it was done."""
    return bool(await connection.scalar(_TRY_LOCK))


async def load_loads(connection: AsyncConnection, names: Collection[str]) -> dict[str, Load]:
    """Return what these people have to do, by name."""
    rows = await connection.execute(_LOADS, {"names": sorted(names)})
    return {row.name: Load(active=row.active, turn=row.turn) for row in rows}


async def keep_turns(connection: AsyncConnection, names: Sequence[str]) -> None:
    """Note who was given a task now, in this order; somebody may be there several times."""
    if names:
        await connection.execute(_KEEP_TURNS, {"names": list(names)})


async def account_owners(
    connection: AsyncConnection, customer_ids: Collection[str], attribute: str | None
) -> dict[str, str]:
    """Return who owns the accounts of customers, by customer id, as customer data names them."""
    if attribute is None or not customer_ids:
        return {}
    bound = {"ids": sorted(customer_ids), "attribute": attribute}
    return {row.customer_id: row.owner for row in await connection.execute(_ACCOUNT_OWNERS, bound)}


async def gave_back(
    connection: AsyncConnection, task_ids: Collection[str]
) -> Mapping[str, frozenset[str]]:
    """Return who had each of these tasks and gave it back, by task id."""
    if not task_ids:
        return {}
    rows = await connection.execute(_GAVE_BACK, {"ids": sorted(task_ids)})
    return {row.task_id: frozenset(filter(None, row.names)) for row in rows}


async def wake_times(connection: AsyncConnection, kind: str) -> dict[str, datetime]:
    """Return when each queue is tried next from its beginning, by its team's id."""
    return {row.queue: row.due_at for row in await connection.execute(_WAKE_AT, {"kind": kind})}


async def waiting_queues(connection: AsyncConnection, team_ids: Collection[str]) -> set[str]:
    """Return those of these teams in whose queue a task waits."""
    return set(await connection.scalars(_QUEUES, {"teams": sorted(team_ids)}))


async def queue_ids(
    connection: AsyncConnection, team_id: str | None, *, after: str, limit: int
) -> list[str]:
    """Return tasks that wait for an owner in a team's queue, or in any, the oldest first."""
    query = (
        select(TASK.c.task_id)
        .where(TASK.c.active, TASK.c.owner.is_(None), TASK.c.task_id > after)
        .order_by(TASK.c.task_id)
        .limit(limit)
    )
    in_queue = query if team_id is None else query.where(TASK.c.team == team_id)
    return list(await connection.scalars(in_queue))


async def lock_unowned(connection: AsyncConnection, task_ids: Collection[str]) -> list[Task]:
    """Load those of these tasks for a change that nobody owns or changes right now, in order."""
    rows = await connection.execute(_UNOWNED, {"ids": list(task_ids)})
    return [to_task(row) for row in rows]
