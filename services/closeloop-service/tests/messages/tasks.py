"""A task in one line."""

from typing import Any

from closeloop_service.domain.task import Answer, Task, TaskState
from heardback.contracts.payloads import Recipient
from heardback.testing.clock import START
from heardback.vocabulary import Category, Channel, Scale


def a_task(*, score: int = 2, comment: str | None = "It came late.", **fields: Any) -> Task:
    """Return the open task of an unhappy customer who can be written to by mail."""
    answer = Answer(
        response_id="r1",
        customer_id="c1",
        revision=1,
        scale=Scale.NPS,
        score=score,
        comment=comment,
    )
    usual = {
        "task_id": "t1",
        "alert_id": "a1",
        "category": Category.DETRACTOR,
        "customer_id": "c1",
        "program_id": "after-purchase",
        "touchpoint": "purchase",
        "segment": None,
        "locale": None,
        "value": None,
        "recipient": Recipient(name="Ada"),
        "invitation_id": "i1",
        "channel": Channel.EMAIL,
        "answers": 1,
        "state": TaskState.OPEN,
        "owner": None,
        "team": None,
        "unrouted": None,
        "opened_at": START,
        "acknowledged_at": None,
        "contacted_at": None,
        "resolved_at": None,
        "clocks": {},
        "pauses": (),
        "wait_until": None,
        "policy_id": "default",
        "rules_version": 1,
        "escalation_level": 0,
        "steps_done": frozenset(),
        "root_cause": None,
        "resolutions": 0,
        "outcome": None,
        "version": 1,
        "traceparent": None,
    }
    return Task(answer=answer, **{**usual, **fields})
