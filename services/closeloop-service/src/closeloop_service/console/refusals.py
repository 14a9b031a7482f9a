"""Why something was not done, and what to do now, in a sentence."""

from collections.abc import Mapping, Sequence
from typing import Final

from closeloop_service.console.forms import FieldMissing, FieldUnreadable
from closeloop_service.domain.errors import (
    ImprovementChanged,
    ImprovementMoveNotAllowed,
    MoveNotAllowed,
    TaskChanged,
    TaskTaken,
    WaitOutOfBounds,
)
from closeloop_service.domain.task import Move, Task, allowed_moves
from heardback.errors import HeardbackError

MOST_NAMED: Final = 10
"""So many of the tasks that were not moved are named."""

_CALLED: Final = {
    "text": "the text",
    "channel": "how",
    "root_cause": "the root cause",
    "reason": "why",
    "owner": "who",
    "amount": "the amount",
    "currency": "the currency, as three letters",
    "days": "how long",
    "note": "the note",
    "step": "which step",
    "title": "what is to be mended",
    "name": "its name",
}
_DONE: Final = {
    "claim": "claimed",
    "assign": "assigned",
    "acknowledge": "acknowledged",
    "escalate": "escalated",
    "cancel": "cancelled",
}


def explain_on(task: Task, move: str, error: HeardbackError) -> str:
    """Return why a task was not moved, as it stands now."""
    if isinstance(error, TaskChanged) and move in {*Move} - {*allowed_moves(task.state)}:
        error = MoveNotAllowed(task_id=task.task_id, state=str(task.state), move=move, allowed=[])
    return explain(error)


def explain(error: HeardbackError) -> str:
    """Return why a form was refused; the page below shows how things stand now."""
    match error:
        case TaskChanged() | ImprovementChanged():
            return "Not done: it changed while you looked. Look at how it stands, then press again."
        case MoveNotAllowed(state=state) | ImprovementMoveNotAllowed(state=state):
            return f"Not done: it is {state} now. This is how it stands."
        case TaskTaken(owner=owner):
            return f"Not done: {owner} owns it. Open it to take it over."
        case FieldMissing(field=field):
            return f"Not done: say {_CALLED.get(field, field)}."
        case FieldUnreadable(field=field):
            return f"Not done: {_CALLED.get(field, field)} can’t be read as it is; correct it."
        case WaitOutOfBounds():
            return "Not done: the policy allows no such long wait; choose a shorter one."
    return error.message


def summary(
    move: str, done: Sequence[Task], refused: Mapping[str, HeardbackError], names: Mapping[str, str]
) -> str:
    """Return what became of many tasks: how many were moved, and of the others each with why."""
    parts = [f"{len(done)} {_DONE[move]}."]
    if refused:
        each = [
            f"{names.get(task_id, task_id)} {_why(error)}" for task_id, error in refused.items()
        ]
        shown, more = each[:MOST_NAMED], len(each) - MOST_NAMED
        tail = f" and {more} more" if more > 0 else ""
        parts.append(f"{len(refused)} not: {', '.join(shown)}{tail}.")
    return " ".join(parts)


def _why(error: HeardbackError) -> str:
    match error:
        case MoveNotAllowed(state=state):
            return f"is {state}"
        case TaskTaken(owner=owner):
            return f"is {owner}’s"
    return f"({error.message})"
