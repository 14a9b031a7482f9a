"""What time does to a task: its clocks warn, run out and escalate.

Each asks the task itself whether it is due. So it happens once, however often and however late
its timer fires, and whatever has moved it meanwhile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from closeloop_service.domain import clock as clocks
from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.clock import ClockState
from closeloop_service.domain.decision import (
    ESCALATION,
    Decision,
    Said,
    TaskTimer,
    changed,
    clock_key,
    say,
)
from closeloop_service.domain.history import Entry
from closeloop_service.domain.planning import escalation_at, policy_of
from closeloop_service.domain.rules import AlertKind, Rules, SlaPolicy
from closeloop_service.domain.task import Task
from closeloop_service.domain.telling import Told, about, level_of
from heardback.contracts import registry
from heardback.contracts.registry import EventType
from heardback.vocabulary import SlaClock

OnClock = Callable[[Task, SlaClock, Rules, datetime], Decision | None]
"""What a timer of a clock does to its task; None: nothing any more."""

_NAMES: Final = {which: which.replace("_", " ").capitalize() for which in SlaClock}
_SAYS: Final = {
    AlertKind.WARNED: "is due soon",
    AlertKind.BREACHED: "is late",
    AlertKind.ESCALATED: "is late, and still nobody has done it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """One thing that happened to a clock: for the history, for others, and for ops."""

    entry: Entry
    event: Said
    alert: OpsAlert


def warn(task: Task, which: SlaClock, rules: Rules, now: datetime) -> Decision | None:
    """Warn that a clock has used its share; None when it stopped, paused or warned already."""
    before = task.clocks.get(which)
    if before is None or not task.active:
        return None
    clock = clocks.warn(before, now)
    if clock is before:
        return None
    mark = _Mark(
        entry=Entry(what="sla_warned", details={"clock": which}),
        event=_say(task, registry.TASK_SLA_WARNED, now, clock=which, due_at=clock.due_at),
        alert=_alert(task, which, clock, AlertKind.WARNED, _owner(task)),
    )
    return _decision(task, which, clock, [mark])


def breach(task: Task, which: SlaClock, rules: Rules, now: datetime) -> Decision | None:
    """Mark that a clock ran out, and tell who is told at once; None when it did not, or it was."""
    policy = policy_of(task, rules)
    clock = _ran_out(task, which, now)
    if clock is None:
        return None
    marks = [_breached(task, which, clock, policy, now)]
    return _escalated(task, which, clock, rules, now, marks)


def mark_breach(task: Task, which: SlaClock, rules: Rules, now: datetime) -> Decision | None:
    """Mark that a clock ran out, and tell nobody of the chain yet; None when it did not."""
    clock = _ran_out(task, which, now)
    if clock is None:
        return None
    mark = _breached(task, which, clock, policy_of(task, rules), now)
    return _decision(task, which, clock, [mark])


def escalate(task: Task, which: SlaClock, rules: Rules, now: datetime) -> Decision | None:
    """Tell the next level that a clock ran out; None when it is not its turn.

    After downtime every level is told whose turn has come, one after the other.
    """
    clock = task.clocks.get(which)
    if clock is None or not task.active:
        return None
    return _escalated(task, which, clock, rules, now, [])


def _escalated(
    task: Task,
    which: SlaClock,
    clock: ClockState,
    rules: Rules,
    now: datetime,
    marks: list[_Mark],
) -> Decision | None:
    policy = policy_of(task, rules)
    level = task.escalation_level
    while (at := escalation_at(clock, policy, rules, task.pauses)) is not None and at <= now:
        number = min(clock.escalated + 1, len(policy.escalations))
        told = level_of(task, policy.escalations[number - 1], rules)
        clock = replace(clock, escalated=clock.escalated + 1)
        marks.append(_told(task, which, clock, number, told, now))
        level = max(level, number)
    if not marks:
        return None
    decision = _decision(task, which, clock, marks, level=level)
    if at is None:
        return decision
    timer = TaskTimer(kind=ESCALATION, key=clock_key(task.task_id, which), due_at=at)
    return replace(decision, timers=(timer,))


def _ran_out(task: Task, which: SlaClock, now: datetime) -> ClockState | None:
    before = task.clocks.get(which)
    if before is None or not task.active:
        return None
    after = clocks.breach(before, now)
    return None if after is before else after


def _breached(
    task: Task, which: SlaClock, clock: ClockState, policy: SlaPolicy, now: datetime
) -> _Mark:
    # Where a chain follows, it is the chain that tells the owner.
    told = Told() if policy.escalations else _owner(task)
    return _Mark(
        entry=Entry(what="sla_breached", details={"clock": which}),
        event=_say(task, registry.TASK_SLA_BREACHED, now, clock=which, due_at=clock.due_at),
        alert=_alert(task, which, clock, AlertKind.BREACHED, told),
    )


def _told(
    task: Task, which: SlaClock, clock: ClockState, number: int, told: Told, now: datetime
) -> _Mark:
    facts = {"clock": which, "level": number, "to": told.names}
    return _Mark(
        entry=Entry(what="escalated", details=facts),
        event=_say(task, registry.TASK_ESCALATED, now, **facts),
        alert=_alert(task, which, clock, AlertKind.ESCALATED, told),
    )


def _alert(task: Task, which: SlaClock, clock: ClockState, kind: AlertKind, told: Told) -> OpsAlert:
    """Return what ops are told. Its key tells apart the times that a next response is awaited."""
    key = f"{kind}/{task.task_id}/{which}/{clock.started_at.isoformat()}/{clock.escalated}"
    title = f"{_NAMES[which]} {_SAYS[kind]}"
    return about(task, kind, key, title=title, due_at=clock.due_at, told=told)


def _say(task: Task, event_type: EventType, now: datetime, **more: Any) -> Said:
    """Return an event about the task as `_decision` leaves it."""
    return say(task, event_type, now, version=task.version + 1, **more)


def _owner(task: Task) -> Told:
    return Told() if task.owner is None else Told(people=(task.owner,))


def _decision(
    task: Task,
    which: SlaClock,
    clock: ClockState,
    marks: Sequence[_Mark],
    *,
    level: int | None = None,
) -> Decision:
    return Decision(
        task=changed(
            task,
            clocks={**task.clocks, which: clock},
            escalation_level=task.escalation_level if level is None else level,
        ),
        entries=tuple(mark.entry for mark in marks),
        events=tuple(mark.event for mark in marks),
        alerts=tuple(mark.alert for mark in marks),
    )
