"""The tables of dispatch-service."""

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, Table, Text, text

from heardback.offsets import partition_offset_table
from heardback.outbox import outbox_table
from heardback.timers import timer_table

metadata = MetaData()
outbox_table(metadata)
partition_offset_table(metadata)
timer_table(metadata)

INVITATION = Table(
    "invitation",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("program_id", Text, nullable=False),
    Column("touchpoint", Text, nullable=False),
    Column("survey_id", Text, nullable=False),
    Column("segment", Text),
    Column("channel", Text, nullable=False),
    Column("email", Text),
    Column("name", Text),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("traceparent", Text),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True)),
    Column("settled_at", DateTime(timezone=True)),
    Column("drop_reason", Text),
)
"""`due_at`: when it is to be taken; while it is being sent, when its lease is over; null: done."""
Index("invitation_due_at", INVITATION.c.due_at, postgresql_where=text("due_at IS NOT NULL"))
Index("invitation_customer_id", INVITATION.c.customer_id)

ATTEMPT = Table(
    "attempt",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("detail", Text),
)
"""Written before a mail is sent. No outcome: its sender died, or is at it."""

SUPPRESSION = Table(
    "suppression",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("invitation_id", Text, nullable=False),
    Column("suppressed_at", DateTime(timezone=True), nullable=False),
)
"""Who is not asked any more: neither the customer elsewhere, nor another one at the address."""
Index("suppression_address", SUPPRESSION.c.address)
