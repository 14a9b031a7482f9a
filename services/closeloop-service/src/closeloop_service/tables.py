"""The tables of closeloop's schema, and how a task lies in its row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Row,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from closeloop_service.domain.sla import ClockState
from closeloop_service.domain.task import Answer, Task, TaskState
from heardback.contracts.payloads import Recipient
from heardback.offsets import partition_offset_table
from heardback.outbox import outbox_table
from heardback.timers import timer_table
from heardback.vocabulary import Scale, SlaClock

metadata = MetaData()

TASK = Table(
    "task",
    metadata,
    Column("task_id", Text, primary_key=True),
    Column("alert_id", Text, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("program_id", Text, nullable=False),
    Column("touchpoint", Text, nullable=False),
    Column("segment", Text),
    Column("recipient", JSONB, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("response_revision", BigInteger, nullable=False),
    Column("scale", Text, nullable=False, server_default="nps"),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text),
    Column("state", Text, nullable=False),
    Column("owner", Text),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("acknowledged_at", DateTime(timezone=True)),
    Column("contacted_at", DateTime(timezone=True)),
    Column("resolved_at", DateTime(timezone=True)),
    Column("first_response_due_at", DateTime(timezone=True), nullable=False),
    Column("first_response_warned", Boolean, nullable=False),
    Column("first_response_breached", Boolean, nullable=False),
    Column("resolution_due_at", DateTime(timezone=True), nullable=False),
    Column("resolution_warned", Boolean, nullable=False),
    Column("resolution_breached", Boolean, nullable=False),
    # Of the running clock; null once the task is resolved. What the board sorts by.
    Column("due_at", DateTime(timezone=True)),
    Column("root_cause", Text),
    Column("version", BigInteger, nullable=False),
    Column("traceparent", Text),
    # The transaction that wrote the row last, so that the board finds what it has not shown.
    Column("changed_in", BigInteger, nullable=False),
)
Index("task_alert_id", TASK.c.alert_id, unique=True)
Index("task_customer_id", TASK.c.customer_id)
Index("task_response_id", TASK.c.response_id)
Index("task_changed_in", TASK.c.changed_in)
Index("task_active", TASK.c.due_at, TASK.c.task_id, postgresql_where=text("due_at IS NOT NULL"))

TASK_HISTORY = Table(
    "task_history",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("task_id", Text, ForeignKey("task.task_id"), nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("what", Text, nullable=False),
    Column("actor", Text),
    Column("note", Text, nullable=False),
    Column("details", JSONB, nullable=False),
)
Index("task_history_task_id", TASK_HISTORY.c.task_id, TASK_HISTORY.c.seq)

# The newest revision of each answer that is known, whichever of alert and revision came first.
ANSWER = Table(
    "answer",
    metadata,
    Column("response_id", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("scale", Text, nullable=False, server_default="nps"),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text),
)

OUTBOX = outbox_table(metadata)
PARTITION_OFFSET = partition_offset_table(metadata)
TIMER = timer_table(metadata)


def to_task(row: Row[Any]) -> Task:
    """Return the task in a row of the task table."""
    return Task(
        task_id=row.task_id,
        alert_id=row.alert_id,
        customer_id=row.customer_id,
        program_id=row.program_id,
        touchpoint=row.touchpoint,
        segment=row.segment,
        recipient=Recipient.model_validate(row.recipient),
        answer=_answer(row),
        state=TaskState(row.state),
        owner=row.owner,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        first_response=_clock(row, SlaClock.FIRST_RESPONSE, row.contacted_at),
        resolution=_clock(row, SlaClock.RESOLUTION, row.resolved_at),
        root_cause=row.root_cause,
        version=row.version,
        traceparent=row.traceparent,
    )


def to_row(task: Task, changed_in: int | None) -> Mapping[str, Any]:
    """Return the row of a task that the transaction `changed_in` writes."""
    return {
        "task_id": task.task_id,
        "alert_id": task.alert_id,
        "customer_id": task.customer_id,
        "program_id": task.program_id,
        "touchpoint": task.touchpoint,
        "segment": task.segment,
        "recipient": task.recipient.model_dump(),
        "response_id": task.answer.response_id,
        "response_revision": task.answer.revision,
        "scale": str(task.answer.scale),
        "score": task.answer.score,
        "comment": task.answer.comment,
        "state": str(task.state),
        "owner": task.owner,
        "opened_at": task.opened_at,
        "acknowledged_at": task.acknowledged_at,
        "contacted_at": task.first_response.stopped_at,
        "resolved_at": task.resolution.stopped_at,
        "first_response_due_at": task.first_response.due_at,
        "first_response_warned": task.first_response.warned,
        "first_response_breached": task.first_response.breached,
        "resolution_due_at": task.resolution.due_at,
        "resolution_warned": task.resolution.warned,
        "resolution_breached": task.resolution.breached,
        "due_at": task.due_at,
        "root_cause": task.root_cause,
        "version": task.version,
        "traceparent": task.traceparent,
        "changed_in": changed_in,
    }


def _answer(row: Row[Any]) -> Answer:
    return Answer(
        response_id=row.response_id,
        customer_id=row.customer_id,
        revision=row.response_revision,
        scale=Scale(row.scale),
        score=row.score,
        comment=row.comment,
    )


def _clock(row: Row[Any], which: SlaClock, stopped_at: datetime | None) -> ClockState:
    columns = row._mapping
    return ClockState(
        due_at=columns[f"{which}_due_at"],
        warned=columns[f"{which}_warned"],
        breached=columns[f"{which}_breached"],
        stopped_at=stopped_at,
    )
