"""The task machine among people who look at old pages, late timers and changing rules.

A simple model says what must come of it: the state by the table of `test_moves`, the owner, and
each clock by the minutes in which it ran, counted one stretch after the other.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from closeloop_service.domain import firing
from closeloop_service.domain.commands import (
    Acknowledge,
    Assign,
    Cancel,
    Contact,
    Escalate,
    Note,
    Release,
    Reopen,
    Reply,
    Resolve,
    Resume,
    Verify,
    Wait,
)
from closeloop_service.domain.decision import Decision, of_clock_key
from closeloop_service.domain.errors import MoveNotAllowed, TaskChanged, TaskTaken
from closeloop_service.domain.moving import MOVES_CLOCKS, decide, replan
from closeloop_service.domain.opening import open_task
from closeloop_service.domain.rules import Target
from closeloop_service.domain.task import Move
from heardback.testing.clock import START
from heardback.vocabulary import Outcome, SlaClock

from .cases import HOUR, POLICY, heard, some_rules
from .test_moves import CASES, FIRST, NEXT, RESOLUTION

TABLE = {(state, move): then for state, move, then in CASES if then != "."}
STILL = {"waiting", "resolved", "verified", "cancelled"}
CLOSED = STILL - {"waiting"}
PEOPLE = ("Ana", "Ben", "Zoe")
FIRES = {"sla_warning": firing.warn, "sla_breach": firing.breach, "escalation": firing.escalate}
TRIED = {
    Move.ASSIGN: lambda person, other: Assign(actor=person, owner=other),
    Move.RELEASE: lambda person, _: Release(actor=person),
    Move.ACKNOWLEDGE: lambda person, _: Acknowledge(actor=person),
    Move.CONTACT: lambda person, _: Contact(actor=person, channel="phone"),
    Move.REPLY: lambda *_: Reply(channel="email"),
    Move.WAIT: lambda person, _: Wait(actor=person),
    Move.RESUME: lambda person, _: Resume(actor=person),
    Move.RESOLVE: lambda person, _: Resolve(actor=person, root_cause="other"),
    Move.VERIFY: lambda *_: Verify(outcome=Outcome.RECOVERED),
    Move.REOPEN: lambda person, _: Reopen(actor=person, reason="again"),
    Move.CANCEL: lambda person, _: Cancel(actor=person, reason="no"),
    Move.ESCALATE: lambda person, _: Escalate(actor=person, reason="help"),
    Move.NOTE: lambda person, _: Note(actor=person, note="so"),
}
AFTERS = tuple(level.after for level in POLICY.escalations)


@dataclass
class Run:
    """A clock of the model: the stretches of time in which it ran, the last one perhaps open."""

    target: timedelta
    stretches: list[list[datetime | None]] = field(default_factory=list)
    stopped: bool = False
    due_at: datetime | None = None  # once it ran out, for good

    def start(self, now: datetime) -> None:
        if not self.stretches or self.stretches[-1][1] is not None:
            self.stretches.append([now, None])

    def pause(self, now: datetime) -> None:
        if self.stretches and self.stretches[-1][1] is None:
            self.stretches[-1][1] = now

    def reached(self, share: timedelta, now: datetime) -> datetime | None:
        """Return when so much was used, or will be if nothing changes; None: it stands still."""
        for begins, ends in self.stretches:
            last = ends or now
            if share <= last - begins or ends is None:
                return begins + share
            share -= last - begins
        return None

    def used_since(self, since: datetime, now: datetime) -> timedelta:
        spans = ((max(begins, since), ends or now) for begins, ends in self.stretches)
        return sum((max(b - a, timedelta(0)) for a, b in spans), timedelta(0))


class TaskMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.now = START
        self.rules = some_rules()
        self.timers: dict[tuple[str, str], datetime] = {}
        self.said: list[tuple[object, ...]] = []
        self.lines = 0
        opened = open_task("t", heard(), self.rules, self.now)
        self.state, self.owner, self.contacted = "open", None, False
        self.runs = {which: Run(target=self.target(which)) for which in (FIRST, RESOLUTION)}
        for run in self.runs.values():
            run.start(self.now)
        self.seen = dict.fromkeys(PEOPLE, 1)
        self.take(opened)

    def target(self, which: SlaClock) -> timedelta:
        return self.rules.policies[0].targets[which].business

    def take(self, decision: Decision, *, anew: bool = False) -> None:
        """Do what `store.save` does."""
        self.task = decision.task
        self.lines += len(decision.entries)
        if anew:
            self.timers.clear()
        self.timers |= {(timer.kind, timer.key): timer.due_at for timer in decision.timers}
        for event_type, fields in decision.events:
            event_type.payload.model_validate(fields)
            self.hear(event_type.family, fields)

    def hear(self, family: str, fields: dict[str, object]) -> None:
        which = fields.get("clock")
        if which is None:
            return
        run = self.runs[SlaClock(which)]
        if family == "task.sla_warned":
            warned_at = run.reached(run.target * 0.75, self.now)
            assert warned_at is not None and warned_at <= self.now
        elif family == "task.sla_breached":
            assert fields["due_at"] == run.due_at
        else:
            told = [line for line in self.said if line[:2] == (family, id(run))]
            assert fields["level"] == len(told) + 1
            assert run.used_since(run.due_at, self.now) >= AFTERS[len(told)]
        line = (family, id(run), fields.get("level"))
        assert line not in self.said
        self.said.append(line)

    def settle(self, runs: dict[SlaClock, Run]) -> None:
        """Have the clocks of the model run out that did."""
        for run in runs.values():
            due_at = run.reached(run.target, self.now)
            if run.due_at is None and not run.stopped:
                run.due_at = due_at if due_at is not None and due_at <= self.now else None

    @rule(minutes=st.sampled_from([1, 15, 60, 119, 120, 180, 240, 600, 2880, 5000]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(person=st.sampled_from(PEOPLE))
    def look(self, person: str) -> None:
        self.seen[person] = self.task.version

    @rule(
        person=st.sampled_from(PEOPLE),
        move=st.sampled_from(
            [m for m in Move if m not in {Move.WRITE, Move.COMPENSATE, Move.STEP}]
        ),
        knowingly=st.booleans(),
        other=st.sampled_from(PEOPLE),
    )
    def act(self, person: str, move: Move, knowingly: bool, other: str) -> None:
        command = TRIED[move](person, other)
        version = self.seen[person] if knowingly else None
        then = TABLE.get((self.state, str(move)))
        claims = move is Move.ASSIGN and person == other
        taken = claims and self.owner not in (None, person) and not knowingly
        stale = version is not None and version != self.task.version
        if stale or then is None or taken:
            error = TaskChanged if stale else MoveNotAllowed if then is None else TaskTaken
            with pytest.raises(error):
                decide(self.task, command, self.rules, self.now, version=version)
            return
        before = self.task.version
        decision = decide(self.task, command, self.rules, self.now, version=version)
        self.model(move, then, person, other)
        self.take(decision, anew=move in MOVES_CLOCKS)
        assert self.task.version > before
        self.seen[person] = self.task.version

    def model(self, move: Move, then: str, person: str, other: str) -> None:
        """Say what the move makes of the model."""
        if move in MOVES_CLOCKS:
            self.settle(self.runs)
        reopens = self.state in CLOSED and then == "reopened"
        self.state = then
        if move in {Move.ASSIGN, Move.RELEASE}:
            self.owner = other if move is Move.ASSIGN else None
        elif move in {Move.ACKNOWLEDGE, Move.CONTACT, Move.RESOLVE}:
            self.owner = self.owner or person
        self.contacted = self.contacted or move is Move.CONTACT
        self.stop(move)
        if reopens:
            self.runs[RESOLUTION].stopped = False
            self.runs[FIRST].stopped = self.contacted
        if (move is Move.REPLY or reopens) and self.contacted:
            known = self.runs.get(NEXT)
            if known is None or known.stopped:
                self.runs[NEXT] = Run(target=self.target(NEXT))
        self.go_on(move)

    def stop(self, move: Move) -> None:
        """Stop the clocks that a move stops."""
        stops = {Move.CONTACT: (FIRST, NEXT), Move.RESOLVE: SlaClock, Move.CANCEL: SlaClock}
        for which in stops.get(move, ()):
            if which in self.runs:
                self.runs[which].stopped = True

    def go_on(self, move: Move) -> None:
        """Have each clock run or stand still, by the state."""
        for run in self.runs.values():
            runs = self.state not in STILL and not run.stopped
            run.start(self.now) if runs else run.pause(self.now)
        if move in MOVES_CLOCKS and self.state not in CLOSED:
            self.plan()

    def plan(self) -> None:
        for which, run in self.runs.items():
            if not run.stopped and run.due_at is None:
                run.target = self.target(which)

    @precondition(lambda self: self.state not in CLOSED)
    @rule(hours=st.sampled_from([1, 4, 24, 200]))
    def rules_change(self, hours: int) -> None:
        targets = {which: Target(business=hours * HOUR) for which in SlaClock}
        self.settle(self.runs)
        self.rules = some_rules(replace(POLICY, targets=targets), version=self.rules.version + 1)
        self.plan()
        self.take(replan(self.task, self.rules, self.now), anew=True)

    @rule(data=st.data(), again=st.booleans())
    def timers_fire(self, data: st.DataObject, again: bool) -> None:
        """Fire what is due, in any order, perhaps twice; what a timer sets may be due at once."""
        for _ in range(20):
            due = sorted(key for key, due_at in self.timers.items() if due_at <= self.now)
            if not due:
                break
            for kind, key in data.draw(st.permutations(due)):
                self.timers.pop((kind, key), None)
                for _ in range(1 + again):
                    self.fire(kind, key)
        self.all_told()

    def fire(self, kind: str, key: str) -> None:
        if kind == "wait_over":
            task = self.task
            if task.state == "waiting" and task.wait_until and task.wait_until <= self.now:
                decision = decide(task, Resume(), self.rules, self.now)
                self.model(Move.RESUME, "contacted", "", "")
                self.take(decision, anew=True)
            return
        if kind == "outcome":
            return
        _, which = of_clock_key(key)
        if kind == "sla_breach":
            self.settle({which: self.runs[which]})
        decision = FIRES[kind](self.task, which, self.rules, self.now)
        if decision is not None:
            self.take(decision)

    def all_told(self) -> None:
        """After the timers nothing is left that should have been told."""
        for run in self.runs.values():
            if run.stopped:
                continue
            told = {line[0] for line in self.said if line[1] == id(run)}
            assert (run.due_at is not None) == ("task.sla_breached" in told)
            warns_at = run.reached(run.target * 0.75, self.now)
            if warns_at and warns_at <= self.now and self.state not in STILL:
                assert told & {"task.sla_warned", "task.sla_breached"}
            if run.due_at is not None:
                used = run.used_since(run.due_at, self.now)
                levels = [line for line in self.said if line[:2] == ("task.escalated", id(run))]
                assert len(levels) == sum(after <= used for after in AFTERS)

    @invariant()
    def task_is_as_the_model_says(self) -> None:
        task = self.task
        assert (task.state, task.owner) == (self.state, self.owner)
        assert set(task.clocks) == set(self.runs)
        assert task.active == (self.state not in CLOSED)
        for which, run in self.runs.items():
            clock = task.clocks[which]
            assert (clock.stopped_at is not None) == run.stopped
            assert clock.breached == (run.due_at is not None)
            if run.due_at is not None:
                assert clock.due_at == run.due_at
            elif not run.stopped:
                assert clock.due_at == run.reached(run.target, self.now)
        assert task.version <= self.lines + 1


TaskMachine.TestCase.settings = settings(max_examples=400, stateful_step_count=40)
test_task_holds_what_the_model_says_whatever_happens = TaskMachine.TestCase
