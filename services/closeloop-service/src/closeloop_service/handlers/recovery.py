"""What came of a task once it was resolved: by the next answer, by leaving, or by silence."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from closeloop_service.domain.commands import Verify
from closeloop_service.domain.moving import decide
from closeloop_service.domain.recovery import ANSWERS_WITHIN, outcome_of
from closeloop_service.domain.task import Task, TaskState
from closeloop_service.handlers.counting import count
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import recovery, tasks
from heardback.contracts.payloads import CustomerChurned, ResponseRecorded
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.timers import Timer
from heardback.vocabulary import TASK_RESOLVED, Outcome


async def on_answers(keeper: Keeper, tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Verify the tasks whose customers answered the recovery question, by their newest answer."""
    answers = {
        event.data.invitation_id: event.data
        for event in events
        if isinstance(event.data, ResponseRecorded) and event.data.touchpoint == TASK_RESOLVED
    }
    if not answers:
        return
    customers = {invitation: answer.customer_id for invitation, answer in answers.items()}
    asked = await recovery.tasks_asked_about(tx.connection, customers)
    said = {task_id: answers[invitation] for invitation, task_id in asked.items()}

    def verify(task: Task) -> Verify:
        answer = said[task.task_id]
        outcome = outcome_of(task.category, answer.category)
        return Verify(outcome=outcome, score=answer.score)

    await _verify(keeper, tx, said, verify)


async def on_customers(keeper: Keeper, tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Note of those who leave that the fix did not keep them."""
    left = {event.key for event in events if isinstance(event.data, CustomerChurned)}
    if left:
        resolved = await recovery.resolved_tasks_of(tx.connection, left)
        await _verify(keeper, tx, resolved, lambda _: Verify(outcome=Outcome.LOST))


async def on_silence_due(keeper: Keeper, tx: Transaction, timers: Sequence[Timer]) -> None:
    """Close the book on tasks whose customers said nothing any more."""
    due = [timer.key for timer in timers]
    left = await recovery.who_left(tx.connection, due)

    def verify(task: Task) -> Verify:
        return Verify(outcome=Outcome.LOST if task.task_id in left else Outcome.UNANSWERED)

    await _verify(keeper, tx, due, verify, resolved_before=tx.now - ANSWERS_WITHIN)


async def _verify(
    keeper: Keeper,
    tx: Transaction,
    task_ids: Collection[str],
    verify: Callable[[Task], Verify],
    *,
    resolved_before: datetime | None = None,
) -> None:
    """Verify those of the tasks that are resolved; the others have moved on meanwhile.

    Their timers stay, and find nothing to do: to take them away here, tasks locked, would be out of
    order.
    """
    rules = await keeper.in_force(tx.connection)
    locked = await tasks.lock_tasks(tx.connection, task_ids)
    decided = [
        decide(task, verify(task), rules, tx.now)
        for task in locked.values()
        if task.state is TaskState.RESOLVED
        and task.resolved_at is not None
        and task.resolved_at <= (resolved_before or tx.now)
    ]
    await tasks.save(tx, rules, decided)
    count(decided)
