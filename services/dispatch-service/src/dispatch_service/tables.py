"""The tables of dispatch-service."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
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
    Column("program_type", Text),
    Column("touchpoint", Text, nullable=False),
    Column("survey_id", Text, nullable=False),
    Column("survey_version", Integer),
    Column("variant", Text),
    Column("segment", Text),
    Column("channels", JSONB, nullable=False),
    Column("learn_channels", Boolean, nullable=False, server_default="false"),
    Column("email", Text),
    Column("phone", Text),
    Column("name", Text),
    Column("locale", Text),
    Column("hours", JSONB),
    Column("reminders", Integer, nullable=False, server_default="0"),
    Column("reminder_after_seconds", Integer),
    Column("fallback_after_seconds", Integer),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("traceparent", Text),
    Column("state", Text, nullable=False),
    Column("channel", Text),
    Column("reminders_sent", Integer, nullable=False, server_default="0"),
    Column("opened_at", DateTime(timezone=True)),
    Column("answered_at", DateTime(timezone=True)),
    Column("way_out_seen_at", DateTime(timezone=True)),
    Column("drop_reason", Text),
)
"""`channels`: those that reach the customer, in the order in which they are tried; `channel`: the
one in which the conversation is."""
Index("invitation_customer_id", INVITATION.c.customer_id, INVITATION.c.requested_at)
Index("invitation_phone", INVITATION.c.phone, INVITATION.c.requested_at)

MESSAGE = Table(
    "message",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("invitation_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("number", Integer, nullable=False, server_default="0"),
    Column("content", JSONB, nullable=False, server_default="{}"),
    Column("deadline_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("doubts", Integer, nullable=False, server_default="0"),
    Column("due_at", DateTime(timezone=True)),
    Column("opens_at", DateTime(timezone=True)),
    Column("provider", Text),
    Column("reference", Text),
    Column("settled_at", DateTime(timezone=True)),
    Column("drop_reason", Text),
    Column("dismissed_at", DateTime(timezone=True)),
)
"""The queue and what became of it. `attempts` counts the claims, `tries` those of them that the
provider said something about, `doubts` those of which nobody knows how they ended. `due_at`: when
it is to be taken; while it is being sent, when its lease is over; null: done. `opens_at`: until
when it waits for permitted hours. `seq`: the order in which a customer's messages go out.
`dismissed_at`: when the customer put it away, where a channel lets them."""
Index(
    "message_due",
    MESSAGE.c.channel,
    MESSAGE.c.due_at,
    postgresql_where=text("due_at IS NOT NULL"),
)
Index(
    "message_waiting",
    MESSAGE.c.customer_id,
    MESSAGE.c.seq,
    postgresql_where=text("due_at IS NOT NULL"),
)
Index("message_invitation_id", MESSAGE.c.invitation_id)
Index("message_customer_id", MESSAGE.c.customer_id, MESSAGE.c.channel)
Index(
    "message_reference",
    MESSAGE.c.reference,
    postgresql_where=text("reference IS NOT NULL"),
)

ATTEMPT = Table(
    "attempt",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("provider", Text, nullable=False, server_default="smtp"),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("detail", Text),
)
"""Written before a message is sent. No outcome: its sender died, or is at it."""

SUPPRESSION = Table(
    "suppression",
    metadata,
    Column("customer_id", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("scoped_to", Text, primary_key=True, server_default=""),
    Column("reason", Text, nullable=False, server_default="unsubscribed"),
    Column("invitation_id", Text),
    Column("note", Text),
    Column("suppressed_at", DateTime(timezone=True), nullable=False),
)
"""Who is not asked any more: neither the customer elsewhere, nor another one at the address.

An empty `customer_id` or `address` says nothing; `scoped_to` is empty for the scope `all`.
"""
Index("suppression_address", SUPPRESSION.c.address)

PROVIDER_BUDGET = Table(
    "provider_budget",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("tokens", Double, nullable=False),
    Column("filled_at", DateTime(timezone=True), nullable=False),
)
"""A token bucket for each provider with a rate limit, shared by every replica."""

WEBHOOK_ENDPOINT = Table(
    "webhook_endpoint",
    metadata,
    Column("endpoint_id", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secrets", JSONB, nullable=False),
    Column("programs", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("failing_since", DateTime(timezone=True)),
    Column("failed_at", DateTime(timezone=True)),
    Column("disabled_at", DateTime(timezone=True)),
    Column("disabled_reason", Text),
)
"""Where the channel `webhook` leads. `programs`: none means all. `secrets`: newest first."""

CHANNEL_SCORE = Table(
    "channel_score",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("asked", BigInteger, nullable=False),
    Column("answered", BigInteger, nullable=False),
)
"""How often a first message in a channel was answered, by segment: the learnt order is from it."""

SURVEY_VERSION = Table(
    "survey_version",
    metadata,
    Column("survey_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSONB, nullable=False),
    Column("published_at", DateTime(timezone=True), nullable=False),
)
"""A projection of what response-service published; a version never changes."""

PROVIDER_EVENT = Table(
    "provider_event",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("received_at", DateTime(timezone=True), nullable=False),
)
"""Callbacks that were taken: providers repeat themselves."""
Index("provider_event_received_at", PROVIDER_EVENT.c.received_at)
