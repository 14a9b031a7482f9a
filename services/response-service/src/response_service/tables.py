"""The tables of response-service."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
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
    Column("survey_version", Integer, server_default="1"),
    Column("variant", Text),
    Column("segment", Text),
    Column("channel", Text, nullable=False),
    Column("recipient", JSONB, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("traceparent", Text),
    Column("opened_at", DateTime(timezone=True)),
)
"""A projection of what trigger-service requested; `channel` follows what was sent last.

`survey_version`: the one that was pinned, here at the latest.
"""
Index("invitation_customer_id", INVITATION.c.customer_id)

SHORT_CODE = Table(
    "short_code",
    metadata,
    Column("code", Text, primary_key=True),
    Column("invitation_id", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
)
"""The short links of text messages: one code for each link key, made of key and invitation."""
Index("short_code_expires_at", SHORT_CODE.c.expires_at)

RESPONSE_REVISION = Table(
    "response_revision",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("response_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("survey_id", Text, nullable=False),
    Column("survey_version", Integer, nullable=False),
    Column("scale", Text, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text),
    Column("drivers", JSONB, nullable=False, server_default="{}"),
    Column("alert_id", Text),
    Column("answered_at", DateTime(timezone=True), nullable=False),
    Column("client", LargeBinary),
    Column("channel", Text),
    Column("taken_back_at", DateTime(timezone=True)),
)
"""Every answer that ever counted. The last one to an invitation is its response: what we hold.

`client`: a keyed hash of what sent it, for the judging of what comes next; it says nothing about a
person. `taken_back_at`: it went to the quarantine. Where that is the last one, none counts; the row
stays so that revisions go on.
"""
Index(
    "response_revision_comment_hash",
    text("md5(comment)"),
    RESPONSE_REVISION.c.answered_at,
    postgresql_where=RESPONSE_REVISION.c.comment.is_not(None),
)

QUARANTINE = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", Text, primary_key=True),
    Column("invitation_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("scale", Text, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text),
    Column("drivers", JSONB, nullable=False),
    Column("reasons", JSONB, nullable=False),
    Column("answered_at", DateTime(timezone=True), nullable=False),
    Column("quarantined_at", DateTime(timezone=True), nullable=False),
    Column("client", LargeBinary),
    Column("channel", Text),
    Column("state", Text, nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", Text),
)
"""Suspect answers: held until a person releases or discards them."""
Index("quarantine_invitation_id", QUARANTINE.c.invitation_id)
Index("quarantine_state", QUARANTINE.c.state, QUARANTINE.c.quarantined_at)

VISIT = Table(
    "visit",
    metadata,
    Column("visit_id", BigInteger, Identity(always=True), primary_key=True),
    Column("invitation_id", Text, nullable=False),
    Column("score", SmallInteger),
    Column("client", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("visited_at", DateTime(timezone=True), nullable=False),
)
"""Each look at a survey page, for a day: many links of one mail in a moment are a scanner."""
Index("visit_invitation_id", VISIT.c.invitation_id, VISIT.c.visited_at)
Index("visit_visited_at", VISIT.c.visited_at)

SURVEY_VERSION = Table(
    "survey_version",
    metadata,
    Column("survey_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("digest", Text, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
    Column("published_by", Text, nullable=False),
)
"""Every version of every survey; a version never changes."""

SUBMISSION = Table(
    "submission",
    metadata,
    Column("api_key", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""How requests of trusted systems were answered, by their idempotency key, for a day.

One that is under way has no row: it holds an advisory lock.
"""
Index("submission_created_at", SUBMISSION.c.created_at)
