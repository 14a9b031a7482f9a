"""Who is told that a clock ran out, when, and how often."""

from dataclasses import replace
from datetime import timedelta

from closeloop_service.domain import firing
from closeloop_service.domain.commands import Reply, Wait
from closeloop_service.domain.moving import decide
from closeloop_service.domain.planning import timers_of
from closeloop_service.domain.rules import Escalation, Rank
from closeloop_service.domain.task import Move, TaskState
from heardback.testing.clock import START
from heardback.vocabulary import SlaClock

from .cases import COMMANDS, HOUR, POLICY, a_task, some_rules

RULES = some_rules()
FIRST, NEXT, RESOLUTION = SlaClock.FIRST_RESPONSE, SlaClock.NEXT_RESPONSE, SlaClock.RESOLUTION
DUE = START + 4 * HOUR
WARN = START + 3 * HOUR
TICK = timedelta(microseconds=1)


def chain(*afters, **parts):
    levels = [Escalation(after=after * HOUR, ranks=(Rank.OWNER,)) for after in afters]
    return some_rules(replace(POLICY, escalations=tuple(levels), **parts))


def escalations(rules, until, *, step=HOUR / 2):
    """Return when each level of a breached first response is told, by its timers alone."""
    task, told = a_task(TaskState.ASSIGNED, rules), []
    decision = firing.breach(task, FIRST, rules, DUE)
    now = DUE
    while now <= until:
        if decision is not None:
            levels = [f["level"] for t, f in decision.events if t.family == "task.escalated"]
            told += [((now - DUE) / HOUR, level) for level in levels]
            task = decision.task
        now += step
        decision = firing.escalate(task, FIRST, rules, now)
    return told, task


def test_each_level_is_told_once_and_in_its_time():
    told, task = escalations(chain(0, 2, 8), DUE + 100 * HOUR)
    assert told == [(0, 1), (2, 2), (8, 3)]
    assert task.escalation_level == 3


def test_last_level_repeats_as_often_as_the_policy_says():
    told, task = escalations(chain(1, 2, repeat_every=4 * HOUR, repeat_at_most=3), DUE + 99 * HOUR)
    assert told == [(1, 1), (2, 2), (6, 2), (10, 2), (14, 2)]
    assert task.escalation_level == 2


def test_all_levels_whose_turn_has_come_are_told_in_order_after_downtime():
    rules = chain(0, 2, 8)
    decision = firing.breach(a_task(TaskState.ASSIGNED, rules), FIRST, rules, DUE + 3 * HOUR)
    assert [f.get("level") for _, f in decision.events] == [None, 1, 2]
    assert [(t.kind, t.due_at) for t in decision.timers] == [("escalation", DUE + 8 * HOUR)]


def test_each_repeat_is_an_alert_of_its_own():
    rules = chain(1, repeat_every=HOUR, repeat_at_most=5)
    task = firing.breach(a_task(TaskState.ASSIGNED, rules), FIRST, rules, DUE).task
    alerts = firing.escalate(task, FIRST, rules, DUE + 9 * HOUR).alerts
    assert len({alert.alert_key for alert in alerts}) == len(alerts) == 6


def test_escalation_ends_when_the_customer_is_contacted():
    rules = chain(0, 2)
    task = firing.breach(a_task(TaskState.ASSIGNED, rules), FIRST, rules, DUE).task
    task = decide(task, COMMANDS[Move.CONTACT], rules, DUE + HOUR).task
    assert firing.escalate(task, FIRST, rules, DUE + 9 * HOUR) is None
    assert {t.key for t in timers_of(task, rules)} == {"t/resolution"}


def test_escalation_stands_still_while_waiting_on_the_customer():
    rules = chain(0, 2)
    task = decide(a_task(TaskState.CONTACTED), Reply(channel="email"), rules, START).task
    task = firing.breach(task, NEXT, rules, START + 2 * HOUR).task
    task = decide(task, Wait(actor="Ana"), rules, START + 3 * HOUR).task
    assert firing.escalate(task, NEXT, rules, START + 9 * HOUR) is None
    task = decide(task, COMMANDS[Move.RESUME], rules, START + 10 * HOUR).task
    kinds = {t.kind: t.due_at for t in timers_of(task, rules)}
    assert kinds["escalation"] == START + 11 * HOUR  # an hour of the two was used before the wait


def test_next_response_of_another_reply_is_a_clock_and_alerts_of_their_own():
    task = decide(a_task(TaskState.CONTACTED), Reply(channel="email"), RULES, START).task
    first = firing.breach(task, NEXT, RULES, START + 2 * HOUR)
    task = decide(first.task, COMMANDS[Move.CONTACT], RULES, START + 3 * HOUR).task
    task = decide(task, Reply(channel="email"), RULES, START + 4 * HOUR).task
    assert not task.clocks[NEXT].breached
    again = firing.breach(task, NEXT, RULES, START + 6 * HOUR)
    keys = {alert.alert_key for decision in (first, again) for alert in decision.alerts}
    assert len(keys) == len(first.alerts) + len(again.alerts)


def test_owner_is_told_by_the_breach_itself_when_there_is_no_chain():
    rules = chain()
    decision = firing.breach(a_task(TaskState.ASSIGNED, rules), FIRST, rules, DUE)
    assert [alert.people for alert in decision.alerts] == [("Ana",)]
    assert decision.timers == ()


def test_escalations_go_on_by_another_policy_when_theirs_was_deleted():
    task = firing.breach(a_task(), FIRST, RULES, DUE).task
    newer = some_rules(replace(POLICY, policy_id="other"), version=2)
    assert firing.escalate(task, FIRST, newer, DUE + 2 * HOUR) is not None


def test_level_of_the_task_is_the_highest_that_was_told_whichever_clock_it_was_for():
    task = firing.breach(a_task(TaskState.ASSIGNED), FIRST, RULES, DUE + 3 * HOUR).task
    assert task.escalation_level == 2
    later = firing.breach(task, RESOLUTION, RULES, START + 48 * HOUR)
    assert [f.get("level") for _, f in later.events] == [None, 1]
    assert later.task.escalation_level == 2
