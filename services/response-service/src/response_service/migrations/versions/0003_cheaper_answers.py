"""The outbox rings the relay's bell by itself; answers are in no index that nobody reads."""

import sqlalchemy as sa
from alembic import op

from heardback.migrations import have_outbox_ring

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rings of replicas of before come besides, and do no harm."""
    have_outbox_ring()
    for column in ("alert_id", "response_id"):
        op.drop_constraint(f"response_{column}_key", "response")
    op.drop_index("response_comment_hash", "response")
    told = sa.text("comment IS NOT NULL")
    hashed = sa.text("md5(comment)")
    op.create_index(
        "response_comment_hash", "response", [hashed, "answered_at"], postgresql_where=told
    )
