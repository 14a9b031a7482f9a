"""The task machine: each state with each move, and what each move does."""

import pytest

from closeloop_service.domain.commands import (
    Acknowledge,
    Assign,
    Contact,
    Escalate,
    Reply,
    Resolve,
    Step,
)
from closeloop_service.domain.errors import (
    MoveNotAllowed,
    TaskChanged,
    TaskTaken,
)
from closeloop_service.domain.moving import decide
from closeloop_service.domain.task import Move, TaskState
from heardback.contracts.registry import EVENT_TYPES
from heardback.testing.clock import START
from heardback.vocabulary import SlaClock

from .cases import COMMANDS, HOUR, WAYS, a_task, some_rules

RULES = some_rules()
FIRST, NEXT, RESOLUTION = SlaClock.FIRST_RESPONSE, SlaClock.NEXT_RESPONSE, SlaClock.RESOLUTION
MOVES = [
    *("assign", "release", "acknowledge", "write", "contact", "reply", "wait", "resume"),
    *("resolve", "verify", "reopen", "cancel", "escalate", "note", "compensate", "step"),
]
# What each move leads to, in the order above; a dot: it is refused. Kept apart from the code's
# own table, so that one of them can be wrong.
TABLE = {
    "open": "assigned . acknowledged open contacted open . . . . . cancelled open open open open",
    "assigned": "assigned open acknowledged assigned contacted assigned . . . . . cancelled"
    " assigned assigned assigned assigned",
    "acknowledged": "assigned open . acknowledged contacted acknowledged . . . . . cancelled"
    " acknowledged acknowledged acknowledged acknowledged",
    "contacted": "contacted contacted . contacted contacted contacted waiting . resolved . ."
    " cancelled contacted contacted contacted contacted",
    "waiting": "waiting waiting . waiting waiting contacted . contacted resolved . . cancelled"
    " waiting waiting waiting waiting",
    "resolved": ". . . . . reopened . . . verified reopened . . resolved . .",
    "verified": ". . . . . reopened . . . . reopened . . verified . .",
    "reopened": "reopened reopened acknowledged reopened contacted reopened . . . . . cancelled"
    " reopened reopened reopened reopened",
    "cancelled": ". . . . . . . . . . reopened . . cancelled . .",
}
CASES = [
    (state, move, then)
    for state, row in TABLE.items()
    for move, then in zip(MOVES, row.split(), strict=True)
]


@pytest.mark.parametrize(("state", "move", "then"), CASES)
def test_each_move_leads_where_the_table_says_when_made(state, move, then):
    task = a_task(TaskState(state))
    if then == ".":
        with pytest.raises(MoveNotAllowed) as refused:
            decide(task, COMMANDS[Move(move)], RULES, START)
        allowed = [other for s, other, to in CASES if s == state and to != "."]
        assert sorted(refused.value.allowed) == sorted(allowed)
    else:
        assert decide(task, COMMANDS[Move(move)], RULES, START).task.state == then


@pytest.mark.parametrize(("state", "move", "then"), [c for c in CASES if c[2] != "."])
def test_each_move_is_written_down_and_its_events_are_by_the_contract(state, move, then):
    task = a_task(TaskState(state))
    decision = decide(task, COMMANDS[Move(move)], RULES, START + HOUR)
    assert decision.task.version > task.version
    assert decision.entries
    for event_type, fields in decision.events:
        payload = event_type.payload.model_validate(fields)
        assert payload.model_dump(exclude_unset=True).keys() == fields.keys()
        assert EVENT_TYPES[event_type.name].topic.name == "task"


@pytest.mark.parametrize("state", list(TaskState))
def test_clocks_stand_still_exactly_when_waiting_or_closed(state):
    task = a_task(state)
    still = state in {"waiting", "resolved", "verified", "cancelled"}
    assert bool(task.pauses and task.pauses[-1].to_at is None) == still
    running = [clock for clock in task.clocks.values() if clock.stopped_at is None]
    assert bool(running) == task.active
    assert all((clock.due_at is None) == still for clock in running)


