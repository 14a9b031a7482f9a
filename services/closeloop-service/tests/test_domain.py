"""The task machine and its clocks: each state with each move, and any sequence of them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain import decisions, sla
from closeloop_service.domain.decisions import Acknowledge, Command, Contact, Resolve
from closeloop_service.domain.errors import MoveNotAllowed, TaskChanged
from closeloop_service.domain.sla import ClockState, SlaPolicy
from closeloop_service.domain.task import Answer, Move, Task, TaskState
from heardback.contracts import registry
from heardback.contracts.payloads import DetractorAlerted, Recipient
from heardback.testing.clock import START
from heardback.vocabulary import Scale, SlaClock

FIRST, RESOLUTION = SlaClock.FIRST_RESPONSE, SlaClock.RESOLUTION
POLICY = SlaPolicy(
    targets={FIRST: timedelta(hours=4), RESOLUTION: timedelta(hours=48)}, warning_share=0.75
)
DUE = START + timedelta(hours=4)
TICK = timedelta(microseconds=1)
COMMANDS: dict[Move, Command] = {
    Move.ACKNOWLEDGE: Acknowledge(actor="Ana"),
    Move.CONTACT: Contact(actor="Ana", channel="phone", note="Called."),
    Move.RESOLVE: Resolve(actor="Ana", root_cause="late delivery"),
}
WAYS: dict[TaskState, tuple[Move, ...]] = {
    TaskState.OPEN: (),
    TaskState.ACKNOWLEDGED: (Move.ACKNOWLEDGE,),
    TaskState.CONTACTED: (Move.CONTACT,),
    TaskState.RESOLVED: (Move.CONTACT, Move.RESOLVE),
}


def a_task(state: TaskState = TaskState.OPEN, *, late: timedelta = timedelta(0)) -> Task:
    answer = Answer(
        response_id="r", customer_id="c", revision=1, scale=Scale.NPS, score=2, comment=None
    )
    alert = DetractorAlerted(
        customer_id="c", alert_id="a", response_id="r", invitation_id="i", program_id="p",
        touchpoint="purchase", score=2, recipient=Recipient(), alerted_at=START,
    )  # fmt: skip
    task = decisions.open_task(
        task_id="t", alert=alert, answer=answer, policy=POLICY, now=START + late, traceparent=None
    ).task
    for move in WAYS[state]:
        task = decisions.decide(task, COMMANDS[move], START).task
    return task


@pytest.mark.parametrize(
    ("state", "move", "then"),
    [
        ("open", "acknowledge", "acknowledged"),
        ("open", "contact", "contacted"),
        ("open", "resolve", None),
        ("acknowledged", "acknowledge", None),
        ("acknowledged", "contact", "contacted"),
        ("acknowledged", "resolve", None),
        ("contacted", "acknowledge", None),
        ("contacted", "contact", "contacted"),
        ("contacted", "resolve", "resolved"),
        ("resolved", "acknowledge", None),
        ("resolved", "contact", None),
        ("resolved", "resolve", None),
    ],
)
def test_each_move_leads_where_the_table_says_when_made(
    state: str, move: str, then: str | None
) -> None:
    task = a_task(TaskState(state))
    if then is None:
        with pytest.raises(MoveNotAllowed):
            decisions.decide(task, COMMANDS[Move(move)], START)
    else:
        assert decisions.decide(task, COMMANDS[Move(move)], START).task.state == then


def test_error_names_the_allowed_moves_when_one_is_not() -> None:
    with pytest.raises(MoveNotAllowed) as refused:
        decisions.decide(a_task(), COMMANDS[Move.RESOLVE], START)
    assert refused.value.allowed == ["acknowledge", "contact"]


def test_first_response_goes_on_when_only_acknowledged() -> None:
    task = decisions.decide(a_task(), COMMANDS[Move.ACKNOWLEDGE], START).task
    assert task.first_response.stopped_at is None
    assert task.running is FIRST


def test_contact_takes_the_task_when_nobody_owned_it() -> None:
    assert decisions.decide(a_task(), COMMANDS[Move.CONTACT], START).task.owner == "Ana"


def test_owner_stays_when_somebody_else_contacts() -> None:
    task = a_task(TaskState.ACKNOWLEDGED)
    decided = decisions.decide(task, Contact(actor="Ben", channel="chat"), START)
    assert decided.task.owner == "Ana"
    assert decided.entries[-1].actor == "Ben"


def test_only_the_first_contact_counts_when_there_are_two() -> None:
    first = decisions.decide(a_task(), COMMANDS[Move.CONTACT], START + timedelta(hours=1))
    again = decisions.decide(first.task, COMMANDS[Move.CONTACT], START + timedelta(hours=2))
    payloads = [first.events[-1][1], again.events[-1][1]]
    assert [(p.first, p.first_response_seconds) for p in payloads] == [(True, 3600), (False, 3600)]


def test_version_protects_when_the_caller_insists() -> None:
    with pytest.raises(TaskChanged) as refused:
        decisions.decide(a_task(TaskState.ACKNOWLEDGED), COMMANDS[Move.CONTACT], START, version=1)
    assert refused.value.version == 2


@pytest.mark.parametrize(
    ("stopped_at", "fired_at", "breached"),
    [
        (None, DUE - TICK, False),
        (None, DUE, True),
        (None, DUE + TICK, True),
        (DUE - TICK, DUE, False),
        (DUE - TICK, DUE + timedelta(days=1), False),
        (DUE, DUE, True),  # stopped in the instant in which it ran out: out is out
        (DUE + TICK, DUE + timedelta(days=1), True),
    ],
)
def test_clock_is_breached_when_not_stopped_before_it_is_due(stopped_at, fired_at, breached):
    clock = ClockState(due_at=DUE)
    if stopped_at is not None:
        clock = sla.stop(clock, stopped_at)
    assert sla.breach(clock, fired_at).breached is breached


def test_late_contact_says_the_breach_first_when_its_timer_did_not_yet() -> None:
    decided = decisions.decide(a_task(), COMMANDS[Move.CONTACT], DUE)
    assert [kind for kind, _ in decided.events] == [
        registry.TASK_SLA_BREACHED,
        registry.TASK_CONTACTED,
    ]
    assert decisions.breach(decided.task, FIRST, DUE) is None


@pytest.mark.parametrize("mark", [decisions.warn, decisions.breach])
def test_mark_is_made_once_when_it_falls_due_twice(mark) -> None:
    once = mark(a_task(), FIRST, DUE)
    assert len(once.events) == 1
    assert mark(once.task, FIRST, DUE) is None


@pytest.mark.parametrize("mark", [decisions.warn, decisions.breach])
def test_timer_does_nothing_when_its_clock_stopped(mark) -> None:
    assert mark(a_task(TaskState.CONTACTED), FIRST, DUE + timedelta(days=1)) is None


def test_clocks_run_from_the_alert_when_it_is_heard_late() -> None:
    assert a_task(late=timedelta(hours=3)).first_response.due_at == DUE


def test_clocks_run_from_now_when_the_alert_comes_from_the_future() -> None:
    early = a_task(late=-timedelta(hours=1))
    assert early.opened_at == START - timedelta(hours=1)


def test_policy_warns_at_its_share_when_asked() -> None:
    assert POLICY.warning_at(FIRST, START) == START + timedelta(hours=3)
    assert POLICY.due_at(RESOLUTION, START) == START + timedelta(hours=48)


steps = st.lists(
    st.tuples(st.sampled_from([*Move, "warn", "breach"]), st.integers(0, 40)), max_size=12
)


@given(steps)
def test_story_makes_sense_when_anything_happens_in_any_order(story) -> None:
    task, now, said = a_task(), START, []
    for what, hours in story:
        now += timedelta(hours=hours)
        before = task
        if what in {"warn", "breach"}:
            marked = [getattr(decisions, what)(task, which, now) for which in SlaClock][:1]
            made = [decision for decision in marked if decision]
        else:
            try:
                made = [decisions.decide(task, COMMANDS[what], now)]
            except MoveNotAllowed:
                made = []
        for decision in made:
            task = decision.task
            said += [
                (kind.family, getattr(payload, "clock", None)) for kind, payload in decision.events
            ]
        assert task.version == before.version + len(made)
    marks = [line for line in said if line[1] is not None]
    assert len(marks) == len(set(marks))
    assert task.first_response.breached == (("task.sla_breached", FIRST) in said)
    assert (task.state is TaskState.RESOLVED) == (task.due_at is None)
    if task.state is TaskState.RESOLVED:
        assert task.first_response.stopped_at is not None
        assert task.owner
