"""Makes messages of the alerts that wait: one for each target, however many they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.grouping import (
    Count,
    Gathered,
    are_incidents,
    incident_of,
    tell_at,
    text_of,
)
from closeloop_service.domain.rules import Rules, TargetKind
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import alert_messages
from closeloop_service.store.alert_messages import NewMessage, Queue, What
from heardback.db import Database, Transaction

_HOUR: Final = timedelta(hours=1)
_ANOTHER_IS_AT_IT: Final = timedelta(seconds=1)
_MOST_ALERTS: Final = 100_000
"""Alerts of one message; what is above it is the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    """A target for which something waits, and when it is told."""

    queue: Queue
    at: datetime


async def gather(database: Database, keeper: Keeper) -> datetime | None:
    """Make the messages that are due; return when the next one will be, if something waits."""
    now = database.clock.now()
    async with database.read() as connection:
        rules = await keeper.in_force(connection)
        waiting = await _waiting(connection, rules, now)
    if not any(due.at <= now for due in waiting):
        return min((due.at for due in waiting), default=None)
    async with database.transaction() as tx:
        if not await alert_messages.may_make(tx.connection):
            return now + _ANOTHER_IS_AT_IT
        # Anew: what was seen before may have been told by another replica meanwhile.
        waiting = await _waiting(tx.connection, rules, tx.now)
        for due in waiting:
            if due.at <= tx.now:
                await _make(tx, rules, due.queue)
    return min((due.at for due in waiting if due.at > now), default=None)


async def _waiting(connection: AsyncConnection, rules: Rules, now: datetime) -> list[_Due]:
    alerting = rules.alerting
    queues = await alert_messages.waiting(
        connection, alerting.targets, since=now - _HOUR, most=alerting.at_most_per_hour
    )
    return [
        _Due(queue=queue, at=tell_at(queue.first_raised_at, queue.made, alerting))
        for queue in queues
    ]


async def _make(tx: Transaction, rules: Rules, queue: Queue) -> None:
    message_id = tx.ids.new()
    gathered = await alert_messages.take(
        tx.connection, queue.target_id, message_id, limit=_MOST_ALERTS
    )
    if not gathered.urgent:
        return
    titles = {team.team_id: team.title for team in rules.routing.teams.values()}
    is_pager = rules.alerting.targets[queue.target_id].kind is TargetKind.PAGERDUTY
    if is_pager and are_incidents(gathered, queue.made, rules.alerting):
        parts = await _split(tx, message_id, gathered)
    else:
        parts = [(message_id, f"message/{message_id}" if is_pager else None, gathered)]
    await alert_messages.add(tx, list(_messages(parts, queue.target_id, titles)))


_Part = tuple[str, str | None, Gathered]
"""A message's id, the incident that it opens, and what it is about."""


async def _split(tx: Transaction, taken: str, gathered: Gathered) -> list[_Part]:
    """Make a part of each subject: a pager is to know which of them is over."""
    parts: list[_Part] = []
    for raised in gathered.urgent:
        part_id = tx.ids.new()
        alerts = await alert_messages.split_off(tx.connection, taken, raised, part_id)
        count = Count(kind=raised.kind, team=raised.team, alerts=alerts, subjects=1)
        part = Gathered(counts=[count], urgent=[raised], subjects=1)
        parts.append((part_id, incident_of(raised), part))
    return parts


def _messages(
    parts: Sequence[_Part], target_id: str, titles: dict[str, str]
) -> Iterator[NewMessage]:
    for message_id, incident, gathered in parts:
        yield NewMessage(
            message_id=message_id,
            target_id=target_id,
            what=What.ALERTS,
            content=text_of(gathered, titles),
            alerts=gathered.alerts,
            incident=incident,
        )
