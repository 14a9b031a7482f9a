"""The tables of closeloop's schema."""

from closeloop_service.tables.alerts import ALERT_MESSAGE, OPS_ALERT
from closeloop_service.tables.base import metadata
from closeloop_service.tables.customers import ANSWER, CUSTOMER, INVITATION, STORY
from closeloop_service.tables.improvements import (
    IMPROVEMENT,
    IMPROVEMENT_HISTORY,
    REPORTER,
    TICKET,
    TRACKER,
)
from closeloop_service.tables.rulebooks import IDEMPOTENCY, RULEBOOK
from closeloop_service.tables.tasks import MEMBER_TURN, MESSAGE, TASK, TASK_ANSWER, TASK_HISTORY
from heardback.offsets import partition_offset_table
from heardback.outbox import outbox_table
from heardback.timers import timer_table

OUTBOX = outbox_table(metadata)
PARTITION_OFFSET = partition_offset_table(metadata)
TIMER = timer_table(metadata)

__all__ = [
    "ALERT_MESSAGE",
    "ANSWER",
    "CUSTOMER",
    "IDEMPOTENCY",
    "IMPROVEMENT",
    "IMPROVEMENT_HISTORY",
    "INVITATION",
    "MEMBER_TURN",
    "MESSAGE",
    "OPS_ALERT",
    "OUTBOX",
    "REPORTER",
    "RULEBOOK",
    "STORY",
    "TASK",
    "TASK_ANSWER",
    "TASK_HISTORY",
    "TICKET",
    "TRACKER",
    "metadata",
]
