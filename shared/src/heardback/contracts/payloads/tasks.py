"""What happens to owner tasks."""

from pydantic import Field

from heardback.contracts.payloads.base import CustomerPayload, Id, Instant, Label, Score
from heardback.vocabulary import Category, Outcome, SlaClock


class TaskEvent(CustomerPayload):
    """Something happened to an owner task; `version` is the task's since then."""

    task_id: Id
    program_id: Id
    touchpoint: Label
    segment: Label | None = None
    category: Category = Category.DETRACTOR
    team: Label | None = None
    version: int = Field(default=1, ge=1)
    occurred_at: Instant


class TaskOpened(TaskEvent):
    """An owner task was opened; its clocks run from `occurred_at`.

    `alert_id` is what opened it: the alert of a detractor, or the id of another's response.
    """

    alert_id: Id
    score: Score
    policy_id: Label | None = None
    first_response_due_at: Instant
    resolution_due_at: Instant


class TaskJoined(TaskEvent):
    """The customer was unhappy once more; it joins the task that waits already."""

    alert_id: Id
    response_id: Id
    score: Score


class TaskAssigned(TaskEvent):
    """The task has an owner now, by a rule (no `by`) or a person. No owner: it was given back."""

    owner: Label | None
    by: Label | None = None


class TaskAcknowledged(TaskEvent):
    """The owner took the task. This is not yet a response to the customer."""

    owner: Label


class TaskContacted(TaskEvent):
    """The owner reached the customer; the first-response clock stops at the first contact."""

    owner: Label
    channel: Label
    first: bool
    first_response_seconds: float = Field(ge=0)


class TaskReplied(TaskEvent):
    """The customer wrote back or called; the next-response clock runs until the next contact."""

    channel: Label


class TaskWaiting(TaskEvent):
    """The customer has to do something first; the resolution clock pauses, until then at most."""

    wait_until: Instant | None = None


class TaskResumed(TaskEvent):
    """The wait is over; the resolution clock runs again."""


class TaskResolved(TaskEvent):
    """The task is closed with its root cause; the resolution clock stops.

    `number` counts the times that it was resolved.
    """

    owner: Label
    root_cause: Label
    resolution_seconds: float = Field(ge=0)
    number: int = Field(default=1, ge=1)


class TaskReopened(TaskEvent):
    """The task was closed too early; what its clocks had used counts on."""

    reason: Label


class TaskVerified(TaskEvent):
    """What came of it is known. `score`: the answer to the recovery question, if there is one."""

    outcome: Outcome
    score: Score | None = None


class TaskCancelled(TaskEvent):
    """There was nothing to do after all (a spam answer, a test)."""

    reason: Label


class TaskEscalated(TaskEvent):
    """Somebody higher up was told: `level` counts from 1. No clock: a person did it."""

    level: int = Field(ge=1)
    clock: SlaClock | None = None
    to: tuple[Label, ...] = ()


class TaskSlaWarned(TaskEvent):
    """A clock of the task has used its warning share."""

    clock: SlaClock
    due_at: Instant


class TaskSlaBreached(TaskEvent):
    """A clock of the task ran out."""

    clock: SlaClock
    due_at: Instant
