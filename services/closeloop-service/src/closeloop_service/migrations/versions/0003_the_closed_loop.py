"""Tasks in depth, what is known of customers, rulebooks; tasks move on with their clocks.

Stop closeloop-service before it, all replicas: those of before name columns of tasks that are gone,
so nothing of theirs works any more. What is published meanwhile waits on the broker, and what falls
due waits in its table: both are done when the new replicas are up.
"""

from functools import partial
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

_Instant = sa.DateTime(timezone=True)
_Required = partial(sa.Column, nullable=False)
_CLOCKS = ("first_response", "resolution")

# The clocks lay in columns, and the timers know when they warn.
_FILL_TASK = """
    UPDATE task SET
        category = 'detractor',
        locale = recipient ->> 'locale',
        answers = 1,
        unrouted = CASE WHEN owner IS NULL AND state <> 'resolved'
            THEN 'opened before there were teams' END,
        clocks = jsonb_build_object(
            'first_response', jsonb_build_object(
                'started_at', opened_at, 'due_at', first_response_due_at,
                'warn_at', (SELECT due_at FROM timer WHERE kind = 'sla_warning'
                    AND key = task.task_id || '/first_response'),
                'warned', first_response_warned, 'breached', first_response_breached,
                'stopped_at', contacted_at, 'escalated', 0),
            'resolution', jsonb_build_object(
                'started_at', opened_at, 'due_at', resolution_due_at,
                'warn_at', (SELECT due_at FROM timer WHERE kind = 'sla_warning'
                    AND key = task.task_id || '/resolution'),
                'warned', resolution_warned, 'breached', resolution_breached,
                'stopped_at', resolved_at, 'escalated', 0)),
        pauses = CASE WHEN state = 'resolved'
            THEN jsonb_build_array(jsonb_build_array(resolved_at, NULL)) ELSE '[]' END,
        policy_id = 'default',
        rules_version = -1,
        escalation_level = 0,
        steps_done = '[]',
        resolutions = CASE WHEN state = 'resolved' THEN 1 ELSE 0 END,
        active = state <> 'resolved',
        running = CASE
            WHEN state = 'resolved' THEN NULL
            WHEN contacted_at IS NULL AND first_response_due_at < resolution_due_at
            THEN 'first_response' ELSE 'resolution' END,
        due_at = CASE
            WHEN state = 'resolved' THEN NULL
            WHEN contacted_at IS NULL THEN least(first_response_due_at, resolution_due_at)
            ELSE resolution_due_at END,
        breached = first_response_breached OR resolution_breached
"""
_FILL_TASK_ANSWER = """
    INSERT INTO task_answer (alert_id, task_id, response_id, customer_id, joined_at)
    SELECT alert_id, task_id, response_id, customer_id, opened_at FROM task
"""
# Each was resolved once: what comes of it is counted by the number of that time.
_FILL_HISTORY = """
    UPDATE task_history SET details = details || '{"number": 1, "category": "detractor"}'
    WHERE what = 'resolved'
"""
# Who says nothing within 30 days has not answered.
_AWAIT_OUTCOMES = """
    INSERT INTO timer (kind, key, due_at, payload)
    SELECT 'outcome', task_id, resolved_at + interval '30 days', '{}' FROM task
    WHERE state = 'resolved' AND resolved_at > now() - interval '30 days'
"""
# As soon as the service is up, active tasks are planned by the rules in force, and those that
# nobody owns are routed.
_GO_ON = """
    INSERT INTO timer (kind, key, due_at, payload)
    SELECT kind, key, now(), '{}'
    FROM (VALUES ('replan', 'rules'), ('route', 'unrouted')) AS wanted (kind, key)
    WHERE EXISTS (SELECT FROM task WHERE active)
"""


def upgrade() -> None:
    """Add the tables, and take the tasks along."""
    _extend_task()
    op.drop_constraint("task_history_task_id_fkey", "task_history", type_="foreignkey")
    op.add_column("task_history", _Required("changed_in", sa.BigInteger, server_default="0"))
    op.alter_column("task_history", "changed_in", server_default=None)
    op.create_index("task_history_changed_in", "task_history", ["changed_in"])
    op.create_index(
        "task_history_resolved",
        "task_history",
        ["occurred_at"],
        postgresql_where=sa.text("what = 'resolved'"),
    )
    _create_of_tasks()
    for statement in (_FILL_TASK_ANSWER, _FILL_HISTORY, _AWAIT_OUTCOMES, _GO_ON):
        op.execute(statement)
    _create_of_customers()
    _create_rulebook()


def _extend_task() -> None:
    required: dict[str, Any] = {
        "category": sa.Text,
        "answers": sa.Integer,
        "clocks": JSONB,
        "pauses": JSONB,
        "policy_id": sa.Text,
        "rules_version": sa.BigInteger,
        "escalation_level": sa.SmallInteger,
        "steps_done": JSONB,
        "resolutions": sa.Integer,
        "active": sa.Boolean,
        "breached": sa.Boolean,
    }
    texts = ("locale", "invitation_id", "channel", "team", "unrouted", "outcome", "running")
    optional = {**dict.fromkeys(texts, sa.Text), "value": sa.Float, "wait_until": _Instant}
    for name, kind in (required | optional).items():
        op.add_column("task", sa.Column(name, kind))
    # Before the rows are written anew, so that they are with room to change.
    op.execute("ALTER TABLE task SET (fillfactor = 50)")
    op.execute(_FILL_TASK)
    for name in required:
        op.alter_column("task", name, nullable=False)
    op.alter_column("task", "scale", server_default=None)
    for index in ("changed_in", "response_id", "customer_id", "active"):
        op.drop_index(f"task_{index}", table_name="task")
    for clock in _CLOCKS:
        for fact in ("due_at", "warned", "breached"):
            op.drop_column("task", f"{clock}_{fact}")
    op.drop_column("task", "changed_in")
    _index_task()


