"""Pinned surveys, short codes, drivers, the quarantine, visits, and what trusted systems sent.

Invitations and answers are carried over: all of them were asked with the first version of a survey
on the scale from 0 to 10. Links of text messages did not exist, so no codes are made for them.
What replicas of before add while they still run gets the same by default.
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
    _invitations()
    _responses()
    _quarantine()
    _visits()
    _surveys()
    _submissions()


def _invitations() -> None:
    op.add_column("invitation", sa.Column("survey_version", sa.Integer(), server_default="1"))
    op.add_column("invitation", sa.Column("variant", sa.Text()))
    op.add_column("invitation", sa.Column("opened_at", _TIME))
    op.create_table(
        "short_code",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Text(), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("code"),
    )
    op.create_index("short_code_expires_at", "short_code", ["expires_at"])


def _responses() -> None:
    for column in (
        sa.Column("survey_id", sa.Text(), nullable=False, server_default="nps"),
        sa.Column("survey_version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("scale", sa.Text(), nullable=False, server_default="nps"),
    ):
        op.add_column("response", column)
    for table in ("response", "response_revision"):
        empty = sa.Column("drivers", postgresql.JSONB(), nullable=False, server_default="{}")
        op.add_column(table, empty)
        op.add_column(table, sa.Column("client", sa.LargeBinary()))
        op.add_column(table, sa.Column("taken_back_at", _TIME))
    op.execute("""
        UPDATE response r SET survey_id = i.survey_id
        FROM invitation i
        WHERE i.invitation_id = r.invitation_id AND i.survey_id <> r.survey_id
    """)
    op.add_column("response_revision", sa.Column("channel", sa.Text()))
    hashed = sa.text("md5(comment)")
    op.create_index("response_comment_hash", "response", [hashed, "answered_at"])


def _quarantine() -> None:
    op.create_table(
        "quarantine",
        sa.Column("quarantine_id", sa.Text(), nullable=False),
        sa.Column("invitation_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("scale", sa.Text(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("comment", sa.Text()),
        sa.Column("drivers", postgresql.JSONB(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("answered_at", _TIME, nullable=False),
        sa.Column("quarantined_at", _TIME, nullable=False),
        sa.Column("client", sa.LargeBinary()),
        sa.Column("channel", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_at", _TIME),
        sa.Column("decided_by", sa.Text()),
        sa.PrimaryKeyConstraint("quarantine_id"),
    )
    op.create_index("quarantine_invitation_id", "quarantine", ["invitation_id"])
    op.create_index("quarantine_state", "quarantine", ["state", "quarantined_at"])


def _visits() -> None:
    op.create_table(
        "visit",
        sa.Column("visit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("invitation_id", sa.Text(), nullable=False),
        sa.Column("score", sa.SmallInteger()),
        sa.Column("client", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("visited_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("visit_id"),
    )
    op.create_index("visit_invitation_id", "visit", ["invitation_id", "visited_at"])
    op.create_index("visit_visited_at", "visit", ["visited_at"])


def _surveys() -> None:
    op.create_table(
        "survey_version",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("published_at", _TIME, nullable=False),
        sa.Column("published_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("survey_id", "version"),
    )


def _submissions() -> None:
    op.create_table(
        "submission",
        sa.Column("api_key", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("api_key", "idempotency_key"),
    )
    op.create_index("submission_created_at", "submission", ["created_at"])
