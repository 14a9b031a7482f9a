"""The scale that a score is on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Say of every score that it is on the scale of the NPS; replicas of before say nothing."""
    for table in ("task", "answer"):
        scale = sa.Column("scale", sa.Text(), server_default="nps", nullable=False)
        op.add_column(table, scale)
