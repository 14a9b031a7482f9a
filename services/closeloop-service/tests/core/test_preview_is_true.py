"""What the preview says is what happens: to a task of that answer, opened by the same rules."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from closeloop_service.domain import firing
from closeloop_service.domain.decision import ESCALATION
from closeloop_service.domain.opening import open_task
from closeloop_service.domain.planning import plan
from closeloop_service.domain.rules import Rules
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.ready_made import ready_made_books
from closeloop_service.rulebook.trying import Question, rules_with, try_policy
from heardback.testing.clock import START
from heardback.vocabulary import Category, SlaClock

from .cases import heard

_CALENDARS = """\
calendars:
  always: {tz: UTC, week: {mon: [["00:00", "24:00"]], tue: [["00:00", "24:00"]]}}
  office:
    tz: Europe/Berlin
    week:
      mon: [["09:00", "12:00"], ["13:00", "17:00"]]
      fri: [["09:00", "17:00"]]
      sun: [["00:00", "06:00"]]
    holidays: [2026-12-25]
"""
_POLICIES = """\
policies:
  - id: enterprise
    when: {{segments: [enterprise], min_value: 100}}
    calendar: {calendar}
    first_response: {{within: {within}, ceiling: 9d}}
    resolution: {{within: 3d, calendar: always}}
    warning_at: {share}%
    escalations: [{{after: {after}, tell: [owner]}}, {{after: 9h, tell: [lead, "person:Maya"]}}]
    repeat: {{every: 5h, at_most: 2}}
  - id: low
    when: {{max_score: 2, languages: [de]}}
    calendar: always
    first_response: 1h
    resolution: {{within: 20h, calendar: {calendar}}}
  - {{id: default, calendar: office, first_response: 4h, resolution: 5d}}
"""


@st.composite
def some_rules(draw: st.DrawFn) -> Rules:
    policies = _POLICIES.format(
        calendar=draw(st.sampled_from(["office", "always"])),
        within=draw(st.sampled_from(["1s", "90m", "4h", "2d"])),
        share=draw(st.sampled_from([1, 50, 75, 99])),
        after=draw(st.sampled_from(["0m", "30m", "8h"])),
    )
    drafts = {Kind.CALENDARS: _CALENDARS, Kind.SLA_POLICIES: policies}
    return rules_with(ready_made_books(), drafts, ())


@settings(max_examples=60)
@given(
    rules=some_rules(),
    seconds=st.integers(0, 2 * 366 * 86_400),
    segment=st.sampled_from([None, "enterprise", "smb"]),
    locale=st.sampled_from([None, "de-AT", "en"]),
    value=st.sampled_from([None, 99.0, 100.0]),
    score=st.integers(0, 6),
    category=st.sampled_from(Category),
)
def test_dates_of_the_preview_are_those_of_a_task(
    rules: Rules,
    seconds: int,
    segment: str | None,
    locale: str | None,
    value: float | None,
    score: int,
    category: Category,
) -> None:
    at = START + timedelta(seconds=seconds)
    said = heard(
        segment=segment, locale=locale, value=value, score=score, category=category, heard_at=at
    )
    task = open_task("t", said, rules, at).task
    preview = try_policy(rules, Question(facts=task.facts, at=at))
    assert preview.policy_id == task.policy_id == plan(task, rules).policy_id
    for clock in preview.clocks:
        if clock.clock is SlaClock.NEXT_RESPONSE:
            continue
        known = task.clocks[clock.clock]
        assert clock.due is not None
        assert clock.warning is not None
        assert (clock.due.at, clock.warning.at) == (known.due_at, known.warn_at)

        told, now, latest = [], clock.due.at, task
        decision = firing.breach(latest, clock.clock, rules, now)
        while decision is not None:
            told += [now for entry in decision.entries if entry.what == "escalated"]
            latest = decision.task
            timers = [timer for timer in decision.timers if timer.kind == ESCALATION]
            if not timers:
                break
            now = timers[0].due_at
            assert firing.escalate(latest, clock.clock, rules, now - timedelta(seconds=1)) is None
            decision = firing.escalate(latest, clock.clock, rules, now)
        assert [level.instant.at for level in clock.escalations] == told