def test_first_response_goes_on_when_only_acknowledged():
    task = a_task(TaskState.ACKNOWLEDGED)
    assert task.clocks[FIRST].stopped_at is None
    assert task.running is FIRST
    assert task.acknowledged_at == START


@pytest.mark.parametrize("move", [Move.ACKNOWLEDGE, Move.CONTACT])
def test_task_is_theirs_when_somebody_takes_one_that_nobody_owns(move):
    assert decide(a_task(), COMMANDS[move], RULES, START).task.owner == "Ana"


def test_owner_stays_when_somebody_else_contacts():
    decided = decide(
        a_task(TaskState.ACKNOWLEDGED), Contact(actor="Ben", channel="email"), RULES, START
    )
    assert decided.task.owner == "Ana"
    assert decided.entries[-1].actor == "Ben"


def test_only_the_first_contact_counts_when_there_are_two():
    call = COMMANDS[Move.CONTACT]
    first = decide(a_task(), call, RULES, START + HOUR)
    again = decide(first.task, call, RULES, START + 2 * HOUR)
    said = [decision.events[-1][1] for decision in (first, again)]
    assert [(s["first"], s["first_response_seconds"]) for s in said] == [
        (True, 3600),
        (False, 3600),
    ]
    assert again.task.contacted_at == START + HOUR


def test_contact_counts_from_when_it_happened_though_it_is_told_late():
    call = Contact(actor="Ana", channel="email", at=START + 3 * HOUR)
    decided = decide(a_task(), call, RULES, START + 5 * HOUR)
    assert decided.task.contacted_at == START + 3 * HOUR
    assert not decided.task.breached


@pytest.mark.parametrize(
    ("at", "counts_at"),
    [(START - HOUR, START), (START + 9 * HOUR, START + HOUR)],
    ids=["before the task", "in the future"],
)
def test_contact_counts_between_the_opening_and_now_whatever_is_said(at, counts_at):
    decided = decide(a_task(), Contact(actor="A", channel="email", at=at), RULES, START + HOUR)
    assert decided.task.contacted_at == counts_at


def test_contact_is_no_answer_to_a_reply_that_came_after_it():
    task = decide(a_task(TaskState.CONTACTED), Reply(channel="email"), RULES, START + 2 * HOUR).task
    earlier = Contact(actor="Ana", channel="email", at=START + HOUR)
    task = decide(task, earlier, RULES, START + 3 * HOUR).task
    assert task.clocks[NEXT].stopped_at is None
    task = decide(task, COMMANDS[Move.CONTACT], RULES, START + 3 * HOUR).task
    assert task.clocks[NEXT].stopped_at == START + 3 * HOUR


def test_next_response_runs_from_the_first_of_replies_until_the_contact():
    task = a_task(TaskState.CONTACTED)
    for hours in (1, 2):
        task = decide(task, Reply(channel="email"), RULES, START + hours * HOUR).task
    assert task.clocks[NEXT].started_at == START + HOUR
    assert task.clocks[NEXT].due_at == START + 3 * HOUR


def test_reply_starts_no_clock_while_the_first_response_is_awaited():
    task = decide(a_task(), Reply(channel="email"), RULES, START).task
    assert NEXT not in task.clocks


def test_claim_is_refused_when_somebody_else_owns_it_and_the_version_is_not_named():
    task = a_task(TaskState.ASSIGNED)
    claim = Assign(actor="Ben", owner="Ben")
    with pytest.raises(TaskTaken) as refused:
        decide(task, claim, RULES, START)
    assert refused.value.owner == "Ana"
    assert decide(task, claim, RULES, START, version=task.version).task.owner == "Ben"


