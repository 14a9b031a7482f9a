"""The tables of trigger. Each that grows carries the customer's id."""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    Interval,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from heardback.offsets import partition_offset_table
from heardback.outbox import outbox_table
from heardback.timers import timer_table

metadata: Final = MetaData()
outbox_table(metadata)
partition_offset_table(metadata)
timer_table(metadata)

PROGRAM: Final = Table(
    "program",
    metadata,
    Column("program_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("touchpoint", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("survey_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("delay_min", Interval, nullable=False),
    Column("delay_max", Interval, nullable=False),
    Column("expires_after", Interval, nullable=False),
    Column("cooldown_any", Interval, nullable=False),
    Column("cooldown_type", Interval, nullable=False),
    Column("cooldown_program", Interval, nullable=False),
)

CUSTOMER: Final = Table(
    "customer",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("email", Text),
    Column("phone", Text),
    Column("name", Text),
    Column("locale", Text),
    Column("timezone", Text),
    Column("segment", Text),
    Column("profile_at", DateTime(timezone=True)),
    Column("churned_at", DateTime(timezone=True)),
    Column("erased_at", DateTime(timezone=True)),
    Column("unsubscribed_at", DateTime(timezone=True)),
)

TOUCHPOINT: Final = Table(
    "touchpoint",
    metadata,
    Column("touchpoint_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
)
"""The natural key is the hash of source and event id: a repeated event is not taken again."""

DECISION: Final = Table(
    "decision",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("decision_id", Text, primary_key=True),
    Column("touchpoint_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("program_id", Text),
    Column("invitation_id", Text),
    Column("verdict", Text, nullable=False),
    Column("reasons", JSONB, nullable=False),
    Column("is_decisive", Boolean, nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
)
"""Decision ids grow with time, so the key lists a customer's decisions in order."""
Index(
    "decision_decisive",
    DECISION.c.source,
    DECISION.c.verdict,
    postgresql_where=text("is_decisive"),
)

INVITATION: Final = Table(
    "invitation",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("program_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("touchpoint", Text, nullable=False),
    Column("survey_id", Text, nullable=False),
    Column("segment", Text),
    Column("channel", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("send_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
)
"""A pending or requested invitation is a cooldown slot; a cancelled or released one is none."""
Index(
    "invitation_slot",
    INVITATION.c.customer_id,
    postgresql_where=text("state IN ('pending', 'requested')"),
)
