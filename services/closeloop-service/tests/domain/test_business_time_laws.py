"""Business time against its laws, and against its definition counted minute by minute."""

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate, compress, count, groupby
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.opening_hours import WEEKDAYS

MICROSECOND, MINUTE, DAY = timedelta(microseconds=1), timedelta(minutes=1), timedelta(days=1)
NOTHING = timedelta(0)

CHANGES = [
    ("Europe/Berlin", "2025-03-30T01:00"),
    ("Europe/Berlin", "2025-10-26T01:00"),
    ("America/New_York", "2025-03-09T07:00"),
    ("America/New_York", "2025-11-02T06:00"),
    ("Australia/Lord_Howe", "2025-04-05T15:00"),
    ("Australia/Lord_Howe", "2025-10-04T15:30"),
    ("America/Santiago", "2025-04-06T03:00"),
    ("Africa/Cairo", "2025-10-30T21:00"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("UTC", "2024-02-29T06:00"),  # no change: a leap day
    ("Asia/Kathmandu", "2024-10-05T00:00"),  # no change, but where two kept blocks meet
]


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


MINUTES = st.integers(0, 1440)
SPANS = st.lists(
    st.tuples(MINUTES, MINUTES)
    .filter(lambda span: span[0] != span[1])
    .map(lambda span: [clock(min(span)), clock(max(span))]),
    max_size=3,
)
DATES = st.dates(date(2009, 1, 1), date(2026, 12, 31))
# One day of the week is always worked, so that they open again and again.
OPEN_CALENDARS = st.builds(
    lambda tz, week, opens, holidays, breaks, country: Calendar.from_dict(
        {
            "tz": tz,
            "week": {**week, opens: [["09:00", "17:00"]]},
            "holidays": holidays,
            "breaks": breaks,
            "country": country,
        }
    ),
    tz=st.sampled_from(sorted({zone for zone, _ in CHANGES})),
    week=st.dictionaries(st.sampled_from(WEEKDAYS), SPANS),
    opens=st.sampled_from(WEEKDAYS),
    holidays=st.lists(DATES, max_size=5),
    breaks=st.dictionaries(DATES, SPANS, max_size=3),
    country=st.sampled_from([None, "DE", "US"]),
)
NEAR_CHANGES = st.builds(
    lambda change, off: datetime.fromisoformat(change).replace(tzinfo=UTC) + off,
    st.sampled_from([change for _, change in CHANGES]),
    st.timedeltas(-3 * DAY, 3 * DAY),
)
INSTANTS = st.one_of(
    NEAR_CHANGES,
    st.timedeltas(NOTHING, 90 * 365 * DAY).map(datetime(1970, 1, 1, tzinfo=UTC).__add__),
)
SOME = st.one_of(st.timedeltas(MICROSECOND, 10 * DAY), st.timedeltas(MICROSECOND, 1000 * DAY))


@settings(max_examples=200)
@given(OPEN_CALENDARS, INSTANTS, SOME)
def test_as_much_lies_between_as_was_added(of: Calendar, start: datetime, some: timedelta) -> None:
    later, earlier = of.add(start, some), of.add(start, -some)
    assert of.between(start, later) == some == of.between(earlier, start)
    assert of.between(later, start) == -some
    # The first instant, and the last one, of which that is true.
    assert of.between(start, later - MICROSECOND) < some > of.between(earlier + MICROSECOND, start)


@settings(max_examples=200)
@given(OPEN_CALENDARS, INSTANTS, SOME, SOME)
def test_adding_twice_is_adding_the_sum(
    of: Calendar, start: datetime, one: timedelta, other: timedelta
) -> None:
    assert of.add(of.add(start, one), other) == of.add(start, one + other)
    assert of.add(of.add(start, -one), -other) == of.add(start, -one - other)


@settings(max_examples=200)
@given(
    OPEN_CALENDARS,
    INSTANTS,
    st.timedeltas(NOTHING, 400 * DAY),
    st.timedeltas(-100 * DAY, 100 * DAY),
    st.timedeltas(NOTHING, 100 * DAY),
)
def test_later_or_more_never_ends_earlier(
    of: Calendar, start: datetime, off: timedelta, some: timedelta, more: timedelta
) -> None:
    assert of.add(start, some) <= of.add(start + off, some)
    assert of.add(start, some) <= of.add(start, some + more)
    assert of.between(start, start + off) >= NOTHING


@settings(max_examples=200)
@given(OPEN_CALENDARS, INSTANTS)
def test_next_opening_is_the_first_open_instant(of: Calendar, at: datetime) -> None:
    opens = of.next_open(at)
    assert opens is not None
    assert of.is_open(opens)
    assert (opens == at) == of.is_open(at)
    assert of.between(at, opens) == NOTHING
    assert next(of.periods(at))[0] == opens == of.add(at, NOTHING)


Wall = list[tuple[date, list[int]]]


@cache
def wall(change: int, days: int) -> tuple[datetime, Wall]:
    """Each minute of some days around a clock change: the local dates, and the minutes of each."""
    tz, at = CHANGES[change]
    start = datetime.fromisoformat(at).replace(tzinfo=UTC) - DAY - timedelta(hours=3)
    local = [(start + MINUTE * n).astimezone(ZoneInfo(tz)) for n in range(days * 1440)]
    by_day = groupby(local, datetime.date)
    return start, [(day, [at.hour * 60 + at.minute for at in some]) for day, some in by_day]


def random_spans(random: Random) -> list[list[str]]:
    edges = (sorted(random.sample(range(1441), 2)) for _ in range(random.choice([0, 1, 1, 2, 3])))
    return [[clock(opens), clock(closes)] for opens, closes in edges]


def random_document(random: Random, tz: str, dates: list[date]) -> dict[str, Any]:
    return {
        "tz": tz,
        "week": {day: random_spans(random) for day in WEEKDAYS},
        "holidays": [str(day) for day in dates if random.random() < 0.1],
        "breaks": {str(day): random_spans(random) for day in dates if random.random() < 0.2},
    }


def mark(minutes: bytearray, spans: list[list[str]], is_open: bytes) -> None:
    for span in spans:
        opens, closes = (int(text[:2]) * 60 + int(text[3:]) for text in span)
        minutes[opens:closes] = is_open * (closes - opens)


def open_minutes(document: dict[str, Any], wall: Wall) -> bytes:
    """The definition, as plain as it gets: which of the minutes on the wall are open (1)."""
    opened = bytearray()
    for day, minutes in wall:
        whole_day = bytearray(1440)
        if str(day) not in document["holidays"]:
            mark(whole_day, document["week"][WEEKDAYS[day.weekday()]], b"\1")
            mark(whole_day, document["breaks"].get(str(day), []), b"\0")
        opened += bytes(map(whole_day.__getitem__, minutes))
    return bytes(opened)


def runs_of(opened: bytes) -> list[tuple[int, int]]:
    """The open minutes as intervals."""
    return [run.span() for run in re.finditer(b"\1+", opened)]


def check(random: Random, days: int) -> None:
    change = random.randrange(len(CHANGES))
    start, days_on_wall = wall(change, days)
    dates = sorted({day for day, _ in days_on_wall})
    document = random_document(random, CHANGES[change][0], dates)
    of, opened = Calendar.from_dict(document), open_minutes(document, days_on_wall)
    assert periods_in_minutes(of, start, len(opened)) == runs_of(opened), document
    before, places = [0, *accumulate(opened)], [*compress(count(), opened)]
    for _ in range(3):
        one, other = random.randrange(len(opened)), random.randrange(len(opened))
        at, until = start + MINUTE * one, start + MINUTE * other
        assert of.is_open(at) == bool(opened[one]), (document, at)
        assert of.between(at, until) == MINUTE * (before[other] - before[one]), (
            document,
            at,
            until,
        )
        ahead = before[-1] - before[one]
        if amount := random.randint(0, ahead):
            expected = start + MINUTE * (places[before[one] + amount - 1] + 1)
            assert of.add(at, MINUTE * amount) == expected, (document, at, amount)
        if amount := random.randint(0, before[one]):
            expected = start + MINUTE * places[before[one] - amount]
            assert of.add(at, -MINUTE * amount) == expected, (document, at, -amount)


def periods_in_minutes(of: Calendar, start: datetime, total: int) -> list[tuple[int, int]]:
    """The open intervals in minutes since `start`, what touches at midnight joined."""
    joined: list[tuple[int, int]] = []
    for opens, closes in of.periods(start):
        first, last = (opens - start) // MINUTE, min((closes - start) // MINUTE, total)
        if first >= total:
            break
        if joined and joined[-1][1] == first:
            first = joined.pop()[0]
        joined.append((first, last))
    return joined


def test_ten_thousand_calendars_agree_with_counting_minutes() -> None:
    # A plain loop: hypothesis would draw for minutes, and a seed and the document tell as much.
    # Four days of minutes hold a clock change; every tenth calendar is counted for three weeks.
    for seed in range(10_000):
        check(Random(seed), 4 if seed % 10 else 21)
