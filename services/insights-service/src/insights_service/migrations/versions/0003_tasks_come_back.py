"""Tasks that are resolved more than once, reopened, cancelled, and what came of them.

Stop insights-service before it: replicas of before name the old key of the steps, which is gone,
and would set events aside over it. What is published meanwhile waits on the broker.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Tell the times apart that a step happens."""
    op.add_column(
        "task_step", sa.Column("occurrence", sa.Integer(), server_default="0", nullable=False)
    )
    op.drop_constraint("task_step_pkey", "task_step", type_="primary")
    op.create_primary_key("task_step_pkey", "task_step", ["task_id", "step", "clock", "occurrence"])