def test_assigned_task_stands_in_the_team_of_its_owner():
    decided = decide(a_task(), Assign(actor="Maya", owner="Ben"), RULES, START)
    assert (decided.task.team, decided.events[0][1]["team"]) == ("care", "care")
    stranger = decide(decided.task, Assign(actor="Maya", owner="Zoe"), RULES, START)
    assert stranger.task.team == "care"


def test_new_owner_has_to_acknowledge_anew():
    task = a_task(TaskState.ACKNOWLEDGED)
    decided = decide(task, Assign(actor="Maya", owner="Ben"), RULES, START)
    assert (decided.task.state, decided.task.acknowledged_at) == (TaskState.ASSIGNED, None)


def test_version_protects_when_the_caller_insists():
    with pytest.raises(TaskChanged) as refused:
        decide(a_task(TaskState.ASSIGNED), COMMANDS[Move.CONTACT], RULES, START, version=1)
    assert refused.value.version == 2


def test_step_is_ticked_and_unticked():
    task = decide(a_task(), Step(actor="Ana", step_id="listen"), RULES, START).task
    assert task.steps_done == {"listen"}
    undone = Step(actor="Ana", step_id="listen", done=False)
    assert decide(task, undone, RULES, START).task.steps_done == frozenset()


def test_escalation_by_hand_goes_up_one_level_at_a_time_and_no_further():
    task, seen = a_task(TaskState.ASSIGNED), []
    for _ in range(4):
        decided = decide(task, Escalate(actor="Ana", reason="Help."), RULES, START)
        task = decided.task
        seen.append((decided.events[0][1]["level"], decided.events[0][1]["to"]))
        assert (
            decided.alerts[0].people + decided.alerts[0].teams + decided.alerts[0].targets
            == (seen[-1][1])
        )
    # Nobody is head of the team: it is the team's matter, and the pager's.
    assert seen == [(1, ("Ana",)), (2, ("Maya",)), (3, ("care", "pager")), (3, ("care", "pager"))]


@pytest.mark.parametrize("state", [TaskState.RESOLVED, TaskState.VERIFIED])
def test_reply_opens_a_closed_task_again(state):
    decided = decide(a_task(state), Reply(channel="email"), RULES, START + HOUR)
    assert [e.what for e in decided.entries] == ["replied", "reopened"]
    task = decided.task
    assert (task.state, task.resolved_at, task.outcome) == (TaskState.REOPENED, None, None)
    assert task.clocks[NEXT].started_at == START + HOUR


def test_first_response_goes_on_when_a_task_is_reopened_that_nobody_had_contacted():
    task = a_task(TaskState.CANCELLED)
    task = decide(task, COMMANDS[Move.REOPEN], RULES, START + 10 * HOUR).task
    assert NEXT not in task.clocks
    assert task.clocks[FIRST].due_at == START + 14 * HOUR


def test_late_contact_says_the_breach_first_when_its_timer_did_not_yet():
    decided = decide(a_task(), COMMANDS[Move.CONTACT], RULES, START + 4 * HOUR)
    assert [kind.family for kind, _ in decided.events] == ["task.sla_breached", "task.contacted"]
    assert decided.task.clocks[FIRST].breached
    assert decided.task.version == 3


def test_every_state_is_reached_by_its_way():
    assert {state: a_task(state).state for state in TaskState} == {s: s for s in WAYS}


def test_who_resolves_what_nobody_owns_owns_it():
    task = decide(a_task(TaskState.CONTACTED), COMMANDS[Move.RELEASE], RULES, START).task
    assert task.owner is None
    resolve = Resolve(actor="Ben", root_cause="other")
    assert decide(task, resolve, RULES, START).task.owner == "Ben"


def test_acknowledging_twice_is_refused_with_what_is_next():
    task = a_task(TaskState.ACKNOWLEDGED)
    with pytest.raises(MoveNotAllowed) as refused:
        decide(task, Acknowledge(actor="Ben"), RULES, START)
    assert "contact" in refused.value.allowed
