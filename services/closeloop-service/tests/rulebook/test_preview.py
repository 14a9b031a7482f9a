"""What the rules would do with a task: in the calendar's zone, and over its edges."""

from datetime import UTC, datetime, timedelta

import pytest

from closeloop_service.domain.matching import Facts
from closeloop_service.domain.rules import Rules
from closeloop_service.rulebook.instants import say_duration
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.preview import PolicyPreview
from closeloop_service.rulebook.ready_made import ready_made_books
from closeloop_service.rulebook.trying import Question, rules_with, try_policy
from heardback.vocabulary import Category

FACTS = Facts(category=Category.DETRACTOR, touchpoint="purchase", program_id="p", score=2)
BERLIN = """\
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
POLICIES = """\
policies:
  - {id: default, calendar: office, first_response: 4h, resolution: 20d, escalations:
      [{after: 30m, tell: [lead]}], repeat: {every: 1h, at_most: 1}}
"""


def rules() -> Rules:
    drafts = {Kind.CALENDARS: BERLIN, Kind.SLA_POLICIES: POLICIES}
    return rules_with(ready_made_books(), drafts, ())


def tried(day: str) -> PolicyPreview:
    return try_policy(rules(), Question(facts=FACTS, at=datetime.fromisoformat(day)))


def test_time_is_of_the_calendars_wall_when_it_has_no_zone() -> None:
    found = tried("2026-12-04T16:45")
    assert found.starts.at == datetime(2026, 12, 4, 15, 45, tzinfo=UTC)
    assert found.starts.said == "Friday 4 December 2026, 16:45"
    assert found.zone == "Europe/Berlin"
    assert found == tried("2026-12-04T15:45Z")


def test_clock_runs_in_open_time_only_when_a_weekend_and_a_pause_lie_between() -> None:
    first = tried("2026-12-04T16:45").clocks[0]
    assert first.due is not None
    # 15 minutes on Friday, 3 h 45 m on Sunday, when this calendar works at night.
    assert first.due.said == "Sunday 6 December 2026, 03:45"
    assert [level.instant.said for level in first.escalations] == [
        "Sunday 6 December 2026, 04:15",
        "Sunday 6 December 2026, 05:15",
    ]
    assert [level.is_repeat for level in first.escalations] == [False, True]


def test_next_opening_is_told_when_the_calendar_is_closed() -> None:
    found = tried("2026-12-25T10:00")
    assert not found.is_open
    assert found.opens is not None
    assert found.opens.said == "Sunday 27 December 2026, 00:00"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        # Berlin's clock goes from 2 to 3 and from 3 back to 2: neither moves a due date wrongly.
        ("2026-03-29T00:30", "Sunday 29 March 2026, 05:30"),
        ("2026-10-25T00:30", "Sunday 25 October 2026, 03:30"),
    ],
)
def test_hour_is_missing_or_there_twice_when_clocks_change(asked: str, said: str) -> None:
    due = tried(asked).clocks[0].due
    assert due is not None
    assert due.said == said


@pytest.mark.parametrize(
    ("duration", "said"),
    [
        (timedelta(hours=4), "4 hours"),
        (timedelta(days=1, hours=1, minutes=5), "1 day 1 hour"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(0), "no time"),
    ],
)
def test_duration_is_in_words_when_it_is_said(duration: timedelta, said: str) -> None:
    assert say_duration(duration) == said
