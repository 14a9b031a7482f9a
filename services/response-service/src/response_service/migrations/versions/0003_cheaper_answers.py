"""Answers are kept once: the last one to an invitation is its response.

Nothing is lost: what the response said beyond its last revision goes into the revisions. Replicas
of before can take no answers without its table, and tell customers to send theirs again; they are
best stopped first. And the outbox rings the relay's bell by itself.
"""

import sqlalchemy as sa
from alembic import op

from heardback.migrations import have_outbox_ring

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NEW = (
    ("response_id", sa.Text(), False),
    ("survey_id", sa.Text(), False),
    ("survey_version", sa.Integer(), False),
    ("scale", sa.Text(), False),
    ("alert_id", sa.Text(), True),
)


def upgrade() -> None:
    """Make one table of two."""
    have_outbox_ring()
    for name, kind, _ in _NEW:
        op.add_column("response_revision", sa.Column(name, kind))
    op.execute("""
        UPDATE response_revision v
        SET response_id = r.response_id, survey_id = r.survey_id, scale = r.scale,
            survey_version = r.survey_version,
            alert_id = CASE WHEN v.revision = r.revision THEN r.alert_id END,
            taken_back_at = CASE v.revision WHEN r.revision THEN r.taken_back_at
                                            ELSE v.taken_back_at END
        FROM response r WHERE r.invitation_id = v.invitation_id
    """)
    for name, _, nullable in _NEW:
        op.alter_column("response_revision", name, nullable=nullable)
    op.drop_table("response")
    op.create_index(
        "response_revision_comment_hash",
        "response_revision",
        [sa.text("md5(comment)"), "answered_at"],
        postgresql_where=sa.text("comment IS NOT NULL"),
    )
