"""What boards and systems ask again and again costs what it shows, however much there is."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from closeloop_service.domain.task import TaskState
from closeloop_service.queries import figures, story, tasks
from closeloop_service.queries.tasks import Filters, Place
from heardback.testing.clock import START

TASKS = 20_000
_FILL = text("""
    WITH given AS (SELECT CAST(:now AS timestamptz) AS now)
    INSERT INTO task (task_id, alert_id, category, customer_id, program_id, touchpoint, recipient,
        response_id, response_revision, scale, score, answers, state, owner, team, unrouted,
        opened_at, clocks, pauses, policy_id, rules_version, escalation_level, steps_done,
        resolutions, version, active, due_at, breached)
    SELECT to_char(n, 'FM00000'), 'a' || n, 'detractor', 'c' || n / 2, 'p', 'purchase', '{}',
        'r' || n, 1, 'nps', 2, 1,
        CASE WHEN n % 4 = 0 THEN 'resolved' WHEN n % 50 = 1 THEN 'waiting' ELSE 'open' END,
        CASE WHEN n % 9 > 0 THEN 'Owner ' || n % 60 END, 'team-' || n % 40,
        CASE WHEN n % 90 = 0 THEN 'no rule fits' END, given.now, '{}', '[]', 'default', 0, 0, '[]',
        0, 1, n % 4 > 0, CASE WHEN n % 4 > 0 THEN given.now + n * interval '1 minute' END, false
    FROM generate_series(1, CAST(:count AS int)) n, given
""")
_HISTORY = text("""
    WITH given AS (SELECT CAST(:now AS timestamptz) AS now)
    INSERT INTO task_history
        (task_id, customer_id, occurred_at, what, note, details, changed_in)
    SELECT to_char(n, 'FM00000'), 'c' || n / 2, given.now, 'opened', '', '{}', n
    FROM generate_series(1, CAST(:count AS int)) n, given
""")
_STORY = text("""
    WITH given AS (SELECT CAST(:now AS timestamptz) AS now)
    INSERT INTO story (customer_id, what, key, occurred_at, details)
    SELECT 'c' || n / 2, 'sent', n, given.now, '{}'
    FROM generate_series(1, CAST(:count AS int)) n, given
""")
ACTIVE = Filters(active=True)
LATER = Place(due_at=START + timedelta(days=5), task_id="")


def urgent(filters, after=None):
    return lambda c: tasks.most_urgent_tasks(c, filters, limit=100, after=after)


def newest(filters):
    return lambda c: tasks.newest_tasks(c, filters, before=None, limit=100)


ASKED = {
    "board": (urgent(ACTIVE), ["task_active"]),
    "next page": (urgent(ACTIVE, LATER), ["task_active"]),
    "owner": (urgent(Filters(active=True, owner="Owner 7")), ["task_owner"]),
    "team": (urgent(Filters(active=True, team="team-7")), ["task_team"]),
    "waiting": (urgent(Filters(states=(TaskState.WAITING,))), ["task_waiting"]),
    "unrouted": (urgent(Filters(unrouted=True)), ["task_unrouted"]),
    "late": (urgent(Filters(due_by=START)), ["task_active"]),
    "page": (newest(Filters()), ["task_pkey"]),
    "closed": (newest(Filters(states=(TaskState.CANCELLED,))), ["task_closed"]),
    "owner's past": (newest(Filters(owner="Somebody who left")), ["task_owned"]),
    "customer": (newest(Filters(customer_id="c7")), ["task_customer_id"]),
    "figures": (lambda c: figures.figures_at(c, START), ["task_active", "task_queue"]),
    "facets": (figures.facets_of, ["task_owner", "task_team"]),
    "changes": (
        lambda c: tasks.tasks_changed_since(c, f"{TASKS - 50}:{TASKS - 50}:", limit=500),
        ["task_history_changed_in", "task_pkey"],
    ),
    "history": (lambda c: tasks.history_of(c, "00007"), ["task_history_task_id"]),
    "story": (lambda c: story.of_customer(c, "c7", limit=50), ["story_", "task_customer_id"]),
}


@pytest.fixture
async def full(database):
    async with database.transaction() as tx:
        for statement in (_FILL, _HISTORY, _STORY):
            await tx.connection.execute(statement, {"now": START, "count": TASKS})
    async with database.engine.connect() as connection:
        committing = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await committing.execute(text("VACUUM (ANALYZE) task"))
        await committing.execute(text("VACUUM (ANALYZE) task_history"))
        await committing.execute(text("VACUUM (ANALYZE) story"))
    return database


async def plan_of(database, ask):
    """Return the plans of the statements that `ask` sends."""
    sent = []

    def keep(_connection, _cursor, statement, parameters, *_more):
        sent.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", keep)
    async with database.read() as connection:
        await ask(connection)
        event.remove(database.engine.sync_engine, "before_cursor_execute", keep)
        driver = (await connection.get_raw_connection()).driver_connection
        plans = [
            "\n".join(row[0] for row in await driver.fetch(f"EXPLAIN {statement}", *parameters))
            for statement, parameters in sent
        ]
    return "\n".join(plans)


async def test_indexes_serve_what_is_asked_when_there_is_much(full):
    for name, (ask, indexes) in ASKED.items():
        plan = await plan_of(full, ask)
        missing = [index for index in indexes if index not in plan]
        assert (name, missing, "Seq Scan" in plan) == (name, [], False), plan
