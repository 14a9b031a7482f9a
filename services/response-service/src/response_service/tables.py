"""The tables of response-service."""

from sqlalchemy import Column, DateTime, Index, Integer, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

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
    Column("recipient", JSONB, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("traceparent", Text),
)
"""A projection of what trigger-service requested."""
Index("invitation_customer_id", INVITATION.c.customer_id)

RESPONSE = Table(
    "response",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("response_id", Text, nullable=False, unique=True),
    Column("customer_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text),
    Column("alert_id", Text, unique=True),
    Column("answered_at", DateTime(timezone=True), nullable=False),
)
"""The answer that counts: the last one."""
Index("response_customer_id", RESPONSE.c.customer_id)

RESPONSE_REVISION = Table(
    "response_revision",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text),
    Column("answered_at", DateTime(timezone=True), nullable=False),
)
"""Every answer that ever counted, the current one included."""
