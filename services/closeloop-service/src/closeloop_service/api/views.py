"""Tasks as other systems read them. Fields are added, none is renamed or removed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict

from closeloop_service.domain.clock import ClockState
from closeloop_service.domain.rules import Step
from closeloop_service.domain.task import Task, TaskState, allowed_moves
from closeloop_service.domain.writing import Message
from heardback.contracts.payloads import Attributes, Recipient
from heardback.vocabulary import Category, Channel, Outcome, Scale, SlaClock


class View(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class TaskView(View):
    """A task. `due_at`: when the clock `running` runs out; none while it is paused or closed.

    `breached`: a clock ran out, now or earlier. The clocks one by one: no `…_due_at` where a clock
    is paused, or is not needed.
    """

    task_id: str
    alert_id: str
    category: Category
    customer_id: str
    program_id: str
    touchpoint: str
    segment: str | None
    value: float | None
    channel: Channel | None
    state: TaskState
    allowed_moves: list[str]
    scale: Scale
    score: int
    comment: str | None
    answers: int
    owner: str | None
    team: str | None
    unrouted: str | None
    root_cause: str | None
    outcome: Outcome | None
    resolutions: int
    opened_at: datetime
    acknowledged_at: datetime | None
    contacted_at: datetime | None
    resolved_at: datetime | None
    wait_until: datetime | None
    running: SlaClock | None
    due_at: datetime | None
    breached: bool
    first_response_due_at: datetime | None
    first_response_warned: bool
    first_response_breached: bool
    next_response_due_at: datetime | None
    next_response_warned: bool
    next_response_breached: bool
    resolution_due_at: datetime | None
    resolution_warned: bool
    resolution_breached: bool
    policy_id: str
    escalation_level: int
    version: int

    @classmethod
    def of(cls, task: Task, **more: Any) -> Self:
        """Return the view of `task`."""
        return cls.model_validate({**_members(task), **more})


class ClockView(View):
    """One clock. No `due_at`: it is paused. `stopped_at`: what it waited for was done then."""

    started_at: datetime
    due_at: datetime | None
    warn_at: datetime | None
    warned: bool
    breached: bool
    stopped_at: datetime | None


class PauseView(View):
    """A time in which the clocks stood still. No end: it is not over."""

    from_at: datetime
    to_at: datetime | None


class StepView(View):
    """A step of the playbook. `done_by`: the move that does it; none: it is ticked off."""

    step_id: str
    title: str
    advice: str
    done_by: str | None
    template: str | None


class ProgressView(StepView):
    """A step of the task's playbook, and whether it is done."""

    done: bool

    @classmethod
    def of(cls, step: Step, *, done: bool) -> Self:
        """Return the view of `step`."""
        return cls.model_validate({**asdict(step), "done": done})


class MessageView(View):
    """What was written to the customer. `state`: requested, sent or failed, for this `reason`.

    `trouble`: what went wrong and what to do, in words; also when nothing is heard of it for a day.
    """

    follow_up_id: str
    actor: str
    template_id: str | None
    subject: str | None
    text: str
    state: str
    reason: str | None
    trouble: str | None
    requested_at: datetime
    settled_at: datetime | None

    @classmethod
    def of(cls, message: Message, now: datetime) -> Self:
        """Return the view of `message`."""
        return cls.model_validate({**asdict(message), "trouble": message.trouble(now)})


class HistoryView(View):
    """One line of a task's history. No actor: Heardback itself, or the customer."""

    occurred_at: datetime
    what: str
    actor: str | None
    note: str
    details: Mapping[str, Any]


class TaskWithHistory(TaskView):
    """A task and all that belongs to it; history and messages with the newest first.

    `recipient`: how to reach the customer. `next_action`: what its owner should do now.
    """

    recipient: Recipient
    clocks: Mapping[SlaClock, ClockView]
    pauses: list[PauseView]
    steps: list[ProgressView]
    next_action: StepView | None
    messages: list[MessageView]
    history: list[HistoryView]


class TaskPage(View):
    """One page of tasks. `next` is the cursor of the page after it, if there is one."""

    tasks: list[TaskView]
    next: str | None


class CustomerView(View):
    """What is known of a customer; of one who is not known, or was erased, only the id is."""

    customer_id: str
    name: str | None
    email: str | None
    phone: str | None
    locale: str | None
    timezone: str | None
    segment: str | None
    attributes: Attributes
    has_churned: bool


class StoryLineView(View):
    """One thing that happened to a customer. `what` says which; `details` say more of it."""

    occurred_at: datetime
    what: str
    details: Mapping[str, Any]


class StoryView(View):
    """A customer, and what happened to them, the newest first."""

    customer: CustomerView
    story: list[StoryLineView]


class FiguresView(View):
    """Of the active tasks: how many there are, and how many are late now, due within half an hour,
    waiting for the customer, nobody's, and nobody's for want of a rule or a person.
    """

    open: int
    breached: int
    due_soon: int
    waiting: int
    unowned: int
    unrouted: int


def _members(task: Task) -> dict[str, Any]:
    names = TaskView.model_fields.keys() - _MADE
    return {
        **{name: getattr(task, name) for name in names},
        "allowed_moves": [str(move) for move in allowed_moves(task.state)],
        "scale": task.answer.scale,
        "score": task.answer.score,
        "comment": task.answer.comment,
        **{
            f"{which}_{name}": value
            for which in SlaClock
            for name, value in _clock_members(task.clocks.get(which))
        },
    }


def _clock_members(clock: ClockState | None) -> Sequence[tuple[str, Any]]:
    if clock is None:
        return ("due_at", None), ("warned", False), ("breached", False)
    return ("due_at", clock.due_at), ("warned", clock.warned), ("breached", clock.breached)


_MADE: Final = {
    *("allowed_moves", "scale", "score", "comment"),
    *(f"{which}_{name}" for which in SlaClock for name, _ in _clock_members(None)),
}
