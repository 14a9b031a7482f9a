"""Owner tasks, their history, what joined them, and what was written to their customers."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from closeloop_service.tables.base import Instant, Required, metadata

# What a timer changes (clocks, breached, version, …) is in no index: such an update stays on its
# page (HOT) while there is room. Pages are left half empty, because the tasks of one page were
# opened together and fall due together.
TASK: Final = Table(
    "task",
    metadata,
    Column("task_id", Text, primary_key=True),
    Required("alert_id", Text),
    Required("category", Text),
    Required("customer_id", Text),
    Required("program_id", Text),
    Required("touchpoint", Text),
    Column("segment", Text),
    Column("locale", Text),
    Column("value", Float),
    Required("recipient", JSONB),
    Column("invitation_id", Text),
    Column("channel", Text),
    Required("response_id", Text),
    Required("response_revision", BigInteger),
    Required("scale", Text),
    Required("score", SmallInteger),
    Column("comment", Text),
    Required("answers", Integer),
    Required("state", Text),
    Column("owner", Text),
    Column("team", Text),
    Column("unrouted", Text),
    Required("opened_at", Instant),
    Column("acknowledged_at", Instant),
    Column("contacted_at", Instant),
    Column("resolved_at", Instant),
    # {clock: {"started_at", "due_at", "warn_at", "warned", "breached", "stopped_at"}}
    Required("clocks", JSONB),
    Required("pauses", JSONB),
    Column("wait_until", Instant),
    Required("policy_id", Text),
    Required("rules_version", BigInteger),
    Required("escalation_level", SmallInteger),
    Required("steps_done", JSONB),
    Column("root_cause", Text),
    Required("resolutions", Integer),
    Column("outcome", Text),
    Required("version", BigInteger),
    Column("traceparent", Text),
    # Made of the above, for the board: is somebody still to act, which clock runs, until when.
    Required("active", Boolean),
    Column("running", Text),
    Column("due_at", Instant),
    Required("breached", Boolean),
    postgresql_with={"fillfactor": "50"},
)
Index("task_alert_id", TASK.c.alert_id, unique=True)
Index("task_customer_id", TASK.c.customer_id, TASK.c.task_id)
# A paused task has no due_at: it stands last among the active ones.
Index("task_active", TASK.c.due_at, TASK.c.task_id, postgresql_where=text("active"))
# One owner's and one team's, in the same order.
Index("task_owner", TASK.c.owner, TASK.c.due_at, TASK.c.task_id, postgresql_where=text("active"))
# One owner's, closed ones too, the newest first.
Index("task_owned", TASK.c.owner, TASK.c.task_id, postgresql_where=text("owner IS NOT NULL"))
Index("task_team", TASK.c.team, TASK.c.due_at, TASK.c.task_id, postgresql_where=text("active"))
Index("task_queue", TASK.c.team, TASK.c.task_id, postgresql_where=text("active AND owner IS NULL"))
Index(
    "task_unrouted",
    TASK.c.due_at,
    TASK.c.task_id,
    postgresql_where=text("active AND unrouted IS NOT NULL"),
)
Index(
    "task_waiting",
    TASK.c.due_at,
    TASK.c.task_id,
    postgresql_where=text("active AND state = 'waiting'"),
)
# Closed ones, by what they ended as; the newest are looked at.
Index("task_closed", TASK.c.state, TASK.c.task_id, postgresql_where=text("NOT active"))
Index("task_rules_version", TASK.c.rules_version, TASK.c.task_id, postgresql_where=text("active"))

TASK_HISTORY: Final = Table(
    "task_history",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    # Written with its task and never alone; a foreign key would double the cost of a timer.
    Required("task_id", Text),
    Required("customer_id", Text),
    Required("occurred_at", Instant),
    Required("what", Text),
    Column("actor", Text),
    Required("note", Text),
    Required("details", JSONB),
    # The transaction that wrote it: every change leaves a line, so boards find it by this.
    Required("changed_in", BigInteger),
)
Index("task_history_task_id", TASK_HISTORY.c.task_id, TASK_HISTORY.c.seq)
Index("task_history_changed_in", TASK_HISTORY.c.changed_in)
# What came of tasks is counted from when they were resolved.
Index(
    "task_history_resolved",
    TASK_HISTORY.c.occurred_at,
    postgresql_where=text("what = 'resolved'"),
)

# Which task an answer belongs to: the first that opened it, and those that joined.
TASK_ANSWER: Final = Table(
    "task_answer",
    metadata,
    Column("alert_id", Text, primary_key=True),
    Required("task_id", Text, ForeignKey("task.task_id")),
    Required("response_id", Text),
    Required("customer_id", Text),
    Required("joined_at", Instant),
)
Index("task_answer_response_id", TASK_ANSWER.c.response_id)
Index("task_answer_task_id", TASK_ANSWER.c.task_id)

# Messages that owners sent through dispatch: state is requested, sent or failed.
MESSAGE: Final = Table(
    "message",
    metadata,
    Column("follow_up_id", Text, primary_key=True),
    Required("task_id", Text, ForeignKey("task.task_id")),
    Required("customer_id", Text),
    Required("actor", Text),
    Column("template_id", Text),
    Column("subject", Text),
    Required("text", Text),
    Required("state", Text),
    Column("reason", Text),
    Required("requested_at", Instant),
    Column("settled_at", Instant),
)
Index("message_task_id", MESSAGE.c.task_id)

# Whose turn it is: the higher, the later somebody was given a task by a rule.
MEMBER_TURN: Final = Table(
    "member_turn",
    metadata,
    Column("name", Text, primary_key=True),
    Required("turn", BigInteger),
)
