"""The owner task, and the one table of the moves that it allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from closeloop_service.domain.errors import MoveNotAllowed
from closeloop_service.domain.sla import ClockState
from heardback.contracts.payloads import Recipient
from heardback.vocabulary import Scale, SlaClock


class TaskState(StrEnum):
    """Where a task stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CONTACTED = "contacted"
    RESOLVED = "resolved"


class Move(StrEnum):
    """What an owner can do with a task."""

    ACKNOWLEDGE = "acknowledge"
    CONTACT = "contact"
    RESOLVE = "resolve"


# To acknowledge is not to respond: nothing is resolved before the customer was contacted.
# A task may be contacted at once, which takes it, and again, for each further try.
TRANSITIONS: Final[Mapping[tuple[TaskState, Move], TaskState]] = {
    (TaskState.OPEN, Move.ACKNOWLEDGE): TaskState.ACKNOWLEDGED,
    (TaskState.OPEN, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.ACKNOWLEDGED, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.CONTACTED, Move.CONTACT): TaskState.CONTACTED,
    (TaskState.CONTACTED, Move.RESOLVE): TaskState.RESOLVED,
}

STOPS: Final[Mapping[Move, SlaClock]] = {
    Move.CONTACT: SlaClock.FIRST_RESPONSE,
    Move.RESOLVE: SlaClock.RESOLUTION,
}
"""The clock that a move stops."""


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
    """One detractor who waits to be heard back. `version` counts its changes."""

    task_id: str
    alert_id: str
    customer_id: str
    program_id: str
    touchpoint: str
    segment: str | None
    recipient: Recipient
    answer: Answer
    state: TaskState
    owner: str | None
    opened_at: datetime
    acknowledged_at: datetime | None
    first_response: ClockState
    resolution: ClockState
    root_cause: str | None
    version: int
    traceparent: str | None

    @property
    def running(self) -> SlaClock | None:
        """The clock that matters now: first response, then resolution, then none."""
        if self.first_response.stopped_at is None:
            return SlaClock.FIRST_RESPONSE
        return SlaClock.RESOLUTION if self.resolution.stopped_at is None else None

    @property
    def due_at(self) -> datetime | None:
        """When the running clock runs out."""
        return None if self.running is None else self.clock(self.running).due_at

    def clock(self, which: SlaClock) -> ClockState:
        """Return one of the two clocks."""
        return self.first_response if which is SlaClock.FIRST_RESPONSE else self.resolution


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
