"""Improvements with their tickets and reporters; what ops are told."""

from functools import partial

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

_Instant = sa.DateTime(timezone=True)
_Required = partial(sa.Column, nullable=False)


def upgrade() -> None:
    """Add the tables."""
    _create_improvement()
    _create_reporter()
    _create_of_trackers()
    _create_of_alerts()


def _create_improvement() -> None:
    op.create_table(
        "improvement",
        sa.Column("improvement_id", sa.Text, primary_key=True),
        *(_Required(name, sa.Text) for name in ("theme_id", "title", "state")),
        sa.Column("owner", sa.Text),
        *(
            _Required(name, sa.Integer)
            for name in ("responses", "detractors", "customers", "reporters")
        ),
        sa.Column("revenue_at_risk", sa.Float),
        sa.Column("currency", sa.Text),
        _Required("quotes", JSONB),
        *(_Required(name, _Instant) for name in ("since", "heard_at", "opened_at", "due_at")),
        *(sa.Column(name, _Instant) for name in ("overdue_at", "closed_at")),
        _Required("version", sa.BigInteger),
        sa.Column("traceparent", sa.Text),
    )
    op.create_index(
        "improvement_open_theme",
        "improvement",
        ["theme_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('open', 'planned')"),
    )
    op.create_index("improvement_theme_id", "improvement", ["theme_id", "improvement_id"])
    op.create_table(
        "improvement_history",
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        _Required("improvement_id", sa.Text, sa.ForeignKey("improvement.improvement_id")),
        _Required("occurred_at", _Instant),
        _Required("what", sa.Text),
        sa.Column("actor", sa.Text),
        _Required("note", sa.Text),
        _Required("details", JSONB),
    )
    op.create_index("improvement_history_improvement_id", "improvement_history", ["improvement_id"])


def _create_reporter() -> None:
    improvement = sa.ForeignKey("improvement.improvement_id")
    op.create_table(
        "reporter",
        sa.Column("improvement_id", sa.Text, improvement, primary_key=True),
        sa.Column("customer_id", sa.Text, primary_key=True),
        *(_Required(name, sa.Text) for name in ("invitation_id", "program_id")),
        _Required("responses", JSONB),
        sa.Column("told_at", _Instant),
        *(sa.Column(name, sa.Text) for name in ("follow_up_id", "outcome")),
    )
    index = partial(op.create_index, table_name="reporter")
    index(
        "reporter_untold",
        columns=["improvement_id", "customer_id"],
        postgresql_where=sa.text("told_at IS NULL"),
    )
    index("reporter_customer_id", columns=["customer_id"])
    index(
        "reporter_follow_up_id",
        columns=["follow_up_id"],
        postgresql_where=sa.text("follow_up_id IS NOT NULL"),
    )


def _create_of_trackers() -> None:
    improvement = sa.ForeignKey("improvement.improvement_id")
    op.create_table(
        "ticket",
        sa.Column("improvement_id", sa.Text, improvement, primary_key=True),
        _Required("tracker_id", sa.Text),
        _Required("number", sa.Integer),
        *(sa.Column(name, sa.Text) for name in ("ticket", "name", "url", "status", "etag")),
        sa.Column("asked_at", _Instant),
        sa.Column("shown", sa.Text),
        *(sa.Column(name, _Instant) for name in ("written_at", "read_at")),
        _Required("faults", sa.Integer),
        sa.Column("fault", sa.Text),
        *(sa.Column(name, _Instant) for name in ("try_at", "leased_until")),
    )
    op.create_index("ticket_ticket", "ticket", ["tracker_id", "ticket"])
    op.create_index("ticket_try_at", "ticket", ["tracker_id", "try_at"])
    op.create_table(
        "tracker",
        sa.Column("tracker_id", sa.Text, primary_key=True),
        _Required("faults", sa.Integer),
        sa.Column("fault", sa.Text),
        *(sa.Column(name, _Instant) for name in ("failing_since", "try_at")),
        _Required("hook_secrets", JSONB),
    )


def _create_of_alerts() -> None:
    op.create_table(
        "ops_alert",
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        *(_Required(name, sa.Text) for name in ("alert_key", "target_id", "kind", "title", "text")),
        *(sa.Column(name, sa.Text) for name in ("task_id", "improvement_id", "team")),
        _Required("people", JSONB),
        _Required("raised_at", _Instant),
        sa.Column("message_id", sa.Text),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_at", _Instant),
    )
    op.create_index("ops_alert_key", "ops_alert", ["alert_key", "target_id"], unique=True)
    op.create_index("ops_alert_message_id", "ops_alert", ["message_id"])
    op.create_index("ops_alert_task_id", "ops_alert", ["task_id"])
    waiting, unsent = sa.text("message_id IS NULL"), sa.text("state = 'sending'")
    op.create_index(
        "ops_alert_waiting", "ops_alert", ["target_id", "seq"], postgresql_where=waiting
    )
    op.create_table(
        "alert_message",
        sa.Column("message_id", sa.Text, primary_key=True),
        *(_Required(name, sa.Text) for name in ("target_id", "what", "state")),
        *(sa.Column(name, sa.Text) for name in ("incident", "fault")),
        _Required("content", JSONB),
        *(_Required(name, sa.Integer) for name in ("alerts", "attempts", "doubts")),
        *(_Required(name, _Instant) for name in ("try_at", "made_at")),
        *(sa.Column(name, _Instant) for name in ("leased_until", "settled_at", "ended_at")),
    )
    op.create_index("alert_message_made_at", "alert_message", ["made_at", "message_id"])
    op.create_index("alert_message_target", "alert_message", ["target_id", "made_at"])
    op.create_index("alert_message_unsent", "alert_message", ["try_at"], postgresql_where=unsent)
    op.create_index(
        "alert_message_incident",
        "alert_message",
        ["message_id"],
        postgresql_where=sa.text("incident IS NOT NULL AND ended_at IS NULL AND what = 'alerts'"),
    )
