"""The outbox rings the relay's bell by itself."""

from heardback.migrations import have_outbox_ring

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rings of replicas of before come besides, and do no harm."""
    have_outbox_ring()
