"""Commands: one task is moved, or many at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from closeloop_service.domain.commands import Command
from closeloop_service.domain.decision import Decision
from closeloop_service.domain.errors import TaskNotFound
from closeloop_service.domain.moving import MOVES_CLOCKS, decide
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Move, Task
from closeloop_service.handlers import routing
from closeloop_service.handlers.counting import count
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import tasks
from heardback.db import Transaction
from heardback.errors import HeardbackError


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of one of many: the task as it is then, or why it stays as it was."""

    task_id: str
    task: Task | None = None
    error: HeardbackError | None = None


async def move(
    tx: Transaction,
    keeper: Keeper,
    task_id: str,
    command: Command,
    *,
    version: int | None = None,
) -> Task:
    """Move a task; return it as it is then. `version`: the one that the caller read.

    Raises: TaskNotFound, and whatever `domain.moving.decide` does.
    """
    (moved,) = await move_each(tx, keeper, {task_id: command}, version=version)
    if moved.task is None:
        raise moved.error or TaskNotFound(task_id=task_id)
    return moved.task


async def move_many(
    tx: Transaction, keeper: Keeper, task_ids: Collection[str], command: Command
) -> list[Moved]:
    """Move each of the tasks that can be moved; say of the others why they can't."""
    return await move_each(tx, keeper, dict.fromkeys(task_ids, command))


async def move_each(
    tx: Transaction,
    keeper: Keeper,
    commands: Mapping[str, Command],
    *,
    version: int | None = None,
) -> list[Moved]:
    """Move tasks, each by its own command, as `move_many` does by one."""
    rules = await keeper.in_force(tx.connection)
    timed = [task_id for task_id, command in commands.items() if command.move in MOVES_CLOCKS]
    await tasks.forget_timers(tx, timed)
    if any(command.move is Move.REOPEN for command in commands.values()):
        await routing.lock(tx)
    found = await tasks.lock_tasks(tx.connection, commands)
    results = {
        task_id: _try(task_id, found.get(task_id), command, rules, tx.now, version)
        for task_id, command in commands.items()
    }
    decisions = [result for result in results.values() if isinstance(result, Decision)]
    refused = [task_id for task_id in timed if not isinstance(results[task_id], Decision)]
    tasks.set_timers_anew(tx, rules, [found[task_id] for task_id in refused if task_id in found])
    await _save(tx, rules, found, decisions)
    return [_moved(task_id, result) for task_id, result in results.items()]


def _try(
    task_id: str,
    task: Task | None,
    command: Command,
    rules: Rules,
    now: datetime,
    version: int | None,
) -> Decision | HeardbackError:
    if task is None:
        return TaskNotFound(task_id=task_id)
    try:
        return decide(task, command, rules, now, version=version)
    except HeardbackError as refused:
        return refused


def _moved(task_id: str, result: Decision | HeardbackError) -> Moved:
    if isinstance(result, Decision):
        return Moved(task_id=task_id, task=result.task)
    return Moved(task_id=task_id, error=result)


async def _save(
    tx: Transaction, rules: Rules, before: Mapping[str, Task], decisions: Sequence[Decision]
) -> None:
    """Save tasks; who is reopened without an owner is given one, who has room now more to do."""
    await tasks.save(tx, rules, decisions)
    count(decisions)
    after = {decision.task.task_id: decision.task for decision in decisions}
    opened = [task for task_id, task in after.items() if not before[task_id].active]
    routing.route_soon(tx, opened)
    left = [
        before[task_id]
        for task_id, task in after.items()
        if before[task_id].active and not (task.active and task.owner == before[task_id].owner)
    ]
    await routing.wake_queues(tx, rules, left)
