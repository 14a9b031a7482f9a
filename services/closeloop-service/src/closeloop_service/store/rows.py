"""How a task lies in its row."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from sqlalchemy import Row

from closeloop_service.domain.clock import ClockState, Pause
from closeloop_service.domain.task import Answer, Task, TaskState
from closeloop_service.tables import TASK
from heardback.contracts.payloads import Recipient
from heardback.vocabulary import Category, Channel, Outcome, Scale, SlaClock

_MADE: Final = frozenset({"active", "running", "due_at", "breached"})
COLUMNS: Final = ", ".join(column.name for column in TASK.c if column.name not in _MADE)
"""The columns that `task_of` reads."""
# A map costs a tenth of what calling the enum does.
_CATEGORIES: Final = {str(each): each for each in Category}
_CHANNELS: Final[Mapping[str | None, Channel | None]] = {
    None: None,
    **{str(each): each for each in Channel},
}
_CLOCKS: Final = {str(each): each for each in SlaClock}
_OUTCOMES: Final[Mapping[str | None, Outcome | None]] = {
    None: None,
    **{str(each): each for each in Outcome},
}
_SCALES: Final = {str(each): each for each in Scale}
_STATES: Final = {str(each): each for each in TaskState}


class Columns(Protocol):
    """A row whose columns are found by their names."""

    def __getitem__(self, name: str, /) -> Any:
        """Return what is in a column."""


def to_task(row: Row[Any]) -> Task:
    """Return the task in a row of the task table."""
    return task_of(row._mapping)


def task_of(row: Columns) -> Task:
    """Return the task of these columns, JSON as data."""
    return Task(
        task_id=row["task_id"],
        alert_id=row["alert_id"],
        category=_CATEGORIES[row["category"]],
        customer_id=row["customer_id"],
        program_id=row["program_id"],
        touchpoint=row["touchpoint"],
        segment=row["segment"],
        locale=row["locale"],
        value=row["value"],
        recipient=Recipient.model_validate(row["recipient"]),
        invitation_id=row["invitation_id"],
        channel=_CHANNELS[row["channel"]],
        answer=_answer(row),
        answers=row["answers"],
        state=_STATES[row["state"]],
        owner=row["owner"],
        team=row["team"],
        unrouted=row["unrouted"],
        opened_at=row["opened_at"],
        acknowledged_at=row["acknowledged_at"],
        contacted_at=row["contacted_at"],
        resolved_at=row["resolved_at"],
        clocks={_CLOCKS[which]: _clock(clock) for which, clock in row["clocks"].items()},
        pauses=tuple(_pause(*pause) for pause in row["pauses"]),
        wait_until=row["wait_until"],
        policy_id=row["policy_id"],
        rules_version=row["rules_version"],
        escalation_level=row["escalation_level"],
        steps_done=frozenset(row["steps_done"]),
        root_cause=row["root_cause"],
        resolutions=row["resolutions"],
        outcome=_OUTCOMES[row["outcome"]],
        version=row["version"],
        traceparent=row["traceparent"],
    )


def to_row(task: Task) -> Mapping[str, Any]:
    """Return the row of a task."""
    answer = task.answer
    return {
        "task_id": task.task_id,
        "alert_id": task.alert_id,
        "category": task.category,
        "customer_id": task.customer_id,
        "program_id": task.program_id,
        "touchpoint": task.touchpoint,
        "segment": task.segment,
        "locale": task.locale,
        "value": task.value,
        "recipient": dict(task.recipient),
        "invitation_id": task.invitation_id,
        "channel": task.channel,
        "response_id": answer.response_id,
        "response_revision": answer.revision,
        "scale": answer.scale,
        "score": answer.score,
        "comment": answer.comment,
        "answers": task.answers,
        "state": task.state,
        "owner": task.owner,
        "team": task.team,
        "unrouted": task.unrouted,
        "opened_at": task.opened_at,
        "acknowledged_at": task.acknowledged_at,
        "contacted_at": task.contacted_at,
        "resolved_at": task.resolved_at,
        "clocks": clocks_of(task),
        "pauses": [[pause.from_at, pause.to_at] for pause in task.pauses],
        "wait_until": task.wait_until,
        "policy_id": task.policy_id,
        "rules_version": task.rules_version,
        "escalation_level": task.escalation_level,
        "steps_done": sorted(task.steps_done),
        "root_cause": task.root_cause,
        "resolutions": task.resolutions,
        "outcome": task.outcome,
        "version": task.version,
        "traceparent": task.traceparent,
        "active": task.active,
        "running": task.running,
        "due_at": task.due_at,
        "breached": task.breached,
    }


def to_marks(task: Task) -> Mapping[str, Any]:
    """Return the columns that a timer of a clock changes, and the key."""
    return {
        "task_id": task.task_id,
        "clocks": clocks_of(task),
        "breached": task.breached,
        "escalation_level": task.escalation_level,
        "version": task.version,
    }


def clocks_of(task: Task) -> dict[str, dict[str, Any]]:
    """Return the clocks of a task as their column keeps them."""
    return {
        which.value: {
            "started_at": clock.started_at,
            "due_at": clock.due_at,
            "warn_at": clock.warn_at,
            "warned": clock.warned,
            "breached": clock.breached,
            "stopped_at": clock.stopped_at,
            "escalated": clock.escalated,
        }
        for which, clock in task.clocks.items()
    }


def _answer(row: Columns) -> Answer:
    return Answer(
        response_id=row["response_id"],
        customer_id=row["customer_id"],
        revision=row["response_revision"],
        scale=_SCALES[row["scale"]],
        score=row["score"],
        comment=row["comment"],
    )


def _clock(fields: Mapping[str, Any]) -> ClockState:
    return ClockState(
        started_at=datetime.fromisoformat(fields["started_at"]),
        due_at=_instant(fields["due_at"]),
        warn_at=_instant(fields["warn_at"]),
        warned=fields["warned"],
        breached=fields["breached"],
        stopped_at=_instant(fields["stopped_at"]),
        escalated=fields["escalated"],
    )


def _pause(from_at: str, to_at: str | None) -> Pause:
    return Pause(from_at=datetime.fromisoformat(from_at), to_at=_instant(to_at))


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
