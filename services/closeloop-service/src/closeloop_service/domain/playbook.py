"""What to do next with a task: its playbook, step by step, unless something else comes first."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from closeloop_service.domain.rules import Playbook, Step
from closeloop_service.domain.task import Move, Task, TaskState
from closeloop_service.domain.writing import Message
from heardback.vocabulary import Category, SlaClock, category_of

Progress = list[tuple[Step, bool]]
"""The steps of a playbook in order, and whether each is done."""

_RANK: Final = (Category.DETRACTOR, Category.PASSIVE, Category.PROMOTER)
_OPENS_AGAIN: Final = frozenset({Move.REOPEN, Move.REPLY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Since:
    """What happened since somebody was in touch with the customer last.

    `undelivered`: the newest message, when it failed. `wait_ran_out`: they were waited for, in
    vain.
    """

    undelivered: Message | None = None
    wait_ran_out: bool = False


def next_action(
    task: Task, playbook: Playbook, now: datetime, *, since: Since | None = None
) -> Step | None:
    """Return what its owner should do next; None: nothing, it is closed or the customer's turn.

    What can't wait comes before the playbook. Such a step is none of the playbook's own: it is not
    ticked off, its move does it.
    """
    if not task.active:
        return None
    urgent = _urgent(task, now, since or Since())
    if urgent is not None or task.state is TaskState.WAITING:
        return urgent
    if _has_raised(task):
        return _THANK_AND_CLOSE if task.state is TaskState.CONTACTED else _THANK
    undone = (step for step, done in progress(task, playbook) if not done)
    return next(undone, _CLOSE if task.state is TaskState.CONTACTED else _CONTACT)


def progress(task: Task, playbook: Playbook) -> Progress:
    """Return the steps of the playbook, and whether each was done by its move or ticked off."""
    return [(step, step.step_id in task.steps_done) for step in playbook.steps]


def steps_after(task: Task, playbook: Playbook | None, move: Move) -> frozenset[str]:
    """Return the steps that are done once `move` led to the task as it is.

    A task that opens again keeps what was ticked off; what moves do is to be done anew.
    """
    if playbook is None:
        return task.steps_done
    if task.state is TaskState.REOPENED and move in _OPENS_AGAIN:
        return task.steps_done - {step.step_id for step in playbook.steps if step.done_by}
    return task.steps_done | {step.step_id for step in playbook.steps if step.done_by == move}


def _urgent(task: Task, now: datetime, since: Since) -> Step | None:
    """Return what comes before the playbook, the most urgent first."""
    if task.state is TaskState.REOPENED:
        return _ANEW
    if _awaits(task, SlaClock.NEXT_RESPONSE):
        return _ANSWER
    if since.undelivered is not None:
        return replace(_ANOTHER_WAY, advice=f"Your message did not arrive. {since.undelivered.why}")
    first = task.clocks.get(SlaClock.FIRST_RESPONSE)
    if first is not None and first.breached and _awaits(task, SlaClock.FIRST_RESPONSE):
        return _SORRY
    is_over = task.wait_until is not None and now >= task.wait_until
    return _ASK_AGAIN if is_over or since.wait_ran_out else None


def _awaits(task: Task, which: SlaClock) -> bool:
    clock = task.clocks.get(which)
    return clock is not None and clock.stopped_at is None


def _has_raised(task: Task) -> bool:
    """Tell whether the newest answer is of a better group than the task."""
    group = category_of(task.answer.score, task.answer.scale)
    return _RANK.index(group) > _RANK.index(task.category)


_ANSWER: Final = Step(
    step_id="answer",
    title="Answer them",
    advice="They wrote back and wait. Read what they said in the history, then call or write.",
    done_by=Move.CONTACT,
)
_SORRY: Final = Step(
    step_id="call_now",
    title="Call them now",
    advice=(
        "Nobody has been in touch and the time for it is over. Begin by saying sorry for the wait."
    ),
    done_by=Move.CONTACT,
)
_ANEW: Final = Step(
    step_id="contact_anew",
    title="Contact them again",
    advice=(
        "It was closed too early: the history says why. Ask what is still open before you promise "
        "anything."
    ),
    done_by=Move.CONTACT,
)
_ASK_AGAIN: Final = Step(
    step_id="ask_again",
    title="Ask once more",
    advice="The wait is over and they have not come back. Ask once more, or resolve the task.",
    done_by=Move.CONTACT,
)
_THANK: Final = Step(
    step_id="thank",
    title="Thank them and ask what changed",
    advice="They have raised their score since. Say that you saw it.",
    done_by=Move.CONTACT,
)
_THANK_AND_CLOSE: Final = Step(
    step_id="thank_and_close",
    title="Thank them, then resolve it",
    advice="They have raised their score since. Say that you saw it, if you have not yet.",
    done_by=Move.RESOLVE,
)
_CONTACT: Final = Step(
    step_id="contact",
    title="Contact them",
    advice="Every step is ticked off, but nobody has been in touch with the customer.",
    done_by=Move.CONTACT,
)
_CLOSE: Final = Step(
    step_id="close",
    title="Resolve it",
    advice="Every step is done. Choose what caused it; the customer is asked whether all is well.",
    done_by=Move.RESOLVE,
)
_ANOTHER_WAY: Final = Step(
    step_id="reach_another_way",
    title="Reach them another way",
    done_by=Move.CONTACT,
)
