"""Ops alerts that wait to be told, and the messages in which they were."""

from typing import Final

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from closeloop_service.tables.base import Instant, Required, metadata

# One row for each alert and target; `alert_key` and `target_id` make a repeat no second one.
OPS_ALERT: Final = Table(
    "ops_alert",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Required("alert_key", Text),
    Required("target_id", Text),
    Required("kind", Text),
    Required("title", Text),
    Required("text", Text),
    Column("task_id", Text),
    Column("improvement_id", Text),
    Column("team", Text),
    Required("people", JSONB),
    Required("raised_at", Instant),
    Column("message_id", Text),
    Column("acknowledged_by", Text),
    Column("acknowledged_at", Instant),
)
Index("ops_alert_key", OPS_ALERT.c.alert_key, OPS_ALERT.c.target_id, unique=True)
Index(
    "ops_alert_waiting",
    OPS_ALERT.c.target_id,
    OPS_ALERT.c.seq,
    postgresql_where=text("message_id IS NULL"),
)
Index("ops_alert_message_id", OPS_ALERT.c.message_id)
Index("ops_alert_task_id", OPS_ALERT.c.task_id)

# One message to one target, of one alert or many; its id is the key by which a repeat is known.
ALERT_MESSAGE: Final = Table(
    "alert_message",
    metadata,
    Column("message_id", Text, primary_key=True),
    Required("target_id", Text),
    # alerts | digest | acknowledge | resolve
    Required("what", Text),
    # What the incident is called that it opens, acknowledges or resolves.
    Column("incident", Text),
    Required("content", JSONB),
    # sending | sent | failed | dropped
    Required("state", Text),
    Required("alerts", Integer),
    Required("attempts", Integer),
    # So many attempts ended without our knowing how.
    Required("doubts", Integer),
    Required("try_at", Instant),
    # Somebody sends it until then. Left behind: nobody knows whether it was taken.
    Column("leased_until", Instant),
    Column("fault", Text),
    Required("made_at", Instant),
    # When it was sent, or failed for good.
    Column("settled_at", Instant),
    # When its incident was over.
    Column("ended_at", Instant),
)
Index("alert_message_made_at", ALERT_MESSAGE.c.made_at, ALERT_MESSAGE.c.message_id)
Index("alert_message_target", ALERT_MESSAGE.c.target_id, ALERT_MESSAGE.c.made_at)
Index(
    "alert_message_unsent",
    ALERT_MESSAGE.c.try_at,
    postgresql_where=text("state = 'sending'"),
)
Index(
    "alert_message_incident",
    ALERT_MESSAGE.c.message_id,
    postgresql_where=text("incident IS NOT NULL AND ended_at IS NULL AND what = 'alerts'"),
)
