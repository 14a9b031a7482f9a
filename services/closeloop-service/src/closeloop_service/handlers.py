"""One function per event, timer and command: load, decide, save."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from closeloop_service import metrics, store
from closeloop_service.domain import decisions
from closeloop_service.domain.decisions import Command, Decision
from closeloop_service.domain.sla import SlaPolicy
from closeloop_service.domain.task import STOPS, Answer, Task
from heardback.contracts.payloads import (
    DetractorAlerted,
    ResponseRecorded,
    TaskSlaBreached,
    TaskSlaWarned,
)
from heardback.db import Transaction
from heardback.envelope import Event
from heardback.timers import Timer
from heardback.vocabulary import SlaClock

WARNING: Final = "sla_warning"
BREACH: Final = "sla_breach"
"""The kinds of timers; their key is `<task id>/<clock>`."""


async def on_alerts(
    policy: SlaPolicy, tx: Transaction, events: Sequence[Event[DetractorAlerted]]
) -> None:
    """Open exactly one task for each alert; one of a response that waits already joins its task."""
    alerts = {event.data.alert_id: event for event in reversed(events)}
    answers = await store.keep_newest(tx.connection, [_answer(e.data) for e in alerts.values()])
    tasks = await store.lock_tasks_of_responses(tx.connection, answers)
    by_age = sorted(tasks.values(), key=lambda task: task.opened_at)
    latest = {task.answer.response_id: task for task in by_age}
    opened, joined = [], []
    for event in reversed(alerts.values()):
        alert, answer = event.data, answers[event.data.response_id]
        task = latest.get(alert.response_id)
        if task is None or decisions.needs_another(task, alert):
            decision = decisions.open_task(
                task_id=tx.ids.new(),
                alert=alert,
                answer=answer,
                policy=policy,
                now=tx.now,
                traceparent=event.traceparent,
            )
            opened.append(decision)
        elif revised := decisions.revise(task, answer):
            decision = revised
            joined.append(decision)
        else:
            continue
        latest[alert.response_id] = decision.task
    await store.save(tx, joined)
    new = await store.add_new(tx, opened)
    for decision in new:
        _start_clocks(tx, decision.task, policy)
    _count(new)


async def on_responses(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Show changed answers on the tasks that they opened."""
    revised = [
        Answer(
            response_id=event.data.response_id,
            customer_id=event.data.customer_id,
            revision=event.data.revision,
            scale=event.data.scale,
            score=event.data.score,
            comment=event.data.comment,
        )
        for event in events
        if isinstance(event.data, ResponseRecorded) and event.data.revision > 1
    ]
    newest = await store.keep_newest(tx.connection, revised)
    tasks = await store.lock_tasks_of_responses(tx.connection, newest)
    decided = [decisions.revise(t, newest[t.answer.response_id]) for t in tasks.values()]
    await store.save(tx, [decision for decision in decided if decision is not None])


async def on_warnings_due(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Warn of the clocks that have used their share."""
    await _on_clocks(tx, timers, decisions.warn)


async def on_breaches_due(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Mark the clocks that ran out."""
    await _on_clocks(tx, timers, decisions.breach)


async def move(
    tx: Transaction, task_id: str, command: Command, *, version: int | None = None
) -> Task:
    """Move a task for its owner; return it as it is then.

    Raises: TaskNotFound, TaskChanged, MoveNotAllowed.
    """
    # Timers before the task, as the timer loop locks them: the other order would deadlock.
    clock = STOPS.get(command.move)
    if clock is not None:
        for kind in (WARNING, BREACH):
            await tx.cancel_timers(kind, [_key(task_id, clock)])
    task = await store.lock_task(tx.connection, task_id)
    decision = decisions.decide(task, command, tx.now, version=version)
    await store.save(tx, [decision])
    _count([decision])
    return decision.task


async def _on_clocks(
    tx: Transaction,
    timers: Sequence[Timer],
    decide: Callable[[Task, SlaClock, datetime], Decision | None],
) -> None:
    due = [(task_id, SlaClock(clock)) for task_id, clock in map(_split, timers)]
    tasks = await store.lock_tasks(tx.connection, {task_id for task_id, _ in due})
    for clock in SlaClock:
        of_clock = [tasks[task_id] for task_id, which in due if which is clock]
        decided = [decision for task in of_clock if (decision := decide(task, clock, tx.now))]
        await store.save(tx, decided)
        tasks |= {decision.task.task_id: decision.task for decision in decided}
        _count(decided)


def _start_clocks(tx: Transaction, task: Task, policy: SlaPolicy) -> None:
    for clock in SlaClock:
        set_timer = partial(Timer, key=_key(task.task_id, clock), traceparent=task.traceparent)
        tx.set_timer(set_timer(kind=WARNING, due_at=policy.warning_at(clock, task.opened_at)))
        tx.set_timer(set_timer(kind=BREACH, due_at=task.clock(clock).due_at))


def _answer(alert: DetractorAlerted) -> Answer:
    return Answer(
        response_id=alert.response_id,
        customer_id=alert.customer_id,
        revision=alert.revision,
        scale=alert.scale,
        score=alert.score,
        comment=alert.comment,
    )


def _key(task_id: str, clock: SlaClock) -> str:
    return f"{task_id}/{clock}"


def _split(timer: Timer) -> tuple[str, str]:
    task_id, _, clock = timer.key.rpartition("/")
    return task_id, clock


def _count(decided: Sequence[Decision]) -> None:
    for event_type, payload in (event for decision in decided for event in decision.events):
        match payload:
            case TaskSlaWarned():
                metrics.WARNINGS.add(1, {"clock": str(payload.clock)})
            case TaskSlaBreached():
                metrics.BREACHES.add(1, {"clock": str(payload.clock)})
            case _:
                metrics.MOVES.add(1, {"move": event_type.family.removeprefix("task.")})
