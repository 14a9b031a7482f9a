"""What closeloop knows of customers from others' events: its own projections."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, SmallInteger, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from closeloop_service.tables.base import Instant, Required, metadata

# Newest profile of each customer. `occurred_at` and `version` order what comes late. Of one who was
# erased the row stays, without the profile: what still comes of them is not kept.
CUSTOMER: Final = Table(
    "customer",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("name", Text),
    Column("email", Text),
    Column("phone", Text),
    Column("locale", Text),
    Column("timezone", Text),
    Column("segment", Text),
    Required("attributes", JSONB),
    Column("version", BigInteger),
    Column("occurred_at", Instant),
    Column("churned_at", Instant),
    Column("returned_at", Instant),
    Column("erased_at", Instant),
)

# Conversations: what was asked, by which channel. `task_id`: it is the recovery question of it.
INVITATION: Final = Table(
    "invitation",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Required("customer_id", Text),
    Required("program_id", Text),
    Required("touchpoint", Text),
    Column("task_id", Text),
    Column("channel", Text),
    Column("recipient", JSONB),
    Column("locale", Text),
    Column("requested_at", Instant),
)
Index("invitation_customer_id", INVITATION.c.customer_id)
# Rows come in the order of time, so a summary of each stretch of pages finds what is old.
Index("invitation_requested_at", INVITATION.c.requested_at, postgresql_using="brin")
Index("invitation_task_id", INVITATION.c.task_id, postgresql_where=text("task_id IS NOT NULL"))

# The newest revision of each answer that is known, whichever of alert and revision came first.
ANSWER: Final = Table(
    "answer",
    metadata,
    Column("response_id", Text, primary_key=True),
    Required("customer_id", Text),
    Required("revision", BigInteger),
    Required("scale", Text, server_default="nps"),
    Required("score", SmallInteger),
    Column("comment", Text),
)
Index("answer_customer_id", ANSWER.c.customer_id)

# The customer's story, a line for each thing that happened; `key` makes a repeat no second line.
STORY: Final = Table(
    "story",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("what", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Required("occurred_at", Instant),
    Required("details", JSONB),
)
Index("story_customer_id", STORY.c.customer_id, STORY.c.occurred_at)
Index("story_occurred_at", STORY.c.occurred_at, postgresql_using="brin")
