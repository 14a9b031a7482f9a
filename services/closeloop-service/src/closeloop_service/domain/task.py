"""The owner task, and the one table of the moves that it allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from closeloop_service.domain.clock import Clocks, Pause
from closeloop_service.domain.errors import MoveNotAllowed
from closeloop_service.domain.matching import Facts
from heardback.contracts.payloads import Recipient
from heardback.vocabulary import Category, Channel, Outcome, Scale, SlaClock


class TaskState(StrEnum):
    """Where a task stands."""

    OPEN = "open"
    ASSIGNED = "assigned"
    ACKNOWLEDGED = "acknowledged"
    CONTACTED = "contacted"
    WAITING = "waiting"
    RESOLVED = "resolved"
    VERIFIED = "verified"
    REOPENED = "reopened"
    CANCELLED = "cancelled"


ACTIVE: Final = (
    TaskState.OPEN,
    TaskState.ASSIGNED,
    TaskState.ACKNOWLEDGED,
    TaskState.CONTACTED,
    TaskState.WAITING,
    TaskState.REOPENED,
)
"""The states in which somebody still has to do something."""


class Move(StrEnum):
    """What can be done with a task."""

    ASSIGN = "assign"
    RELEASE = "release"
    ACKNOWLEDGE = "acknowledge"
    WRITE = "write"
    CONTACT = "contact"
    REPLY = "reply"
    WAIT = "wait"
    RESUME = "resume"
    RESOLVE = "resolve"
    VERIFY = "verify"
    REOPEN = "reopen"
    CANCEL = "cancel"
    ESCALATE = "escalate"
    NOTE = "note"
    COMPENSATE = "compensate"
    STEP = "step"


# To acknowledge is not to respond: nothing is resolved before the customer was contacted, and
# after a reopening they must be contacted anew. `reply` is the customer's, the others ours.
TRANSITIONS: Final[Mapping[tuple[TaskState, Move], TaskState]] = {
    (TaskState.OPEN, Move.ASSIGN): TaskState.ASSIGNED,
    (TaskState.OPEN, Move.ACKNOWLEDGE): TaskState.ACKNOWLEDGED,
    (TaskState.OPEN, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.OPEN, Move.CANCEL): TaskState.CANCELLED,
    (TaskState.ASSIGNED, Move.ASSIGN): TaskState.ASSIGNED,
    (TaskState.ASSIGNED, Move.RELEASE): TaskState.OPEN,
    (TaskState.ASSIGNED, Move.ACKNOWLEDGE): TaskState.ACKNOWLEDGED,
    (TaskState.ASSIGNED, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.ASSIGNED, Move.CANCEL): TaskState.CANCELLED,
    (TaskState.ACKNOWLEDGED, Move.ASSIGN): TaskState.ASSIGNED,
    (TaskState.ACKNOWLEDGED, Move.RELEASE): TaskState.OPEN,
    (TaskState.ACKNOWLEDGED, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.ACKNOWLEDGED, Move.CANCEL): TaskState.CANCELLED,
    (TaskState.CONTACTED, Move.ASSIGN): TaskState.CONTACTED,
    (TaskState.CONTACTED, Move.RELEASE): TaskState.CONTACTED,
    (TaskState.CONTACTED, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.CONTACTED, Move.WAIT): TaskState.WAITING,
    (TaskState.CONTACTED, Move.RESOLVE): TaskState.RESOLVED,
    (TaskState.CONTACTED, Move.CANCEL): TaskState.CANCELLED,
    (TaskState.WAITING, Move.ASSIGN): TaskState.WAITING,
    (TaskState.WAITING, Move.RELEASE): TaskState.WAITING,
    (TaskState.WAITING, Move.CONTACT): TaskState.WAITING,
    (TaskState.WAITING, Move.REPLY): TaskState.CONTACTED,
    (TaskState.WAITING, Move.RESUME): TaskState.CONTACTED,
    (TaskState.WAITING, Move.RESOLVE): TaskState.RESOLVED,
    (TaskState.WAITING, Move.CANCEL): TaskState.CANCELLED,
    (TaskState.RESOLVED, Move.REPLY): TaskState.REOPENED,
    (TaskState.RESOLVED, Move.VERIFY): TaskState.VERIFIED,
    (TaskState.RESOLVED, Move.REOPEN): TaskState.REOPENED,
    (TaskState.VERIFIED, Move.REPLY): TaskState.REOPENED,
    (TaskState.VERIFIED, Move.REOPEN): TaskState.REOPENED,
    (TaskState.REOPENED, Move.ASSIGN): TaskState.REOPENED,
    (TaskState.REOPENED, Move.RELEASE): TaskState.REOPENED,
    (TaskState.REOPENED, Move.ACKNOWLEDGE): TaskState.ACKNOWLEDGED,
    (TaskState.REOPENED, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.REOPENED, Move.CANCEL): TaskState.CANCELLED,
    (TaskState.CANCELLED, Move.REOPEN): TaskState.REOPENED,
    **{
        (state, move): state
        for state in ACTIVE
        for move in (Move.WRITE, Move.ESCALATE, Move.COMPENSATE, Move.STEP)
    },
    **{(state, Move.REPLY): state for state in ACTIVE if state is not TaskState.WAITING},
    **{(state, Move.NOTE): state for state in TaskState},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the customer said, in its newest revision."""

    response_id: str
    customer_id: str
    revision: int
    scale: Scale
    score: int
    comment: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One customer who waits to be heard back. `version` counts its changes.

    `alert_id` is what opened it: a detractor's alert, or the id of another's response.
    `answer` is the one that it shows: the newest of those that joined it; `answers` counts them.
    `invitation_id` and `channel` are the conversation in which the owner can write to them.
    `owner` is a person's name, `team` a team's id; neither: it stands in the queue of tasks that
    could not be routed, for the reason in `unrouted`. `value` is what the customer brings in a
    year. `policy_id` and `rules_version` say by what its clocks were planned.
    `escalation_level`: so many levels were told, whichever clock it was for.
    `resolutions` counts the times that it was resolved. `steps_done`: of its playbook.
    `outcome` is what came of it; None: not known yet.
    """

    task_id: str
    alert_id: str
    category: Category
    customer_id: str
    program_id: str
    touchpoint: str
    segment: str | None
    locale: str | None
    value: float | None
    recipient: Recipient
    invitation_id: str | None
    channel: Channel | None
    answer: Answer
    answers: int
    state: TaskState
    owner: str | None
    team: str | None
    unrouted: str | None
    opened_at: datetime
    acknowledged_at: datetime | None
    contacted_at: datetime | None
    resolved_at: datetime | None
    clocks: Clocks
    pauses: tuple[Pause, ...]
    wait_until: datetime | None
    policy_id: str
    rules_version: int
    escalation_level: int
    steps_done: frozenset[str]
    root_cause: str | None
    resolutions: int
    outcome: Outcome | None
    version: int
    traceparent: str | None

    @property
    def active(self) -> bool:
        """Whether somebody still has to do something."""
        return self.state in ACTIVE

    @property
    def facts(self) -> Facts:
        """What rules look at."""
        return Facts(
            category=self.category,
            touchpoint=self.touchpoint,
            program_id=self.program_id,
            score=self.answer.score,
            segment=self.segment,
            locale=self.locale,
            value=self.value,
        )

    @property
    def running(self) -> SlaClock | None:
        """The clock that matters now: of those that run, the one that is due first."""
        due = [
            (clock.due_at, which)
            for which, clock in self.clocks.items()
            if clock.stopped_at is None and clock.due_at is not None
        ]
        return min(due, key=lambda pair: pair[0])[1] if due else None

    @property
    def due_at(self) -> datetime | None:
        """When the running clock runs out; None: no clock runs."""
        return None if self.running is None else self.clocks[self.running].due_at

    @property
    def breached(self) -> bool:
        """Whether a clock ran out, now or earlier."""
        return any(clock.breached for clock in self.clocks.values())


def allowed_moves(state: TaskState) -> list[Move]:
    """Return the moves that `state` allows, in the order of a task's life."""
    return [move for move in Move if (state, move) in TRANSITIONS]


def next_state(task: Task, move: Move) -> TaskState:
    """Return the state that `move` leads to.

    Raises: MoveNotAllowed; show the task as it is and what it allows.
    """
    try:
        return TRANSITIONS[task.state, move]
    except KeyError:
        allowed = [str(allowed) for allowed in allowed_moves(task.state)]
        raise MoveNotAllowed(
            task_id=task.task_id, state=str(task.state), move=str(move), allowed=allowed
        ) from None
