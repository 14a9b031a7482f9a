"""What each move does to a task: its clocks, its history, and what others hear of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from closeloop_service.domain import checks
from closeloop_service.domain import clock as clocks
from closeloop_service.domain.commands import (
    Acknowledge,
    Assign,
    Cancel,
    Compensate,
    Contact,
    Escalate,
    Note,
    Release,
    Reopen,
    Reply,
    Resolve,
    Resume,
    Step,
    Verify,
    Wait,
    Write,
)
from closeloop_service.domain.decision import Decision, Said, joined, say
from closeloop_service.domain.history import Entry
from closeloop_service.domain.planning import policy_of
from closeloop_service.domain.routing import teams_of
from closeloop_service.domain.rules import AlertKind, Escalation, Rank, Rules
from closeloop_service.domain.task import Move, Task, TaskState
from closeloop_service.domain.telling import about, level_of
from heardback.contracts import registry
from heardback.contracts.registry import EventType
from heardback.vocabulary import SlaClock

# Of a task that is opened again; who was contacted once awaits the next response.
_ANEW: Final = (SlaClock.RESOLUTION,)
_AS_BEFORE: Final = (SlaClock.RESOLUTION, SlaClock.FIRST_RESPONSE)
HEARD_BACK: Final = (SlaClock.FIRST_RESPONSE, SlaClock.NEXT_RESPONSE)
"""The clocks that contact stops."""
# Who asks for help where no policy names anybody, asks the team's lead.
_LEAD: Final = (Escalation(after=timedelta(0), ranks=(Rank.LEAD,)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A move under way: the task as it stands, by which rules, when.

    `reopens`: it had been closed. `moment`: when it happened, where it is told later than that.
    """

    task: Task
    rules: Rules
    now: datetime
    moment: datetime
    reopens: bool

    def done(
        self,
        what: str,
        actor: str | None,
        *said: Said,
        note: str = "",
        details: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Decision:
        """Return the decision: the task after `changes`, and one line of history."""
        entry = Entry(what=what, actor=actor, note=note, details=details or {})
        return Decision(task=replace(self.task, **changes), entries=(entry,), events=said)

    def say(self, event_type: EventType, **more: Any) -> Said:
        """Return an event about the task as it stands."""
        return say(self.task, event_type, self.now, **more)


def _assign(moving: Moving, command: Assign) -> Decision:
    task = moving.task
    teams = teams_of(moving.rules, command.owner)
    stays = task.team in teams or not teams
    team = command.team or (task.team if stays else min(teams))
    owned = replace(task, owner=command.owner, team=team, unrouted=None)
    if task.state is TaskState.ASSIGNED:
        owned = replace(owned, acknowledged_at=None)
    event = say(owned, registry.TASK_ASSIGNED, moving.now, owner=command.owner, by=command.actor)
    details = {"owner": command.owner, "team": team, "before": task.owner}
    return replace(moving, task=owned).done(
        "assigned", command.actor, event, note=command.note, details=details
    )


def _release(moving: Moving, command: Release) -> Decision:
    task = moving.task
    return moving.done(
        "released",
        command.actor,
        moving.say(registry.TASK_ASSIGNED, owner=None, by=command.actor),
        note=command.note,
        details={"before": task.owner},
        owner=None,
        unrouted=None if task.team else "given back",
        acknowledged_at=None if task.state is TaskState.OPEN else task.acknowledged_at,
    )


def _acknowledge(moving: Moving, command: Acknowledge) -> Decision:
    event = moving.say(registry.TASK_ACKNOWLEDGED, owner=moving.task.owner)
    return moving.done("acknowledged", command.actor, event, acknowledged_at=moving.now)


def _write(moving: Moving, command: Write) -> Decision:
    details = {
        "follow_up_id": command.follow_up_id,
        "template_id": command.template_id,
        "subject": command.subject,
    }
    return moving.done("wrote", command.actor, note=command.text, details=details)


def _contact(moving: Moving, command: Contact) -> Decision:
    task = moving.task
    contacted_at = task.contacted_at or moving.moment
    in_time = clocks.stopped_in_time(task.clocks, moving.moment, only=HEARD_BACK)
    late_news = {"at": moving.moment, "in_time": in_time} if moving.moment < moving.now else {}
    event = moving.say(
        registry.TASK_CONTACTED,
        owner=task.owner,
        channel=command.channel,
        first=task.contacted_at is None,
        first_response_seconds=(contacted_at - task.opened_at).total_seconds(),
    )
    return moving.done(
        "contacted",
        command.actor,
        event,
        note=command.note,
        details={"channel": command.channel, **late_news},
        contacted_at=contacted_at,
        clocks=clocks.stopped(task.clocks, moving.moment, only=HEARD_BACK),
    )


def _reply(moving: Moving, command: Reply) -> Decision:
    task = moving.task
    replied = moving.done(
        "replied",
        command.actor,
        moving.say(registry.TASK_REPLIED, channel=command.channel),
        note=command.text,
        details={"channel": command.channel},
        clocks=clocks.awaiting(task.clocks, moving.now) if task.contacted_at else task.clocks,
        wait_until=None,
    )
    if not moving.reopens:
        return replied
    again = _opened_again(replace(moving, task=replied.task), command.actor, "the customer replied")
    return joined([replied, again])


def _wait(moving: Moving, command: Wait) -> Decision:
    until = command.until or checks.longest_wait(policy_of(moving.task, moving.rules), moving.now)
    return moving.done(
        "waiting",
        command.actor,
        moving.say(registry.TASK_WAITING, wait_until=until),
        note=command.note,
        details={"until": until},
        wait_until=until,
    )


def _resume(moving: Moving, command: Resume) -> Decision:
    resumed = moving.say(registry.TASK_RESUMED)
    return moving.done("resumed", command.actor, resumed, note=command.note, wait_until=None)


def _resolve(moving: Moving, command: Resolve) -> Decision:
    task, now, number = moving.task, moving.now, moving.task.resolutions + 1
    event = moving.say(
        registry.TASK_RESOLVED,
        owner=task.owner,
        root_cause=command.root_cause,
        resolution_seconds=(now - task.opened_at).total_seconds(),
        number=number,
    )
    return moving.done(
        "resolved",
        command.actor,
        event,
        note=command.note,
        details={"root_cause": command.root_cause, "number": number, "category": task.category},
        root_cause=command.root_cause,
        resolved_at=now,
        resolutions=number,
        wait_until=None,
        clocks=clocks.stopped(task.clocks, now),
    )


def _verify(moving: Moving, command: Verify) -> Decision:
    task, facts = moving.task, {"outcome": command.outcome, "score": command.score}
    event = moving.say(registry.TASK_VERIFIED, **facts)
    details = {**facts, "number": task.resolutions, "category": task.category}
    return moving.done("verified", command.actor, event, details=details, outcome=command.outcome)


def _reopen(moving: Moving, command: Reopen) -> Decision:
    return _opened_again(moving, command.actor, command.reason)


def _opened_again(moving: Moving, actor: str | None, reason: str) -> Decision:
    """Return the task with its clocks going on; who was heard back once awaits the next time."""
    task = moving.task
    goes_on = clocks.going_on(task.clocks, _ANEW if task.contacted_at else _AS_BEFORE)
    event = moving.say(registry.TASK_REOPENED, reason=reason)
    return moving.done(
        "reopened",
        actor,
        event,
        note=reason,
        clocks=clocks.awaiting(goes_on, moving.now) if task.contacted_at else goes_on,
        acknowledged_at=None,
        resolved_at=None,
        outcome=None,
    )


def _cancel(moving: Moving, command: Cancel) -> Decision:
    return moving.done(
        "cancelled",
        command.actor,
        moving.say(registry.TASK_CANCELLED, reason=command.reason),
        note=command.reason,
        wait_until=None,
        clocks=clocks.stopped(moving.task.clocks, moving.now),
    )


def _escalate(moving: Moving, command: Escalate) -> Decision:
    task = moving.task
    chain = policy_of(task, moving.rules).escalations or _LEAD
    level = min(task.escalation_level + 1, len(chain))
    told = level_of(task, chain[level - 1], moving.rules)
    alert = about(
        task,
        AlertKind.ESCALATED,
        f"escalated/{task.task_id}/by-hand/{task.version}",
        title=f"{command.actor} asks for help",
        due_at=task.due_at,
        note=command.reason,
        told=told,
    )
    event = moving.say(registry.TASK_ESCALATED, level=level, clock=None, to=told.names)
    escalated = moving.done(
        "escalated",
        command.actor,
        event,
        note=command.reason,
        details={"level": level, "to": told.names},
        escalation_level=max(level, task.escalation_level),
    )
    return replace(escalated, alerts=(alert,))


def _note(moving: Moving, command: Note) -> Decision:
    return moving.done("noted", command.actor, note=command.note)


def _compensate(moving: Moving, command: Compensate) -> Decision:
    details = {"kind": command.kind, "amount": command.amount, "currency": command.currency}
    return moving.done("compensated", command.actor, note=command.note, details=details)


def _step(moving: Moving, command: Step) -> Decision:
    steps = moving.task.steps_done
    ticked = steps | {command.step_id} if command.done else steps - {command.step_id}
    details = {"step_id": command.step_id, "done": command.done}
    return moving.done("step", command.actor, details=details, steps_done=ticked)


MOVES: Final[Mapping[Move, Callable[[Moving, Any], Decision]]] = {
    Move.ASSIGN: _assign,
    Move.RELEASE: _release,
    Move.ACKNOWLEDGE: _acknowledge,
    Move.WRITE: _write,
    Move.CONTACT: _contact,
    Move.REPLY: _reply,
    Move.WAIT: _wait,
    Move.RESUME: _resume,
    Move.RESOLVE: _resolve,
    Move.VERIFY: _verify,
    Move.REOPEN: _reopen,
    Move.CANCEL: _cancel,
    Move.ESCALATE: _escalate,
    Move.NOTE: _note,
    Move.COMPENSATE: _compensate,
    Move.STEP: _step,
}
"""What each move does; the state has been moved before."""
