"""Somebody has seen a message: its alerts, and where they are few their tasks, are acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from closeloop_service.domain.commands import Acknowledge
from closeloop_service.domain.grouping import MOST_NAMED
from closeloop_service.handlers import commands
from closeloop_service.handlers.commands import Moved
from closeloop_service.queries import alerts as queries
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import alerts, incidents
from heardback.db import Transaction

MOST_TASKS: Final = MOST_NAMED
"""So many tasks are taken with their message. Nobody takes a flood by one click: more stay."""
_MOST_INCIDENTS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """What came of it. `is_new`: nobody had before. `tasks`: each with why not, where it was not.

    `too_many`: the tasks were left as they are.
    """

    is_new: bool
    tasks: Sequence[Moved] = ()
    too_many: bool = False


async def acknowledge(tx: Transaction, keeper: Keeper, message_id: str, actor: str) -> Acknowledged:
    """Note that `actor` has seen a message; whoever comes later changes nothing.

    Raises: AlertMessageNotFound.
    """
    await queries.find_message(tx.connection, message_id)
    if not await alerts.acknowledge(tx, message_id, actor):
        return Acknowledged(is_new=False)
    await incidents.acknowledge_those_of(tx, message_id, limit=_MOST_INCIDENTS)
    await tx.ring(alerts.OPS_ALERTS)
    task_ids = await alerts.tasks_of(tx.connection, message_id, limit=MOST_TASKS + 1)
    if len(task_ids) > MOST_TASKS:
        return Acknowledged(is_new=True, too_many=True)
    moved = await commands.move_many(tx, keeper, task_ids, Acknowledge(actor=actor))
    return Acknowledged(is_new=True, tasks=moved)
