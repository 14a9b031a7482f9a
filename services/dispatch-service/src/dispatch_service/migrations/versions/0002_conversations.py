"""Conversations over several channels: what is said is a row of its own.

What was sent, what waits and who is off the list are carried over; a mail that was half sent keeps
its lease. When it was asked for is not known of an old invitation: it is when it was settled.

Replicas of the version before may run meanwhile. They are locked out while the rows move; what they
do afterwards fails for a column that is gone, which they wait out and never set aside, or works:
the columns that they don't know have defaults, which stay. Their page to unsubscribe does fail, as
it names the old key: stop them, or send customers to the new replicas, before this runs.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Move the queue out of the invitations, and make room for channels, scopes and surveys."""
    op.execute("LOCK TABLE invitation, attempt, suppression IN ACCESS EXCLUSIVE MODE")
    _create_message()
    _change_invitation()
    _change_attempt()
    _change_suppression()
    _create_provider_tables()
    _create_channel_score()
    _create_survey_version()


def _create_message() -> None:
    op.create_table(
        "message",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invitation_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("content", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("deadline_at", _TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("doubts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", _TIME),
        sa.Column("opens_at", _TIME),
        sa.Column("provider", sa.Text()),
        sa.Column("reference", sa.Text()),
        sa.Column("settled_at", _TIME),
        sa.Column("drop_reason", sa.Text()),
        sa.Column("dismissed_at", _TIME),
        sa.PrimaryKeyConstraint("message_id"),
    )
    _move_queue()
    _index_message()


def _move_queue() -> None:
    # A queued one without an address is dropped, with its event, when it is taken.
    op.execute("""
        INSERT INTO message (message_id, invitation_id, customer_id, kind, channel, address,
                             deadline_at, state, attempts, tries, due_at, provider,
                             settled_at, drop_reason)
        SELECT invitation_id, invitation_id, customer_id, 'invitation', channel,
               coalesce(email, ''), expires_at, state, attempts, attempts, due_at,
               CASE WHEN attempts > 0 THEN 'smtp' END, settled_at, drop_reason
        FROM invitation ORDER BY coalesce(settled_at, due_at), invitation_id
    """)


def _index_message() -> None:
    waits = sa.text("due_at IS NOT NULL")
    op.create_index("message_due", "message", ["channel", "due_at"], postgresql_where=waits)
    op.create_index("message_waiting", "message", ["customer_id", "seq"], postgresql_where=waits)
    op.create_index("message_invitation_id", "message", ["invitation_id"])
    op.create_index("message_customer_id", "message", ["customer_id", "channel"])
    op.create_index(
        "message_reference",
        "message",
        ["reference"],
        postgresql_where=sa.text("reference IS NOT NULL"),
    )


def _change_invitation() -> None:
    _add_to_invitation()
    op.execute("""
        UPDATE invitation SET
            channels = jsonb_build_array(channel),
            requested_at = coalesce(settled_at, now()),
            state = CASE WHEN state IN ('queued', 'sending') THEN 'waiting' ELSE state END
    """)
    op.alter_column("invitation", "channels", nullable=False)
    op.alter_column("invitation", "requested_at", nullable=False)
    op.alter_column("invitation", "channel", nullable=True)
    op.drop_index("invitation_due_at", "invitation")
    for name in ("attempts", "due_at", "settled_at"):
        op.drop_column("invitation", name)
    op.drop_index("invitation_customer_id", "invitation")
    op.create_index("invitation_customer_id", "invitation", ["customer_id", "requested_at"])
    op.create_index("invitation_phone", "invitation", ["phone", "requested_at"])


def _add_to_invitation() -> None:
    for column in (
        sa.Column("program_type", sa.Text()),
        sa.Column("survey_version", sa.Integer()),
        sa.Column("variant", sa.Text()),
        sa.Column("channels", postgresql.JSONB()),
        sa.Column("learn_channels", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("phone", sa.Text()),
        sa.Column("locale", sa.Text()),
        sa.Column("hours", postgresql.JSONB()),
        sa.Column("reminders", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reminder_after_seconds", sa.Integer()),
        sa.Column("fallback_after_seconds", sa.Integer()),
        sa.Column("requested_at", _TIME),
        sa.Column("reminders_sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("opened_at", _TIME),
        sa.Column("answered_at", _TIME),
        sa.Column("way_out_seen_at", _TIME),
    ):
        op.add_column("invitation", column)


def _change_attempt() -> None:
    op.alter_column("attempt", "invitation_id", new_column_name="message_id")
    op.add_column(
        "attempt", sa.Column("provider", sa.Text(), nullable=False, server_default="smtp")
    )


def _change_suppression() -> None:
    op.add_column(
        "suppression", sa.Column("scoped_to", sa.Text(), nullable=False, server_default="")
    )
    op.add_column(
        "suppression",
        sa.Column("reason", sa.Text(), nullable=False, server_default="unsubscribed"),
    )
    op.add_column("suppression", sa.Column("note", sa.Text()))
    op.alter_column("suppression", "invitation_id", nullable=True)
    op.drop_constraint("suppression_pkey", "suppression")
    op.create_primary_key(
        "suppression_pkey", "suppression", ["customer_id", "address", "scope", "scoped_to"]
    )


def _create_provider_tables() -> None:
    op.create_table(
        "provider_budget",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("filled_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider"),
    )
    op.create_table(
        "webhook_endpoint",
        sa.Column("endpoint_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secrets", postgresql.JSONB(), nullable=False),
        sa.Column("programs", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("failing_since", _TIME),
        sa.Column("failed_at", _TIME),
        sa.Column("disabled_at", _TIME),
        sa.Column("disabled_reason", sa.Text()),
        sa.PrimaryKeyConstraint("endpoint_id"),
    )
    op.create_table(
        "provider_event",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider", "event_id"),
    )
    op.create_index("provider_event_received_at", "provider_event", ["received_at"])


def _create_channel_score() -> None:
    op.create_table(
        "channel_score",
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("answered", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("segment", "channel"),
    )


def _create_survey_version() -> None:
    op.create_table(
        "survey_version",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("published_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("survey_id", "version"),
    )
