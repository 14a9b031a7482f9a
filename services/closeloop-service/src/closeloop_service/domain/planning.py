"""When the clocks of a task are due: by the policy that fits it, its calendar and its pauses.

A plan follows from the task, the rules and nothing else. So it may be made anew whenever one of
them changes: no pause is lost, and what ran out or stopped keeps its due date.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.clock import ClockState, Pause
from closeloop_service.domain.decision import (
    BREACH,
    ESCALATION,
    OUTCOME,
    WAIT_OVER,
    WARNING,
    TaskTimer,
    clock_key,
)
from closeloop_service.domain.matching import Facts
from closeloop_service.domain.recovery import ANSWERS_WITHIN
from closeloop_service.domain.rules import Rules, SlaPolicy, Target
from closeloop_service.domain.sla_time import sla_due
from closeloop_service.domain.task import Task, TaskState

REPLAN: Final = "replan"
"""The kind of the timer that plans tasks anew; there is one, its key is `rules`."""
REPLAN_KEY: Final = "rules"
_AT_ONCE: Final = timedelta(0)


def plan(task: Task, rules: Rules) -> Task:
    """Return the task with the due dates that the rules give to its clocks that run."""
    policy = first_fit(task.facts, rules)
    clocks = {
        which: planned_clock(clock, policy.targets.get(which), policy, rules, task.pauses)
        for which, clock in task.clocks.items()
    }
    return replace(task, clocks=clocks, policy_id=policy.policy_id, rules_version=rules.version)


def first_fit(facts: Facts, rules: Rules) -> SlaPolicy:
    """Return the first policy that is for such a task; the last is for every one."""
    return next(
        (policy for policy in rules.policies if policy.when.fits(facts)), rules.policies[-1]
    )


def policy_of(task: Task, rules: Rules) -> SlaPolicy:
    """Return the policy by which the task was planned; it may have been deleted meanwhile."""
    for policy in rules.policies:
        if policy.policy_id == task.policy_id:
            return policy
    return first_fit(task.facts, rules)


def timers_of(task: Task, rules: Rules) -> tuple[TaskTimer, ...]:
    """Return all timers that the task needs as it is now."""
    if task.state is TaskState.RESOLVED and task.resolved_at is not None:
        due_at = task.resolved_at + ANSWERS_WITHIN
        return (TaskTimer(kind=OUTCOME, key=task.task_id, due_at=due_at),)
    return tuple(_timers(task, rules)) if task.active else ()


def escalation_at(
    clock: ClockState, policy: SlaPolicy, rules: Rules, pauses: tuple[Pause, ...]
) -> datetime | None:
    """Return when somebody is to be told next that the clock ran out; None: nobody, or not now."""
    after = _next_level_after(clock.escalated, policy)
    if after is None or not clock.breached or clock.stopped_at or clock.due_at is None:
        return None
    if after <= _AT_ONCE:
        return clock.due_at
    return sla_due(rules.calendars[policy.calendar_id], clock.due_at, after, _spans(pauses))


def _timers(task: Task, rules: Rules) -> Iterator[TaskTimer]:
    policy = policy_of(task, rules)
    for which, clock in task.clocks.items():
        key = clock_key(task.task_id, which)
        if clock.runs and clock.due_at is not None:
            yield TaskTimer(kind=BREACH, key=key, due_at=clock.due_at)
            if not clock.warned and clock.warn_at is not None:
                yield TaskTimer(kind=WARNING, key=key, due_at=clock.warn_at)
        escalate_at = escalation_at(clock, policy, rules, task.pauses)
        if escalate_at is not None:
            yield TaskTimer(kind=ESCALATION, key=key, due_at=escalate_at)
    if task.state is TaskState.WAITING and task.wait_until is not None:
        yield TaskTimer(kind=WAIT_OVER, key=task.task_id, due_at=task.wait_until)


def planned_clock(
    clock: ClockState,
    target: Target | None,
    policy: SlaPolicy,
    rules: Rules,
    pauses: tuple[Pause, ...],
) -> ClockState:
    """Return the clock with its due dates; one that stopped or ran out keeps its own."""
    if not clock.runs:
        return clock
    if target is None:
        return replace(clock, due_at=None, warn_at=None)
    calendar = rules.calendars[target.calendar_id or policy.calendar_id]
    return replace(
        clock,
        due_at=_due(calendar, clock, target, pauses, 1),
        warn_at=_due(calendar, clock, target, pauses, policy.warning_share),
    )


def _due(
    calendar: Calendar, clock: ClockState, target: Target, pauses: tuple[Pause, ...], share: float
) -> datetime | None:
    """Return when that share of the target is used, of the ceiling too: neither comes after due."""
    ceiling = None if target.ceiling is None else target.ceiling * share
    business = target.business * share
    return sla_due(calendar, clock.started_at, business, _spans(pauses), ceiling=ceiling)


def _next_level_after(told: int, policy: SlaPolicy) -> timedelta | None:
    """Return how long after the breach the next one is told, when so many were told before."""
    levels = policy.escalations
    if told < len(levels):
        return levels[told].after
    repeat = told - len(levels) + 1
    if not levels or policy.repeat_every is None or repeat > policy.repeat_at_most:
        return None
    return levels[-1].after + policy.repeat_every * repeat


def _spans(pauses: tuple[Pause, ...]) -> list[tuple[datetime, datetime | None]]:
    return [(pause.from_at, pause.to_at) for pause in pauses]
