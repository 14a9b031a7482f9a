"""Clocks: when they are due, what stops them, who is told, and what moves them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from closeloop_service.domain import clock as clocks
from closeloop_service.domain import firing
from closeloop_service.domain.clock import ClockState
from closeloop_service.domain.commands import Contact, Reply, Wait
from closeloop_service.domain.matching import Match
from closeloop_service.domain.moving import decide, replan
from closeloop_service.domain.opening import open_task
from closeloop_service.domain.planning import plan, timers_of
from closeloop_service.domain.rules import Target
from closeloop_service.domain.task import Move, TaskState
from heardback.testing.clock import START
from heardback.vocabulary import Category, SlaClock

from .cases import COMMANDS, HOUR, POLICY, a_task, heard, some_rules

RULES = some_rules()
FIRST, NEXT, RESOLUTION = SlaClock.FIRST_RESPONSE, SlaClock.NEXT_RESPONSE, SlaClock.RESOLUTION
DUE = START + 4 * HOUR
WARN = START + 3 * HOUR
TICK = timedelta(microseconds=1)


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
    clock = ClockState(started_at=START, due_at=DUE)
    if stopped_at is not None:
        clock = clocks.stop(clock, stopped_at)
    assert clocks.breach(clock, fired_at).breached is breached


@pytest.mark.parametrize(
    ("fire", "due_at", "what"),
    [(firing.warn, WARN, "task.sla_warned"), (firing.breach, DUE, "task.sla_breached")],
)
def test_mark_is_made_at_its_time_and_once(fire, due_at, what):
    assert fire(a_task(), FIRST, RULES, due_at - TICK) is None
    once = fire(a_task(), FIRST, RULES, due_at)
    assert once.events[0][0].family == what
    assert fire(once.task, FIRST, RULES, due_at + HOUR) is None


@pytest.mark.parametrize("fire", [firing.warn, firing.breach, firing.escalate])
@pytest.mark.parametrize("state", ["contacted", "waiting", "resolved", "cancelled"])
def test_timer_does_nothing_when_its_clock_stopped(fire, state):
    assert fire(a_task(TaskState(state)), FIRST, RULES, DUE + timedelta(days=1)) is None


@pytest.mark.parametrize("fire", [firing.warn, firing.breach, firing.escalate])
def test_timer_does_nothing_when_the_task_has_no_such_clock(fire):
    assert fire(a_task(), NEXT, RULES, DUE + timedelta(days=1)) is None


def test_clocks_run_from_the_alert_when_it_is_heard_late():
    late = open_task("t", heard(), RULES, START + 3 * HOUR).task
    assert (late.opened_at, late.clocks[FIRST].due_at) == (START, DUE)


def test_clocks_run_from_now_when_the_alert_comes_from_the_future():
    early = open_task("t", heard(), RULES, START - HOUR).task
    assert early.opened_at == START - HOUR


@pytest.mark.parametrize("share", [0.5, 0.75, 0.9])
def test_warning_comes_at_its_share_of_what_runs_out_first(share):
    friday = datetime(2026, 3, 6, 16, tzinfo=UTC)
    policy = replace(
        POLICY,
        calendar_id="office",
        warning_share=share,
        targets={**POLICY.targets, FIRST: Target(business=4 * HOUR, ceiling=24 * HOUR)},
    )
    task = open_task("t", heard(heard_at=friday), some_rules(policy), friday).task
    # Four office hours would end on Monday; the ceiling ends on Saturday.
    assert task.clocks[FIRST].due_at == friday + 24 * HOUR
    assert task.clocks[FIRST].warn_at == min(friday + 24 * HOUR * share, friday + 24 * HOUR)


def test_first_policy_that_fits_counts():
    small = replace(POLICY, policy_id="small", when=Match(max_value=10))
    large = replace(POLICY, policy_id="large", when=Match(min_value=11))
    rules = some_rules(small, large, POLICY)
    opened = [open_task("t", heard(value=v), rules, START).task for v in (5.0, 12.0, None)]
    assert [task.policy_id for task in opened] == ["small", "large", "default"]


def test_clock_may_have_a_calendar_of_its_own():
    policy = replace(
        POLICY,
        calendar_id="office",
        targets={**POLICY.targets, RESOLUTION: Target(business=48 * HOUR, calendar_id="always")},
    )
    task = open_task("t", heard(), some_rules(policy), START).task
    assert task.clocks[RESOLUTION].due_at == START + 48 * HOUR


def test_pause_moves_the_due_date_by_its_length():
    task = decide(a_task(TaskState.CONTACTED), Wait(actor="Ana"), RULES, START + HOUR).task
    assert task.due_at is None
    assert [t.kind for t in timers_of(task, RULES)] == ["wait_over"]
    task = decide(task, COMMANDS[Move.RESUME], RULES, START + 6 * HOUR).task
    assert task.clocks[RESOLUTION].due_at == START + 53 * HOUR
    assert task.wait_until is None


def test_time_between_resolving_and_reopening_is_a_pause():
    task = a_task(TaskState.RESOLVED)
    task = decide(task, COMMANDS[Move.REOPEN], RULES, START + 30 * HOUR).task
    assert task.clocks[RESOLUTION].due_at == START + 78 * HOUR


def test_pause_that_begins_after_the_breach_changes_nothing():
    task = a_task(TaskState.CONTACTED)
    task = decide(task, Wait(actor="Ana"), RULES, START + 48 * HOUR).task
    assert (task.breached, task.due_at) == (True, START + 48 * HOUR)
    task = decide(task, COMMANDS[Move.RESUME], RULES, START + 60 * HOUR).task
    assert task.clocks[RESOLUTION].due_at == START + 48 * HOUR


@pytest.mark.parametrize("hours", [1, 2, 8])
def test_policy_that_changes_moves_what_runs_and_keeps_every_pause(hours):
    task = decide(a_task(TaskState.CONTACTED), Wait(actor="Ana"), RULES, START + HOUR).task
    task = decide(task, COMMANDS[Move.RESUME], RULES, START + 3 * HOUR).task
    targets = {**POLICY.targets, RESOLUTION: Target(business=hours * HOUR)}
    newer = some_rules(replace(POLICY, targets=targets), version=2)
    decision = replan(task, newer, START)
    # The first hour was used before the pause of two.
    due_at = START + (hours if hours <= 1 else hours + 2) * HOUR
    assert decision.task.clocks[RESOLUTION].due_at == due_at
    assert [entry.what for entry in decision.entries] == ["replanned"]
    assert (decision.task.rules_version, decision.task.version) == (2, task.version + 1)
    assert {(t.kind, t.due_at) for t in decision.timers} >= {("sla_breach", due_at)}


def test_policy_that_changes_never_moves_what_ran_out_or_stopped():
    task = firing.breach(a_task(), FIRST, RULES, DUE).task
    task = decide(task, Contact(actor="Ana", channel="phone"), RULES, DUE).task
    targets = {which: Target(business=100 * HOUR) for which in SlaClock}
    newer = some_rules(replace(POLICY, targets=targets), version=2)
    after = replan(task, newer, START).task
    assert after.clocks[FIRST] == task.clocks[FIRST]
    assert after.clocks[RESOLUTION].due_at == START + 100 * HOUR


def test_what_ran_out_by_the_rules_of_before_did_though_its_timer_is_late():
    targets = {which: Target(business=100 * HOUR) for which in SlaClock}
    newer = some_rules(replace(POLICY, targets=targets), version=2)
    decision = replan(a_task(), newer, DUE)
    assert decision.task.clocks[FIRST].breached
    assert decision.task.clocks[FIRST].due_at == DUE
    assert [entry.what for entry in decision.entries] == ["sla_breached", "replanned"]


def test_warning_is_not_repeated_when_the_policy_moves_it():
    task = firing.warn(a_task(), FIRST, RULES, WARN).task
    targets = {which: Target(business=100 * HOUR) for which in SlaClock}
    newer = some_rules(replace(POLICY, targets=targets), version=2)
    after = replan(task, newer, START).task
    assert firing.warn(after, FIRST, newer, START + 99 * HOUR) is None
    kinds = {(t.kind, t.key) for t in timers_of(after, newer)}
    assert ("sla_warning", "t/first_response") not in kinds


def test_timer_of_before_does_nothing_when_the_plan_has_moved_it():
    targets = {which: Target(business=100 * HOUR) for which in SlaClock}
    newer = some_rules(replace(POLICY, targets=targets), version=2)
    task = replan(a_task(), newer, START).task
    assert firing.warn(task, FIRST, newer, WARN) is None
    assert firing.breach(task, FIRST, newer, DUE) is None


def test_nothing_is_written_down_when_the_rules_change_nothing():
    task = a_task()
    decision = replan(task, some_rules(version=2), START)
    assert (decision.entries, decision.task.version) == ((), task.version)
    assert decision.task.rules_version == 2


def test_plan_is_the_same_however_often_it_is_made():
    for state in TaskState:
        task = a_task(state)
        assert plan(task, RULES) == task


def test_policy_without_a_clock_leaves_it_open():
    policy = replace(
        POLICY, targets={which: POLICY.targets[which] for which in (FIRST, RESOLUTION)}
    )
    rules = some_rules(policy)
    task = decide(a_task(TaskState.CONTACTED, rules), Reply(channel="email"), rules, START).task
    assert task.clocks[NEXT].due_at is None
    assert task.running is RESOLUTION


def test_other_groups_are_planned_by_policies_of_theirs():
    light = replace(
        POLICY,
        policy_id="light",
        when=Match(categories=frozenset({Category.PASSIVE})),
        targets={which: Target(business=99 * HOUR) for which in SlaClock},
    )
    rules = some_rules(light, POLICY)
    task = open_task("t", heard(category=Category.PASSIVE, score=7), rules, START).task
    assert (task.policy_id, task.clocks[FIRST].due_at) == ("light", START + 99 * HOUR)


@pytest.mark.parametrize(
    ("fire", "due_at"),
    [(firing.warn, WARN), (firing.breach, DUE), (firing.breach, DUE + 3 * HOUR)],
)
def test_events_of_time_say_the_version_that_the_task_has_since_then(fire, due_at):
    decision = fire(a_task(TaskState.ASSIGNED), FIRST, RULES, due_at)
    assert {fields["version"] for _, fields in decision.events} == {decision.task.version}


@pytest.mark.parametrize(
    ("told_breach", "sent_at", "breached", "in_time"),
    [
        (False, DUE - TICK, False, []),
        (False, DUE, True, []),
        (True, DUE - TICK, True, [FIRST]),  # what was told is not untold, and history says more
        (True, DUE, True, []),
    ],
)
def test_contact_that_is_told_late_counts_from_when_it_was(told_breach, sent_at, breached, in_time):
    task = a_task(TaskState.ACKNOWLEDGED)
    if told_breach:
        task = firing.breach(task, FIRST, RULES, DUE).task
    contact = Contact(actor="Ana", channel="email", at=sent_at)
    decision = decide(task, contact, RULES, DUE + HOUR)
    clock = decision.task.clocks[FIRST]
    assert (clock.breached, clock.stopped_at, clock.due_at) == (breached, sent_at, DUE)
    assert decision.entries[-1].details == {"channel": "email", "at": sent_at, "in_time": in_time}
    seconds = (sent_at - START).total_seconds()
    assert decision.events[-1][1]["first_response_seconds"] == seconds
    assert not [t for t in decision.timers if t.key == "t/first_response"]


@pytest.mark.parametrize("move", [Move.REPLY, Move.RESUME, Move.RESOLVE, Move.CANCEL])
def test_nobody_waits_any_more_when_a_move_ends_the_wait(move):
    task = a_task(TaskState.WAITING)
    assert task.wait_until is not None
    after = decide(task, COMMANDS[move], RULES, START + HOUR)
    assert after.task.wait_until is None
    assert "wait_over" not in {timer.kind for timer in after.timers}
