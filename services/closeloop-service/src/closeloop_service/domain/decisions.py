"""From a task and what happens to it: the task afterwards, its history, and what others hear."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar

from closeloop_service.domain import sla
from closeloop_service.domain.errors import TaskChanged
from closeloop_service.domain.sla import ClockState, SlaPolicy
from closeloop_service.domain.task import STOPS, Answer, Move, Task, TaskState, next_state
from heardback.contracts import payloads, registry
from heardback.contracts.payloads import DetractorAlerted, TaskEvent
from heardback.contracts.registry import EventType
from heardback.vocabulary import SlaClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge:
    """An owner takes the task."""

    move: ClassVar[Move] = Move.ACKNOWLEDGE
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody reached the customer."""

    move: ClassVar[Move] = Move.CONTACT
    actor: str
    channel: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Somebody closes the task, with what caused it."""

    move: ClassVar[Move] = Move.RESOLVE
    actor: str
    root_cause: str
    note: str = ""


Command = Acknowledge | Contact | Resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a task's history. No actor: Heardback itself."""

    what: str
    actor: str | None = None
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The task as it is from now on, and what goes with it."""

    task: Task
    entries: tuple[Entry, ...] = ()
    events: tuple[tuple[EventType, TaskEvent], ...] = ()


def open_task(
    *,
    task_id: str,
    alert: DetractorAlerted,
    answer: Answer,
    policy: SlaPolicy,
    now: datetime,
    traceparent: str | None,
) -> Decision:
    """Open the task of an alert. Its clocks run from the alert: the customer waits since then."""
    opened_at = min(alert.alerted_at, now)
    clocks = {which: ClockState(due_at=policy.due_at(which, opened_at)) for which in SlaClock}
    task = Task(
        task_id=task_id,
        alert_id=alert.alert_id,
        customer_id=alert.customer_id,
        program_id=alert.program_id,
        touchpoint=alert.touchpoint,
        segment=alert.segment,
        recipient=alert.recipient,
        answer=answer,
        state=TaskState.OPEN,
        owner=None,
        opened_at=opened_at,
        acknowledged_at=None,
        first_response=clocks[SlaClock.FIRST_RESPONSE],
        resolution=clocks[SlaClock.RESOLUTION],
        root_cause=None,
        version=1,
        traceparent=traceparent,
    )
    opened = payloads.TaskOpened(
        **_facts(task, opened_at),
        alert_id=task.alert_id,
        score=answer.score,
        first_response_due_at=task.first_response.due_at,
        resolution_due_at=task.resolution.due_at,
    )
    entry = Entry(what="opened", details={"score": answer.score})
    return Decision(task=task, entries=(entry,), events=((registry.TASK_OPENED, opened),))


def decide(task: Task, command: Command, now: datetime, *, version: int | None = None) -> Decision:
    """Move the task. `version` is the one that the caller read, where it insists on it.

    Raises: TaskChanged, MoveNotAllowed; the caller shows the task as it is.
    """
    if version is not None and version != task.version:
        raise TaskChanged(task_id=task.task_id, version=task.version)
    state = next_state(task, command.move)
    moved = replace(task, state=state, owner=task.owner or command.actor, version=task.version + 1)
    clock = STOPS.get(command.move)
    stopped = (
        moved if clock is None else _with_clock(moved, clock, sla.stop(task.clock(clock), now))
    )
    late = () if clock is None else _breaches(task, stopped, clock, now)
    match command:
        case Acknowledge():
            after = _acknowledge(stopped, command, now)
        case Contact():
            after = _contact(task, stopped, command, now)
        case Resolve():
            after = _resolve(stopped, command, now)
    return Decision(
        task=after.task,
        entries=tuple(entry for breach in late for entry in breach.entries) + after.entries,
        events=tuple(event for breach in late for event in breach.events) + after.events,
    )


def warn(task: Task, which: SlaClock, now: datetime) -> Decision | None:
    """Warn that a clock has used its share; None when it stopped or has warned already."""
    clock = sla.warn(task.clock(which))
    if clock is task.clock(which):
        return None
    warned = payloads.TaskSlaWarned(**_facts(task, now), clock=which, due_at=clock.due_at)
    return Decision(
        task=replace(_with_clock(task, which, clock), version=task.version + 1),
        entries=(Entry(what="sla_warned", details={"clock": str(which)}),),
        events=((registry.TASK_SLA_WARNED, warned),),
    )


def breach(task: Task, which: SlaClock, now: datetime) -> Decision | None:
    """Mark that a clock ran out; None when it stopped, was marked, or is not due."""
    after = _with_clock(task, which, sla.breach(task.clock(which), now))
    breaches = _breaches(task, after, which, now)
    if not breaches:
        return None
    return replace(breaches[0], task=replace(after, version=task.version + 1))


def needs_another(task: Task, alert: DetractorAlerted) -> bool:
    """Tell whether an alert of the same response opens another task, or is this one's matter.

    One that is closed is closed for the answers up to the one that it showed.
    """
    return task.state is TaskState.RESOLVED and alert.revision > task.answer.revision


def revise(task: Task, answer: Answer) -> Decision | None:
    """Show the newer answer on the task; None when it is not newer or the task is closed."""
    if answer.revision <= task.answer.revision or task.state is TaskState.RESOLVED:
        return None
    return Decision(
        task=replace(task, answer=answer, version=task.version + 1),
        entries=(Entry(what="revised", details={"score": answer.score}),),
    )


def _acknowledge(task: Task, command: Acknowledge, now: datetime) -> Decision:
    event = payloads.TaskAcknowledged(**_facts(task, now), owner=task.owner or command.actor)
    return Decision(
        task=replace(task, acknowledged_at=now),
        entries=(Entry(what="acknowledged", actor=command.actor),),
        events=((registry.TASK_ACKNOWLEDGED, event),),
    )


def _contact(before: Task, task: Task, command: Contact, now: datetime) -> Decision:
    contacted_at = task.first_response.stopped_at or now
    event = payloads.TaskContacted(
        **_facts(task, now),
        owner=task.owner or command.actor,
        channel=command.channel,
        first=before.first_response.stopped_at is None,
        first_response_seconds=(contacted_at - task.opened_at).total_seconds(),
    )
    details = {"channel": command.channel}
    entry = Entry(what="contacted", actor=command.actor, note=command.note, details=details)
    return Decision(task=task, entries=(entry,), events=((registry.TASK_CONTACTED, event),))


def _resolve(task: Task, command: Resolve, now: datetime) -> Decision:
    event = payloads.TaskResolved(
        **_facts(task, now),
        owner=task.owner or command.actor,
        root_cause=command.root_cause,
        resolution_seconds=(now - task.opened_at).total_seconds(),
    )
    details = {"root_cause": command.root_cause}
    return Decision(
        task=replace(task, root_cause=command.root_cause),
        entries=(Entry(what="resolved", actor=command.actor, note=command.note, details=details),),
        events=((registry.TASK_RESOLVED, event),),
    )


def _breaches(before: Task, after: Task, which: SlaClock, now: datetime) -> tuple[Decision, ...]:
    clock = after.clock(which)
    if not clock.breached or before.clock(which).breached:
        return ()
    event = payloads.TaskSlaBreached(**_facts(after, now), clock=which, due_at=clock.due_at)
    entry = Entry(what="sla_breached", details={"clock": str(which)})
    decision = Decision(task=after, entries=(entry,), events=((registry.TASK_SLA_BREACHED, event),))
    return (decision,)


def _with_clock(task: Task, which: SlaClock, clock: ClockState) -> Task:
    if which is SlaClock.FIRST_RESPONSE:
        return replace(task, first_response=clock)
    return replace(task, resolution=clock)


def _facts(task: Task, occurred_at: datetime) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "customer_id": task.customer_id,
        "program_id": task.program_id,
        "touchpoint": task.touchpoint,
        "segment": task.segment,
        "occurred_at": occurred_at,
    }
