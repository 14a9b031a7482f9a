"""Reminders by their number, variants, scales other than the NPS's, answers in quarantine.

Stop insights-service before it: replicas of before name the old key of the steps, which is gone,
and would set events aside over it. What is published meanwhile waits on the broker.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what the facts say since."""
    op.add_column(
        "invitation_step",
        sa.Column("number", sa.SmallInteger(), server_default="0", nullable=False),
    )
    op.drop_constraint("invitation_step_pkey", "invitation_step", type_="primary")
    op.create_primary_key(
        "invitation_step_pkey", "invitation_step", ["invitation_id", "step", "number"]
    )
    op.add_column("invitation_step", sa.Column("variant", sa.Text()))
    op.create_index(
        "invitation_step_variant",
        "invitation_step",
        ["program_id", "occurred_at"],
        postgresql_where=sa.text("variant IS NOT NULL"),
    )
    op.add_column("response", sa.Column("scale", sa.Text(), server_default="nps", nullable=False))
    op.alter_column("response", "score", nullable=True)
    op.create_index("response_invitation_id", "response", ["invitation_id"])
