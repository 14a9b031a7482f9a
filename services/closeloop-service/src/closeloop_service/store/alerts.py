"""Ops alerts: one row for each target that they go to, until they are told and acknowledged."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.addressing import Addresses
from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.grouping import task_path
from closeloop_service.domain.rules import Rules
from closeloop_service.tables import OPS_ALERT
from heardback.bulk import insert_new_rows
from heardback.db import Transaction

OPS_ALERTS: Final = "ops_alerts"
"""The doorbell's channel that rings when ops are to be told something."""

# What is acknowledged is the alert, wherever it was told; whoever was first stays.
_ACKNOWLEDGE: Final = text("""
    UPDATE ops_alert SET acknowledged_by = :by, acknowledged_at = :now
    WHERE acknowledged_at IS NULL AND alert_key IN (
        SELECT alert_key FROM ops_alert WHERE message_id = :message_id
    )
""")
_TASKS_OF: Final = text("""
    SELECT DISTINCT task_id FROM ops_alert
    WHERE message_id = :message_id AND task_id IS NOT NULL ORDER BY task_id LIMIT :limit
""")
_WITHOUT_TARGET: Final = text("""
    DELETE FROM ops_alert WHERE message_id IS NULL
        AND NOT target_id = ANY(CAST(:known AS text[]))
""")
# Messages name customers, and digests name some without an alert.
_FORGET_IN_MESSAGES: Final = text("""
    UPDATE alert_message SET content = jsonb_set(content, '{items}', (
        SELECT jsonb_agg(CASE WHEN item ->> 'path' = ANY(CAST(:paths AS text[]))
            THEN item || jsonb_build_object('title', 'A task', 'text', CAST(:erased AS text))
            ELSE item END ORDER BY place)
        FROM jsonb_array_elements(content -> 'items') WITH ORDINALITY AS each (item, place)
    ))
    WHERE (what = 'digest' OR message_id IN (
        SELECT message_id FROM ops_alert WHERE task_id = ANY(CAST(:ids AS text[]))
    )) AND EXISTS (
        SELECT FROM jsonb_array_elements(content -> 'items') AS item
        WHERE item ->> 'path' = ANY(CAST(:paths AS text[]))
    )
""")
_FORGET_IN_ALERTS: Final = text("""
    UPDATE ops_alert SET text = :erased WHERE task_id = ANY(CAST(:ids AS text[]))
""")
_ERASED: Final = "The customer was erased."
_TASKS_OF_CUSTOMERS: Final = text("""
    SELECT task_id FROM task WHERE customer_id = ANY(CAST(:ids AS text[])) ORDER BY task_id
""")
_FORGET: Final = text("""
    WITH old AS (
        SELECT message_id FROM alert_message
        WHERE made_at < :before AND state <> 'sending' ORDER BY made_at LIMIT :limit
    ), alerts AS (
        DELETE FROM ops_alert WHERE message_id IN (SELECT message_id FROM old)
    )
    DELETE FROM alert_message WHERE message_id IN (SELECT message_id FROM old)
""")


async def raise_alerts(tx: Transaction, rules: Rules, alerts: Sequence[OpsAlert]) -> None:
    """Keep alerts for each target that they go to; what was told there already is not again."""
    if not alerts or not rules.alerting.targets:
        return
    addresses = Addresses.of(rules)
    rows = [
        {
            "alert_key": alert.alert_key,
            "target_id": target_id,
            "kind": alert.kind,
            "title": alert.title,
            "text": alert.text,
            "task_id": alert.task_id,
            "improvement_id": alert.improvement_id,
            "team": alert.team,
            "people": alert.people,
            "raised_at": tx.now,
        }
        for alert in alerts
        for target_id in addresses.targets(alert)
    ]
    if await insert_new_rows(tx.connection, OPS_ALERT, rows, key=("alert_key", "target_id")):
        await tx.ring(OPS_ALERTS)


async def acknowledge(tx: Transaction, message_id: str, by: str) -> int:
    """Note who has seen the alerts of a message; return how many rows were news."""
    bound = {"message_id": message_id, "by": by, "now": tx.now}
    return (await tx.connection.execute(_ACKNOWLEDGE, bound)).rowcount


async def tasks_of(connection: AsyncConnection, message_id: str, *, limit: int) -> list[str]:
    """Return the tasks that the alerts of a message are about."""
    bound = {"message_id": message_id, "limit": limit}
    return list(await connection.scalars(_TASKS_OF, bound))


async def drop_without_target(connection: AsyncConnection, known: Sequence[str]) -> None:
    """Delete what waits for targets that the rules know no more."""
    await connection.execute(_WITHOUT_TARGET, {"known": list(known)})


async def forget_customers(connection: AsyncConnection, customer_ids: Collection[str]) -> None:
    """Take these customers' names out of what ops were told and are to be told."""
    found = await connection.scalars(_TASKS_OF_CUSTOMERS, {"ids": list(customer_ids)})
    task_ids = list(found)
    if not task_ids:
        return
    paths = [task_path(task_id) for task_id in task_ids]
    bound = {"ids": task_ids, "erased": _ERASED}
    await connection.execute(_FORGET_IN_MESSAGES, {**bound, "paths": paths})
    await connection.execute(_FORGET_IN_ALERTS, bound)


async def forget_before(connection: AsyncConnection, before: datetime, *, limit: int) -> bool:
    """Delete messages that were made before then, with their alerts; tell whether there are more.

    `limit`: so many messages at most.
    """
    deleted = await connection.execute(_FORGET, {"before": before, "limit": limit})
    return deleted.rowcount >= limit
