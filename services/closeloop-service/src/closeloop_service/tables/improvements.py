"""Improvements, their history and tickets, and who is told when one ships."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from closeloop_service.tables.base import Instant, Required, metadata

IMPROVEMENT: Final = Table(
    "improvement",
    metadata,
    Column("improvement_id", Text, primary_key=True),
    Required("theme_id", Text),
    Required("title", Text),
    # open | planned | shipped | declined
    Required("state", Text),
    Column("owner", Text),
    Required("responses", Integer),
    Required("detractors", Integer),
    Required("customers", Integer),
    # The rows of `reporter`.
    Required("reporters", Integer),
    Column("revenue_at_risk", Float),
    Column("currency", Text),
    Required("quotes", JSONB),
    Required("since", Instant),
    # When the newest counts were true; one that comes late does not lower them.
    Required("heard_at", Instant),
    Required("opened_at", Instant),
    Required("due_at", Instant),
    Column("overdue_at", Instant),
    Column("closed_at", Instant),
    Required("version", BigInteger),
    Column("traceparent", Text),
)
# One open improvement for each theme.
Index(
    "improvement_open_theme",
    IMPROVEMENT.c.theme_id,
    unique=True,
    postgresql_where=text("state IN ('open', 'planned')"),
)
Index("improvement_theme_id", IMPROVEMENT.c.theme_id, IMPROVEMENT.c.improvement_id)

IMPROVEMENT_HISTORY: Final = Table(
    "improvement_history",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Required("improvement_id", Text, ForeignKey("improvement.improvement_id")),
    Required("occurred_at", Instant),
    Required("what", Text),
    Column("actor", Text),
    Required("note", Text),
    Required("details", JSONB),
)
Index("improvement_history_improvement_id", IMPROVEMENT_HISTORY.c.improvement_id)

# One row for each customer who spoke of it; `told_at`: the message was handed to dispatch, under
# `follow_up_id`. `responses` are the ids of what they said, `outcome` what became of the message.
REPORTER: Final = Table(
    "reporter",
    metadata,
    Column("improvement_id", Text, ForeignKey("improvement.improvement_id"), primary_key=True),
    Column("customer_id", Text, primary_key=True),
    Required("invitation_id", Text),
    Required("program_id", Text),
    Required("responses", JSONB),
    Column("told_at", Instant),
    Column("follow_up_id", Text),
    Column("outcome", Text),
)
Index(
    "reporter_untold",
    REPORTER.c.improvement_id,
    REPORTER.c.customer_id,
    postgresql_where=text("told_at IS NULL"),
)
Index("reporter_customer_id", REPORTER.c.customer_id)
Index(
    "reporter_follow_up_id",
    REPORTER.c.follow_up_id,
    postgresql_where=text("follow_up_id IS NOT NULL"),
)

# The improvement in the tracker of the product team; written by the loop that calls trackers.
TICKET: Final = Table(
    "ticket",
    metadata,
    Column("improvement_id", Text, ForeignKey("improvement.improvement_id"), primary_key=True),
    Required("tracker_id", Text),
    # Counts the tickets that this improvement had; another one has another key.
    Required("number", Integer),
    # What it is called for the tracker's API, for people, and where it is; none: not made yet.
    Column("ticket", Text),
    Column("name", Text),
    Column("url", Text),
    Column("status", Text),
    Column("etag", Text),
    # Set before the tracker is asked to make it: it may be there already.
    Column("asked_at", Instant),
    # A digest of the text that it shows, and when that was written.
    Column("shown", Text),
    Column("written_at", Instant),
    Column("read_at", Instant),
    Required("faults", Integer),
    Column("fault", Text),
    # When to look at it next; none: it is over. Who looks at it has it until `leased_until`.
    Column("try_at", Instant),
    Column("leased_until", Instant),
)
Index("ticket_ticket", TICKET.c.tracker_id, TICKET.c.ticket)
Index("ticket_try_at", TICKET.c.tracker_id, TICKET.c.try_at)

# How a tracker as a whole does: while it fails, all of its tickets wait until `try_at`.
# `hook_secrets` are those that it told us to know its calls by.
TRACKER: Final = Table(
    "tracker",
    metadata,
    Column("tracker_id", Text, primary_key=True),
    Required("faults", Integer),
    Column("fault", Text),
    Column("failing_since", Instant),
    Column("try_at", Instant),
    Required("hook_secrets", JSONB),
)
