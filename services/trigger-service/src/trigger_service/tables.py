"""The tables of trigger. Each that grows carries the customer's id."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
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
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("file_digest", Text),
    Column("changed_at", DateTime(timezone=True), nullable=False),
)
"""`version` is the one in force; `file_digest`, of the file that it was last read from, if any."""

PROGRAM_VERSION: Final = Table(
    "program_version",
    metadata,
    Column("program_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""Documents are JSON text, written once and never changed."""

GOVERNANCE: Final = Table(
    "governance",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
    Column("file_digest", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""The highest version is in force."""

SURVEY: Final = Table(
    "survey",
    metadata,
    Column("survey_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("locales", JSONB, nullable=False),
    Column("variants", JSONB, nullable=False),
)
"""The newest version of each that was published, the languages of its texts, and its variants."""

CUSTOMER: Final = Table(
    "customer",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("bucket", BigInteger, nullable=False),
    Column("email", Text),
    Column("phone", Text),
    Column("name", Text),
    Column("locale", Text),
    Column("timezone", Text),
    Column("segment", Text),
    Column("attributes", JSONB, nullable=False),
    Column("profile_at", DateTime(timezone=True)),
    Column("profile_version", BigInteger),
    Column("churned_at", DateTime(timezone=True)),
    Column("returned_at", DateTime(timezone=True)),
    Column("erased_at", DateTime(timezone=True)),
    Column("unsubscribed_at", DateTime(timezone=True)),
    Column("resubscribed_at", DateTime(timezone=True)),
    Column("uses", JSONB, nullable=False),
)
Index("customer_bucket", CUSTOMER.c.bucket)

TOUCHPOINT: Final = Table(
    "touchpoint",
    metadata,
    Column("touchpoint_id", Text, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("subject", Text),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True), nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("outcomes", JSONB, nullable=False),
)
"""What happened, and what each program made of it.

The natural key is the hash of source and event id: a repeated event is not taken again. `outcomes`
is a list of `{"program", "version", "invitation", "against": [[reason, detail], …]}`.
"""
Index("touchpoint_customer", TOUCHPOINT.c.customer_id, TOUCHPOINT.c.seq)
Index("touchpoint_source", TOUCHPOINT.c.source, TOUCHPOINT.c.verdict)
Index("touchpoint_decided_at", TOUCHPOINT.c.decided_at, postgresql_using="brin")

REVOCATION: Final = Table(
    "revocation",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("revoked_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
)
"""Kept, so that it wins over a touchpoint that comes later although it happened before."""

INVITATION: Final = Table(
    "invitation",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("program_id", Text, nullable=False),
    Column("program_version", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("touchpoint", Text, nullable=False),
    Column("touchpoint_id", Text, nullable=False),
    Column("subject", Text),
    Column("survey_id", Text, nullable=False),
    Column("variant", Text),
    Column("locale", Text),
    Column("segment", Text),
    Column("channels", JSONB, nullable=False),
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
    postgresql_where=text("state IN ('pending', 'requested', 'shadow')"),
)

TALLY: Final = Table(
    "tally",
    metadata,
    Column("day", Date, primary_key=True),
    Column("program_id", Text, primary_key=True),
    Column("verdict", Text, primary_key=True),
    Column("shard", SmallInteger, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
"""How often each program decided what. Added up over the shards, so that replicas don't queue."""

DAILY_COUNT: Final = Table(
    "daily_count",
    metadata,
    Column("day", DateTime(timezone=True), primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("requested", Integer, nullable=False),
)
"""How many invitations of a limited scope went out on a day; `day` is when it began."""

CADENCE: Final = Table(
    "cadence",
    metadata,
    Column("program_id", Text, primary_key=True),
    Column("cadence", Text, primary_key=True),
    Column("period", Integer, primary_key=True),
    Column("start", BigInteger, nullable=False),
    Column("width", BigInteger, nullable=False),
    Column("begins", Double, nullable=False),
    Column("steps", BigInteger, nullable=False),
)
"""How far along its arc of customers a program has come in a period that it began so late."""
