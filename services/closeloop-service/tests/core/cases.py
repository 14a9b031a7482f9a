"""Rules that are small enough to reckon with, and tasks in every state."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.commands import (
    Acknowledge,
    Assign,
    Cancel,
    Command,
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
from closeloop_service.domain.moving import decide
from closeloop_service.domain.opening import Heard, open_task
from closeloop_service.domain.rules import (
    Alerting,
    Escalation,
    Improvements,
    Member,
    Opens,
    Playbook,
    Playbooks,
    Rank,
    Routing,
    Rules,
    SlaPolicy,
    Target,
    Team,
)
from closeloop_service.domain.rules import Step as PlaybookStep
from closeloop_service.domain.task import Answer, Move, Task, TaskState
from heardback.contracts.payloads import Recipient
from heardback.testing.clock import START
from heardback.vocabulary import Category, Outcome, Scale, SlaClock

HOUR: Final = timedelta(hours=1)
OFFICE: Final = Calendar.from_dict(
    {
        "tz": "UTC",
        "week": {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")},
    }
)
POLICY: Final = SlaPolicy(
    policy_id="default",
    calendar_id="always",
    targets={
        SlaClock.FIRST_RESPONSE: Target(business=4 * HOUR),
        SlaClock.NEXT_RESPONSE: Target(business=2 * HOUR),
        SlaClock.RESOLUTION: Target(business=48 * HOUR),
    },
    escalations=(
        Escalation(after=0 * HOUR, ranks=(Rank.OWNER,)),
        Escalation(after=2 * HOUR, ranks=(Rank.LEAD,)),
        Escalation(after=8 * HOUR, ranks=(Rank.HEAD,), targets=("pager",)),
    ),
)
CARE: Final = Team(
    team_id="care",
    title="Customer care",
    calendar_id="always",
    members=(Member(name="Ana"), Member(name="Ben")),
    lead="Maya",
)
COMMANDS: Final[Mapping[Move, Command]] = {
    Move.ASSIGN: Assign(actor="Maya", owner="Ana"),
    Move.RELEASE: Release(actor="Ana"),
    Move.ACKNOWLEDGE: Acknowledge(actor="Ana"),
    Move.WRITE: Write(actor="Ana", follow_up_id="f1", text="We are sorry."),
    Move.CONTACT: Contact(actor="Ana", channel="phone", note="Called."),
    Move.REPLY: Reply(channel="email", text="Thanks."),
    Move.WAIT: Wait(actor="Ana"),
    Move.RESUME: Resume(actor="Ana"),
    Move.RESOLVE: Resolve(actor="Ana", root_cause="late delivery"),
    Move.VERIFY: Verify(outcome=Outcome.RECOVERED, score=9),
    Move.REOPEN: Reopen(actor="Ana", reason="It broke again."),
    Move.CANCEL: Cancel(actor="Ana", reason="A test."),
    Move.ESCALATE: Escalate(actor="Ana", reason="They are furious."),
    Move.NOTE: Note(actor="Ana", note="A regular."),
    Move.COMPENSATE: Compensate(actor="Ana", kind="voucher", amount=20, currency="EUR"),
    Move.STEP: Step(actor="Ana", step_id="listen"),
}
_HEARD: Final = (Move.ACKNOWLEDGE, Move.CONTACT)
WAYS: Final[Mapping[TaskState, tuple[Move, ...]]] = {
    TaskState.OPEN: (),
    TaskState.ASSIGNED: (Move.ASSIGN,),
    TaskState.ACKNOWLEDGED: (Move.ACKNOWLEDGE,),
    TaskState.CONTACTED: _HEARD,
    TaskState.WAITING: (*_HEARD, Move.WAIT),
    TaskState.RESOLVED: (*_HEARD, Move.RESOLVE),
    TaskState.VERIFIED: (*_HEARD, Move.RESOLVE, Move.VERIFY),
    TaskState.REOPENED: (*_HEARD, Move.RESOLVE, Move.REOPEN),
    TaskState.CANCELLED: (Move.CANCEL,),
}
"""The moves by which a task comes into each state."""


def some_rules(*policies: SlaPolicy, version: int = 1, **parts: Any) -> Rules:
    """Return rules with these policies, or with one for every task."""
    playbooks = {
        category: Playbook(
            category=category,
            opens=opens,
            steps=(PlaybookStep(step_id="listen", title="Listen"),),
            templates={},
        )
        for category, opens in zip(
            Category, (Opens.ALWAYS, Opens.COMMENTED, Opens.NEVER), strict=True
        )
    }
    fields = {
        "version": version,
        "calendars": {"always": Calendar.always_open(), "office": OFFICE},
        "policies": policies or (POLICY,),
        "routing": Routing(teams={"care": CARE}, rules=()),
        "playbooks": Playbooks(
            by_category=playbooks,
            root_causes=("late delivery", "other"),
            contact_channels=("phone", "email"),
            compensations=("voucher",),
        ),
        "alerting": Alerting(targets={}, routes=()),
        "improvements": Improvements(trackers={}, tracker_id=None, owner=None, owners={}, told={}),
    }
    return Rules(**{**fields, **parts})


def heard(number: int = 1, *, revision: int = 1, **parts: Any) -> Heard:
    """Return what a detractor said at the start."""
    answer = Answer(
        response_id=f"r{number}",
        customer_id="c",
        revision=revision,
        scale=Scale.NPS,
        score=parts.pop("score", 2),
        comment=parts.pop("comment", "It came late."),
    )
    fields = {
        "alert_id": f"a{number}",
        "category": Category.DETRACTOR,
        "answer": answer,
        "program_id": "p",
        "touchpoint": "purchase",
        "segment": None,
        "locale": "en",
        "value": None,
        "recipient": Recipient(name="Ada"),
        "invitation_id": f"i{number}",
        "channel": None,
        "heard_at": START,
        "traceparent": None,
    }
    return Heard(**{**fields, **parts})


def a_task(state: TaskState = TaskState.OPEN, rules: Rules | None = None, **parts: Any) -> Task:
    """Return a task of the start that came into `state` at once."""
    rules = rules or some_rules()
    task = open_task("t", heard(**parts), rules, START).task
    for move in WAYS[state]:
        task = decide(task, COMMANDS[move], rules, START).task
    return task