def _index_task() -> None:
    index = partial(op.create_index, table_name="task", postgresql_where=sa.text("active"))
    op.create_index("task_customer_id", "task", ["customer_id", "task_id"])
    index("task_active", columns=["due_at", "task_id"])
    index("task_owner", columns=["owner", "due_at", "task_id"])
    op.create_index(
        "task_owned", "task", ["owner", "task_id"], postgresql_where=sa.text("owner IS NOT NULL")
    )
    index("task_team", columns=["team", "due_at", "task_id"])
    index("task_rules_version", columns=["rules_version", "task_id"])
    op.create_index(
        "task_closed", "task", ["state", "task_id"], postgresql_where=sa.text("NOT active")
    )
    for name, condition in (("unrouted", "unrouted IS NOT NULL"), ("waiting", "state = 'waiting'")):
        op.create_index(
            f"task_{name}",
            "task",
            ["due_at", "task_id"],
            postgresql_where=sa.text(f"active AND {condition}"),
        )
    op.create_index(
        "task_queue",
        "task",
        ["team", "task_id"],
        postgresql_where=sa.text("active AND owner IS NULL"),
    )


def _create_of_tasks() -> None:
    op.create_table(
        "task_answer",
        sa.Column("alert_id", sa.Text, primary_key=True),
        _Required("task_id", sa.Text, sa.ForeignKey("task.task_id")),
        _Required("response_id", sa.Text),
        _Required("customer_id", sa.Text),
        _Required("joined_at", _Instant),
    )
    op.create_index("task_answer_response_id", "task_answer", ["response_id"])
    op.create_index("task_answer_task_id", "task_answer", ["task_id"])
    op.create_table(
        "message",
        sa.Column("follow_up_id", sa.Text, primary_key=True),
        _Required("task_id", sa.Text, sa.ForeignKey("task.task_id")),
        _Required("customer_id", sa.Text),
        _Required("actor", sa.Text),
        sa.Column("template_id", sa.Text),
        sa.Column("subject", sa.Text),
        _Required("text", sa.Text),
        _Required("state", sa.Text),
        sa.Column("reason", sa.Text),
        _Required("requested_at", _Instant),
        sa.Column("settled_at", _Instant),
    )
    op.create_index("message_task_id", "message", ["task_id"])
    op.create_table(
        "member_turn",
        sa.Column("name", sa.Text, primary_key=True),
        _Required("turn", sa.BigInteger),
    )


def _create_of_customers() -> None:
    op.create_table(
        "customer",
        sa.Column("customer_id", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.Text)
            for name in ("name", "email", "phone", "locale", "timezone", "segment")
        ),
        _Required("attributes", JSONB),
        sa.Column("version", sa.BigInteger),
        *(
            sa.Column(f"{name}_at", _Instant)
            for name in ("occurred", "churned", "returned", "erased")
        ),
    )
    op.create_table(
        "invitation",
        sa.Column("invitation_id", sa.Text, primary_key=True),
        *(_Required(name, sa.Text) for name in ("customer_id", "program_id", "touchpoint")),
        sa.Column("task_id", sa.Text),
        sa.Column("channel", sa.Text),
        sa.Column("recipient", JSONB),
        sa.Column("locale", sa.Text),
        sa.Column("requested_at", _Instant),
    )
    op.create_index("invitation_customer_id", "invitation", ["customer_id"])
    op.create_index(
        "invitation_requested_at", "invitation", ["requested_at"], postgresql_using="brin"
    )
    op.create_index(
        "invitation_task_id",
        "invitation",
        ["task_id"],
        postgresql_where=sa.text("task_id IS NOT NULL"),
    )
    op.create_table(
        "story",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("customer_id", "what", "key")),
        _Required("occurred_at", _Instant),
        _Required("details", JSONB),
    )
    op.create_index("answer_customer_id", "answer", ["customer_id"])
    op.create_index("story_customer_id", "story", ["customer_id", "occurred_at"])
    op.create_index("story_occurred_at", "story", ["occurred_at"], postgresql_using="brin")


def _create_rulebook() -> None:
    op.create_table(
        "rulebook",
        sa.Column("version", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _Required("kind", sa.Text),
        _Required("body", sa.Text),
        _Required("document", JSONB),
        _Required("saved_by", sa.Text),
        _Required("note", sa.Text),
        _Required("saved_at", _Instant),
    )
    op.create_index("rulebook_kind", "rulebook", ["kind", "version"])
    op.create_table(
        "idempotency",
        sa.Column("key", sa.Text, primary_key=True),
        _Required("fingerprint", sa.Text),
        _Required("status", sa.Integer),
        _Required("body", sa.LargeBinary),
        _Required("expires_at", _Instant),
    )
    op.create_index("idempotency_expires_at", "idempotency", ["expires_at"])
