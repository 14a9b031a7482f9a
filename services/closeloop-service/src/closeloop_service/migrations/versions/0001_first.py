"""The first tables: tasks, their history, answers, and what every service has."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    _create_shared()
    _create_task()
    op.create_table(
        "task_history",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("task_id", sa.Text(), sa.ForeignKey("task.task_id"), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(), nullable=False),
    )
    op.create_index("task_history_task_id", "task_history", ["task_id", "seq"])
    op.create_table(
        "answer",
        sa.Column("response_id", sa.Text(), primary_key=True),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text()),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("answer", "task_history", "task", "timer", "partition_offset", "outbox"):
        op.drop_table(table)


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
        sa.Column("partition", sa.Integer(), primary_key=True, autoincrement=False),
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


def _create_task() -> None:
    op.create_table(
        "task",
        sa.Column("task_id", sa.Text(), primary_key=True),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("touchpoint", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text()),
        sa.Column("recipient", postgresql.JSONB(), nullable=False),
        sa.Column("response_id", sa.Text(), nullable=False),
        sa.Column("response_revision", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True)),
        sa.Column("contacted_at", sa.DateTime(timezone=True)),
        sa.Column("resolved_at", sa.DateTime(timezone=True)),
        *_clock("first_response"),
        *_clock("resolution"),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("root_cause", sa.Text()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("traceparent", sa.Text()),
        sa.Column("changed_in", sa.BigInteger(), nullable=False),
    )
    op.create_index("task_alert_id", "task", ["alert_id"], unique=True)
    for column in ("customer_id", "response_id", "changed_in"):
        op.create_index(f"task_{column}", "task", [column])
    op.create_index(
        "task_active",
        "task",
        ["due_at", "task_id"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def _clock(name: str) -> list[sa.Column[object]]:
    return [
        sa.Column(f"{name}_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(f"{name}_warned", sa.Boolean(), nullable=False),
        sa.Column(f"{name}_breached", sa.Boolean(), nullable=False),
    ]
