"""Commands: a task moves by one table, and its clocks with it."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from closeloop_service.domain import checks
from closeloop_service.domain.clock import Pause
from closeloop_service.domain.commands import Command, Contact
from closeloop_service.domain.decision import Decision, changed, joined
from closeloop_service.domain.errors import TaskChanged
from closeloop_service.domain.firing import mark_breach
from closeloop_service.domain.history import Entry
from closeloop_service.domain.moves import HEARD_BACK, MOVES, Moving
from closeloop_service.domain.planning import plan, timers_of
from closeloop_service.domain.playbook import steps_after
from closeloop_service.domain.rules import Rules
from closeloop_service.domain.task import Move, Task, TaskState, next_state

MOVES_CLOCKS: Final = frozenset(
    {Move.CONTACT, Move.REPLY, Move.WAIT, Move.RESUME}
    | {Move.RESOLVE, Move.VERIFY, Move.REOPEN, Move.CANCEL}
)
"""The moves after which a task gets all of its timers anew."""

_STANDING_STILL: Final = frozenset(
    {TaskState.WAITING, TaskState.RESOLVED, TaskState.VERIFIED, TaskState.CANCELLED}
)
_TAKES: Final = frozenset({Move.ACKNOWLEDGE, Move.CONTACT, Move.RESOLVE})


def decide(
    task: Task, command: Command, rules: Rules, now: datetime, *, version: int | None = None
) -> Decision:
    """Move the task. `version` is the one that the caller read, where it insists on it.

    Raises: TaskChanged, MoveNotAllowed, TaskTaken; the caller shows the task as it is. What is not
    known to the rules or out of bounds: an Invalid of `domain.errors`.
    """
    if version is not None and version != task.version:
        raise TaskChanged(task_id=task.task_id, version=task.version)
    state = next_state(task, command.move)
    checks.check(task, command, rules, now, knowingly=version is not None)
    moment = _moment(task, command, now)
    late = _late(task, rules, now, heard_back_at=moment) if command.move in MOVES_CLOCKS else []
    ready = late[-1].task if late else task
    moved = changed(ready, state=state, pauses=_pauses(ready, state, now))
    if command.move in _TAKES and moved.owner is None:
        moved = replace(moved, owner=command.actor, unrouted=None)
    moving = Moving(task=moved, rules=rules, now=now, moment=moment, reopens=not task.active)
    decision = MOVES[command.move](moving, command)
    playbook = rules.playbooks.by_category.get(task.category)
    steps = steps_after(decision.task, playbook, command.move)
    decision = replace(decision, task=replace(decision.task, steps_done=steps))
    if command.move in MOVES_CLOCKS:
        planned = plan(decision.task, rules) if decision.task.active else decision.task
        decision = replace(decision, task=planned, timers=timers_of(planned, rules))
    return joined([*late, decision])


def replan(task: Task, rules: Rules, now: datetime) -> Decision:
    """Return the task by rules that have changed, with its timers; no entry: it is as it was.

    What ran out by the rules of before, did.
    """
    late = _late(task, rules, now, heard_back_at=now)
    ready = late[-1].task if late else task
    planned = plan(ready, rules)
    decision = Decision(task=planned)
    if (planned.clocks, planned.policy_id) != (ready.clocks, ready.policy_id):
        due = {which: clock.due_at for which, clock in planned.clocks.items() if clock.runs}
        entry = Entry(what="replanned", details={"policy": planned.policy_id, "due": due})
        decision = Decision(task=changed(planned), entries=(entry,))
    return joined([*late, replace(decision, timers=timers_of(decision.task, rules))])


def _moment(task: Task, command: Command, now: datetime) -> datetime:
    """Return when it happened: a contact may be told later, and is never before the task."""
    if isinstance(command, Contact) and command.at is not None:
        return min(max(command.at, task.opened_at), now)
    return now


def _late(task: Task, rules: Rules, now: datetime, *, heard_back_at: datetime) -> list[Decision]:
    """Return the breaches of clocks that ran out before this, whose timers did not fire yet."""
    breaches: list[Decision] = []
    for which in task.clocks:
        at = heard_back_at if which in HEARD_BACK else now
        ran_out = mark_breach(breaches[-1].task if breaches else task, which, rules, at)
        if ran_out is not None:
            breaches.append(ran_out)
    return breaches


def _pauses(task: Task, state: TaskState, now: datetime) -> tuple[Pause, ...]:
    """Return the pauses after the move: one lasts as long as the state is one of standing still."""
    paused = bool(task.pauses) and task.pauses[-1].to_at is None
    stands = state in _STANDING_STILL
    if stands == paused:
        return task.pauses
    if stands:
        return (*task.pauses, Pause(from_at=now))
    return (*task.pauses[:-1], replace(task.pauses[-1], to_at=now))
