"""The tables of insights: a fact table for each kind of thing that happens, and the rollups."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from heardback.offsets import partition_offset_table
from heardback.outbox import outbox_table
from heardback.timers import timer_table

metadata: Final = MetaData()
outbox_table(metadata)
partition_offset_table(metadata)
timer_table(metadata)


def _about() -> list[Column[Any]]:
    """Return the columns that every fact has."""
    return [
        Column("customer_id", Text, nullable=False),
        Column("program_id", Text, nullable=False),
        Column("touchpoint", Text, nullable=False),
        Column("segment", Text, nullable=False),
        Column("occurred_at", DateTime(timezone=True), nullable=False),
    ]


DECISION: Final = Table(
    "decision",
    metadata,
    Column("decision_id", Text, primary_key=True),
    *_about(),
    Column("touchpoint_id", Text, nullable=False),
    Column("invitation_id", Text),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

INVITATION_STEP: Final = Table(
    "invitation_step",
    metadata,
    Column("invitation_id", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("number", SmallInteger, primary_key=True, server_default="0"),
    *_about(),
    Column("reason", Text, nullable=False),
    Column("variant", Text),
)
Index(
    "invitation_step_variant",
    INVITATION_STEP.c.program_id,
    INVITATION_STEP.c.occurred_at,
    postgresql_where=text("variant IS NOT NULL"),
)

RESPONSE: Final = Table(
    "response",
    metadata,
    Column("response_id", Text, primary_key=True),
    *_about(),
    Column("revision", Integer, nullable=False),
    Column("invitation_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("scale", Text, nullable=False, server_default="nps"),
    Column("score", Integer),
    Column("category", Text, nullable=False),
    Column("commented", Boolean, nullable=False),
)
"""Without a score: in quarantine, it does not count."""
Index("response_invitation_id", RESPONSE.c.invitation_id)

ALERT: Final = Table(
    "alert",
    metadata,
    Column("alert_id", Text, primary_key=True),
    *_about(),
    Column("response_id", Text, nullable=False),
    Column("score", Integer, nullable=False),
)

TASK_STEP: Final = Table(
    "task_step",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("step", Text, primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("occurrence", Integer, primary_key=True, server_default="0"),
    *_about(),
    Column("seconds", Float),
)
Index("task_step_duration", TASK_STEP.c.step, TASK_STEP.c.occurred_at)

ROLLUP: Final = Table(
    "rollup",
    metadata,
    Column("measure", Text, primary_key=True),
    Column("detail", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("program_id", Text, primary_key=True),
    Column("touchpoint", Text, primary_key=True),
    Column("segment", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)
