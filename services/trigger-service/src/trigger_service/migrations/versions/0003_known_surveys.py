"""The newest version of each survey; a customer may take an unsubscription back."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "survey",
        sa.Column("survey_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("locales", postgresql.JSONB(), nullable=False),
        sa.Column("variants", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("survey_id"),
    )
    op.add_column("customer", sa.Column("resubscribed_at", sa.DateTime(timezone=True)))
