"""The first tables: facts, rollups, and what every service has."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    _create_shared()
    _create_facts()
    op.create_table(
        "rollup",
        sa.Column("measure", sa.Text(), primary_key=True),
        sa.Column("detail", sa.Text(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("program_id", sa.Text(), primary_key=True),
        sa.Column("touchpoint", sa.Text(), primary_key=True),
        sa.Column("segment", sa.Text(), primary_key=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "rollup",
        "task_step",
        "alert",
        "response",
        "invitation_step",
        "decision",
        "timer",
        "partition_offset",
        "outbox",
    ):
        op.drop_table(table)


def _about() -> list[sa.Column[object]]:
    return [
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("touchpoint", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _create_facts() -> None:
    op.create_table(
        "decision",
        sa.Column("decision_id", sa.Text(), primary_key=True),
        *_about(),
        sa.Column("touchpoint_id", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Text()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
    )
    op.create_table(
        "invitation_step",
        sa.Column("invitation_id", sa.Text(), primary_key=True),
        sa.Column("step", sa.Text(), primary_key=True),
        *_about(),
        sa.Column("reason", sa.Text(), nullable=False),
    )
    op.create_table(
        "response",
        sa.Column("response_id", sa.Text(), primary_key=True),
        *_about(),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("invitation_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("commented", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "alert",
        sa.Column("alert_id", sa.Text(), primary_key=True),
        *_about(),
        sa.Column("response_id", sa.Text(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
    )
    op.create_table(
        "task_step",
        sa.Column("task_id", sa.Text(), primary_key=True),
        sa.Column("step", sa.Text(), primary_key=True),
        sa.Column("clock", sa.Text(), primary_key=True),
        *_about(),
        sa.Column("seconds", sa.Float()),
    )
    op.create_index("task_step_duration", "task_step", ["step", "occurred_at"])


def _create_shared() -> None:
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary()),
        sa.Column("value", sa.LargeBinary()),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
    )
    op.create_index(
        "outbox_unpublished", "outbox", ["seq"], postgresql_where=sa.text("published_at IS NULL")
    )
    op.create_index("outbox_published_at", "outbox", ["published_at"])
    op.create_table(
        "partition_offset",
        sa.Column("topic", sa.Text(), primary_key=True),
        sa.Column("partition", sa.Integer(), primary_key=True),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "timer",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
    )
    op.create_index("timer_due_at", "timer", ["due_at"])
