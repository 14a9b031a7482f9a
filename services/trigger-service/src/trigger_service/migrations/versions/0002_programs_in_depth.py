"""Versioned programs and governance; touchpoints with their decisions; cohorts, counts, cadences.

What was decided and what waits is carried over. Programs are not: files put them in force again.
What waits from before has no subject: a refund or a reopening does not cancel it.
"""

from hashlib import blake2b

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _programs()
    _customers()
    _touchpoints()
    _invitations()
    _counts()


def _programs() -> None:
    op.drop_table("program")
    op.create_table(
        "program",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("file_digest", sa.Text()),
        sa.Column("changed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("program_id"),
    )
    op.create_table(
        "program_version",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("program_id", "version"),
    )
    op.create_table(
        "governance",
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("file_digest", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )


def _customers() -> None:
    op.add_column("customer", sa.Column("bucket", sa.BigInteger()))
    op.add_column("customer", sa.Column("profile_version", sa.BigInteger()))
    op.add_column("customer", sa.Column("returned_at", _TIME))
    for name in ("attributes", "uses"):
        empty = sa.Column(name, postgresql.JSONB(), nullable=False, server_default="{}")
        op.add_column("customer", empty)
        op.alter_column("customer", name, server_default=None)
    connection, last = op.get_bind(), ""
    some = sa.text("""
        SELECT customer_id FROM customer WHERE customer_id > :last ORDER BY customer_id LIMIT 10000
    """)
    save = sa.text("""
        UPDATE customer c SET bucket = b.bucket
        FROM unnest(CAST(:ids AS text[]), CAST(:buckets AS bigint[])) AS b (customer_id, bucket)
        WHERE c.customer_id = b.customer_id
    """)
    while ids := list(connection.execute(some, {"last": last}).scalars()):
        connection.execute(save, {"ids": ids, "buckets": [_bucket(key) for key in ids]})
        last = ids[-1]
    op.alter_column("customer", "bucket", nullable=False)
    op.create_index("customer_bucket", "customer", ["bucket"])


def _bucket(customer_id: str) -> int:
    return int.from_bytes(blake2b(customer_id.encode(), digest_size=4).digest(), "big")


def _touchpoints() -> None:
    op.add_column(
        "touchpoint", sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False)
    )
    op.add_column("touchpoint", sa.Column("subject", sa.Text()))
    op.alter_column("touchpoint", "received_at", new_column_name="decided_at")
    for name, empty in (("facts", "{}"), ("outcomes", "[]")):
        column = sa.Column(name, postgresql.JSONB(), nullable=False, server_default=empty)
        op.add_column("touchpoint", column)
        op.alter_column("touchpoint", name, server_default=None)
    op.add_column("touchpoint", sa.Column("verdict", sa.Text()))
    op.execute("""
        UPDATE touchpoint t SET verdict = d.verdict, outcomes = d.outcomes
        FROM (
            SELECT touchpoint_id, max(verdict) FILTER (WHERE is_decisive) AS verdict,
                   jsonb_agg(jsonb_build_object(
                       'program', program_id, 'version', 1, 'invitation', invitation_id,
                       'against', (SELECT coalesce(jsonb_agg(jsonb_build_array(reason, '')), '[]')
                                   FROM jsonb_array_elements_text(reasons) AS r (reason))
                   ) ORDER BY decision_id) AS outcomes
            FROM decision GROUP BY touchpoint_id
        ) AS d
        WHERE d.touchpoint_id = t.touchpoint_id
    """)
    op.execute("UPDATE touchpoint SET verdict = 'no_program' WHERE verdict IS NULL")
    op.alter_column("touchpoint", "verdict", nullable=False)
    op.create_index("touchpoint_customer", "touchpoint", ["customer_id", "seq"])
    op.create_index("touchpoint_source", "touchpoint", ["source", "verdict"])
    op.create_index("touchpoint_decided_at", "touchpoint", ["decided_at"], postgresql_using="brin")


def _invitations() -> None:
    op.add_column(
        "invitation",
        sa.Column("program_version", sa.Integer(), nullable=False, server_default="1"),
    )
    op.alter_column("invitation", "program_version", server_default=None)
    for name in ("touchpoint_id", "subject", "variant", "locale"):
        op.add_column("invitation", sa.Column(name, sa.Text()))
    op.add_column("invitation", sa.Column("channels", postgresql.JSONB()))
    op.execute("""
        UPDATE invitation i
        SET channels = jsonb_build_array(channel),
            touchpoint_id = coalesce(
                (SELECT touchpoint_id FROM decision d
                 WHERE d.customer_id = i.customer_id AND d.invitation_id = i.invitation_id), '')
    """)
    op.alter_column("invitation", "touchpoint_id", nullable=False)
    op.alter_column("invitation", "channels", nullable=False)
    op.drop_column("invitation", "channel")
    op.drop_table("decision")
    op.drop_index("invitation_slot", "invitation")
    op.create_index(
        "invitation_slot",
        "invitation",
        ["customer_id"],
        postgresql_where=sa.text("state IN ('pending', 'requested', 'shadow')"),
    )
    op.create_table(
        "revocation",
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("revoked_at", _TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "subject"),
    )


def _counts() -> None:
    op.create_table(
        "tally",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "program_id", "verdict", "shard"),
    )
    op.create_table(
        "daily_count",
        sa.Column("day", _TIME, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("requested", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "scope"),
    )
    op.create_table(
        "cadence",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("cadence", sa.Text(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("begins", sa.Double(), nullable=False),
        sa.Column("steps", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "cadence", "period"),
    )
