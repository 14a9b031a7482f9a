"""The migrations make the tables that the code describes, and take along what is there."""

from datetime import timedelta
from itertools import product

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text

from closeloop_service.domain.commands import Reopen
from closeloop_service.domain.moving import decide
from closeloop_service.domain.recovery import ANSWERS_WITHIN
from closeloop_service.store.rows import to_row, to_task
from closeloop_service.tables import TASK, metadata
from heardback import migrations
from heardback.clock import SystemClock
from heardback.db import Database
from heardback.ids import TimeOrderedIds
from heardback.testing.clock import START
from heardback.vocabulary import SlaClock

from .core.cases import some_rules

FIRST, RESOLUTION = SlaClock.FIRST_RESPONSE, SlaClock.RESOLUTION
_OLD_TASK = text("""
    INSERT INTO task (
        task_id, alert_id, customer_id, program_id, touchpoint, segment, recipient, response_id,
        response_revision, scale, score, comment, state, owner, opened_at, acknowledged_at,
        contacted_at, resolved_at, first_response_due_at, first_response_warned,
        first_response_breached, resolution_due_at, resolution_warned, resolution_breached,
        due_at, root_cause, version, traceparent, changed_in
    ) VALUES (
        :id, 'alert-' || :id, 'c', 'p', 'purchase', NULL, '{"name": "Ada", "locale": "de"}',
        'r-' || :id, 1, 'nps', 2, NULL, :state, :owner, :opened_at, NULL,
        :contacted_at, :resolved_at, :first_due_at, true, :breached, :resolution_due_at, false,
        false, :due_at, NULL, 3, NULL, 7
    )
""")


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True}
    )
    return list(compare_metadata(context, metadata))


def _upgrade_to(connection: Connection, revision: str) -> None:
    settings = migrations.config("closeloop_service")
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


async def test_schema_equals_the_tables_when_migrated(database) -> None:
    async with database.read() as connection:
        assert await connection.run_sync(_differences) == []


async def test_tasks_go_on_where_they_were_when_the_schema_moves_under_them(service_database):
    url = await service_database("closeloop")
    old = Database(url, service="closeloop", clock=SystemClock(), ids=TimeOrderedIds())
    hours = [START + timedelta(hours=number) for number in range(60)]
    row = {
        "owner": None,
        "opened_at": START,
        "contacted_at": None,
        "resolved_at": None,
        "first_due_at": hours[4],
        "breached": False,
        "resolution_due_at": hours[48],
    }
    async with old.transaction() as tx:
        await tx.connection.run_sync(_upgrade_to, "0002")
        await tx.connection.execute(
            _OLD_TASK, {**row, "id": "1", "state": "open", "due_at": hours[4]}
        )
        held = {"owner": "Ana", "contacted_at": hours[5], "breached": True, "due_at": hours[48]}
        await tx.connection.execute(_OLD_TASK, {**row, **held, "id": "2", "state": "contacted"})
        done = {**held, "resolved_at": hours[6], "due_at": None}
        await tx.connection.execute(_OLD_TASK, {**row, **done, "id": "3", "state": "resolved"})
        late = {**done, "resolved_at": tx.now - timedelta(days=29)}
        await tx.connection.execute(_OLD_TASK, {**row, **late, "id": "4", "state": "resolved"})
        timers = text("INSERT INTO timer VALUES ('sla_warning', :key, :at, '{}', NULL, 0)")
        await tx.connection.execute(timers, {"key": "1/first_response", "at": hours[3]})
        line = "INSERT INTO task_history (task_id, customer_id, occurred_at, what, note, details)"
        await tx.connection.execute(text(f"{line} VALUES ('1', 'c', now(), 'opened', '', '{{}}')"))
        closed = f"""{line} VALUES ('3', 'c', now(), 'resolved', '', '{{"root_cause": "x"}}')"""
        await tx.connection.exec_driver_sql(closed)
    await migrations.upgrade(url, schema="closeloop", package="closeloop_service")
    async with old.read() as connection:
        rows = (await connection.execute(select(TASK).order_by(TASK.c.task_id))).all()
        answers = await connection.scalar(text("SELECT count(*) FROM task_answer"))
        timers = await connection.execute(text("SELECT kind, key, due_at FROM timer ORDER BY 1, 2"))
        kinds = {(kind, key): due_at for kind, key, due_at in timers}
        closings = text("SELECT details FROM task_history WHERE what = 'resolved'")
        closing = await connection.scalar(closings)
    await old.close()
    open_, contacted, resolved, late = (to_task(row) for row in rows)
    assert [row.active for row in rows] == [True, True, False, False]
    assert [row.breached for row in rows] == [False, True, True, True]
    assert (answers, list(kinds)) == (
        4,
        [
            ("outcome", "4"),
            ("replan", "rules"),
            ("route", "unrouted"),
            ("sla_warning", "1/first_response"),
        ],
    )
    assert kinds["outcome", "4"] == late.resolved_at + ANSWERS_WITHIN
    assert closing == {"root_cause": "x", "number": 1, "category": "detractor"}
    assert (open_.locale, open_.recipient.name, open_.version) == ("de", "Ada", 3)
    first = open_.clocks[FIRST]
    assert (first.started_at, first.warn_at, first.due_at, first.warned) == (
        START,
        hours[3],
        hours[4],
        True,
    )
    assert open_.unrouted and contacted.unrouted is None
    assert contacted.clocks[FIRST].stopped_at == contacted.contacted_at == hours[5]
    assert contacted.clocks[FIRST].breached
    assert (contacted.running, contacted.due_at) == (RESOLUTION, hours[48])
    assert (resolved.resolutions, resolved.running) == (1, None)
    assert resolved.clocks[RESOLUTION].stopped_at == hours[6]
    assert [task.pauses for task in (open_, contacted)] == [(), ()]
    again = decide(resolved, Reopen(reason="again"), some_rules(), hours[56]).task
    assert again.clocks[RESOLUTION].due_at == hours[48] + timedelta(hours=50)


async def test_columns_say_what_the_clocks_do_when_tasks_of_every_kind_are_taken_along(
    service_database,
):
    url = await service_database("closeloop")
    old = Database(url, service="closeloop", clock=SystemClock(), ids=TimeOrderedIds())
    hour = timedelta(hours=1)
    states = {"open": 0, "acknowledged": 0, "contacted": 1, "resolved": 2}
    kinds = list(product(states, (False, True), (4, 8, 12)))
    async with old.transaction() as tx:
        await tx.connection.run_sync(_upgrade_to, "0002")
        for number, (state, breached, hours) in enumerate(kinds):
            first, resolution = START + hours * hour, START + 8 * hour
            row = {
                "id": f"{number:02}",
                "state": state,
                "owner": None if state == "open" else "Ana",
                "opened_at": START,
                "contacted_at": START + hour if states[state] > 0 else None,
                "resolved_at": START + 2 * hour if states[state] > 1 else None,
                "first_due_at": first,
                "breached": breached,
                "resolution_due_at": resolution,
                "due_at": (first, resolution, None)[states[state]],
            }
            await tx.connection.execute(_OLD_TASK, row)
    await migrations.upgrade(url, schema="closeloop", package="closeloop_service")
    async with old.read() as connection:
        rows = (await connection.execute(select(TASK).order_by(TASK.c.task_id))).all()
    await old.close()
    made = ("active", "running", "due_at", "breached")
    for kind, row in zip(kinds, rows, strict=True):
        expected = to_row(to_task(row))
        assert {name: row._mapping[name] for name in made} == {
            name: expected[name] for name in made
        }, kind
