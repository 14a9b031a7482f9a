"""The hours around clock changes, against their definition counted minute by minute."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heardback.hours import (
    Hours,
    Span,
    at_fraction,
    is_permitted,
    next_permitted,
    parse_span,
)

MICROSECOND, SECOND, MINUTE = timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")
FRIDAY, SATURDAY, SUNDAY = 4, 5, 6
WORKDAYS = frozenset(range(5))
EVERY_DAY = frozenset(range(7))

CHANGES = [
    ("Europe/Berlin", "2025-03-30T01:00"),
    ("Europe/Berlin", "2025-10-26T01:00"),
    ("America/New_York", "2025-03-09T07:00"),
    ("America/New_York", "2025-11-02T06:00"),
    ("Australia/Lord_Howe", "2025-04-05T15:00"),
    ("Australia/Lord_Howe", "2025-10-04T15:30"),
    ("America/Santiago", "2025-04-06T03:00"),
    ("America/Santiago", "2025-09-07T04:00"),
    ("Africa/Cairo", "2025-04-24T22:00"),
    ("Africa/Cairo", "2025-10-30T21:00"),
    ("Africa/Casablanca", "2025-02-23T02:00"),
    ("America/St_Johns", "2010-11-07T02:31"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Asia/Kathmandu", "2025-01-08T00:00"),  # no change, but where two cached blocks meet
]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def hours_of(*spans: str, days: frozenset[int] | set[int] = EVERY_DAY) -> Hours:
    return Hours(
        spans=tuple(parse_span(*span.split("-")) for span in spans), weekdays=frozenset(days)
    )


def wall_clock_permits(at: datetime, hours: Hours, zone: ZoneInfo) -> bool:
    """The definition, as slow and plain as it gets."""
    local = at.astimezone(zone)
    now = local.time()
    return local.weekday() in hours.weekdays and all(
        span.opens <= now < span.closes
        if span.opens < span.closes
        else not span.closes <= now < span.opens
        for span in hours.spans
    )


def permitted_steps(
    start: datetime, end: datetime, hours: Hours, zone: ZoneInfo, step: timedelta = MINUTE
) -> list[datetime]:
    steps = (start + step * n for n in range((end - start) // step))
    return [at for at in steps if wall_clock_permits(at, hours, zone)]


@st.composite
def zones_and_instants(draw: st.DrawFn) -> tuple[ZoneInfo, datetime]:
    """A whole minute: around a clock change, in the zone that makes it."""
    name, change = draw(st.sampled_from(CHANGES))
    return ZoneInfo(name), utc(change) + MINUTE * draw(st.integers(-4320, 2880))


MINUTES = st.integers(0, 1439).map(lambda minute: time(*divmod(minute, 60)))
SPANS = (
    st.tuples(MINUTES, MINUTES)
    .filter(lambda times: times[0] != times[1])
    .map(lambda times: Span(opens=times[0], closes=times[1]))
)
HOURS = st.builds(
    Hours,
    spans=st.lists(SPANS, max_size=3).map(tuple),
    weekdays=st.frozensets(st.integers(0, 6), min_size=1),
)
FRACTIONS = st.floats(0, 1, exclude_max=True)


def intervals(
    start: datetime, end: datetime, hours: Hours, zone: ZoneInfo
) -> Iterator[tuple[str, str]]:
    """What is permitted from one whole minute to another, each interval as text."""
    at = start
    while (opens := next_permitted(at, hours, zone)) and opens < end:
        at = opens
        while at < end and is_permitted(at, hours, zone):
            at += MINUTE
        yield f"{opens:%d %H:%M}", f"{at:%d %H:%M}"


@pytest.mark.parametrize(
    ("zone", "hours", "day", "expected"),
    [
        # spring: what lies inside the skipped time is missing, what touches it is shorter
        ("Europe/Berlin", hours_of("02:00-03:00"), "2025-03-30", []),
        ("Europe/Berlin", hours_of("02:30-04:00"), "2025-03-30", [("30 01:00", "30 02:00")]),
        ("Europe/Berlin", hours_of("01:00-02:30"), "2025-03-30", [("30 00:00", "30 01:00")]),
        ("Europe/Berlin", hours_of("01:00-04:00"), "2025-03-30", [("30 00:00", "30 02:00")]),
        ("America/New_York", hours_of("02:00-03:00"), "2025-03-09", []),
        ("America/New_York", hours_of("01:30-03:30"), "2025-03-09", [("09 06:30", "09 07:30")]),
        ("Australia/Lord_Howe", hours_of("02:00-02:30"), "2025-10-05", []),
        ("Australia/Lord_Howe", hours_of("02:00-03:00"), "2025-10-05", [("04 15:30", "04 16:00")]),
        ("America/Santiago", hours_of("00:00-01:00"), "2025-09-07", []),
        ("America/Santiago", hours_of("00:00-02:00"), "2025-09-07", [("07 04:00", "07 05:00")]),
        ("Africa/Cairo", hours_of("00:00-01:00"), "2025-04-25", []),
        ("Africa/Cairo", hours_of("00:00-09:00"), "2025-04-25", [("24 22:00", "25 06:00")]),
        # autumn: what is repeated counts twice
        ("Europe/Berlin", hours_of("02:00-03:00"), "2025-10-26", [("26 00:00", "26 02:00")]),
        (
            "Europe/Berlin",
            hours_of("02:15-02:45"),
            "2025-10-26",
            [("26 00:15", "26 00:45"), ("26 01:15", "26 01:45")],
        ),
        ("America/New_York", hours_of("01:00-02:00"), "2025-11-02", [("02 05:00", "02 07:00")]),
        ("Australia/Lord_Howe", hours_of("01:30-02:00"), "2025-04-06", [("05 14:30", "05 15:30")]),
        ("America/Santiago", hours_of("23:00-24:00"), "2025-04-05", [("06 02:00", "06 04:00")]),
        ("Africa/Cairo", hours_of("23:00-24:00"), "2025-10-30", [("30 20:00", "30 22:00")]),
        # a local day in two parts: the clock shows Sunday for a minute, then Saturday again
        (
            "America/St_Johns",
            hours_of(),
            "2010-11-07",
            [("07 02:30", "07 02:31"), ("07 03:30", "08 03:30")],
        ),
        # a local day that never was
        ("Pacific/Apia", hours_of(), "2011-12-30", []),
        ("Pacific/Apia", hours_of(), "2011-12-31", [("30 10:00", "31 10:00")]),
    ],
)
def test_a_local_day_has_the_time_that_its_clock_shows_when_the_clock_changes(
    zone: str, hours: Hours, day: str, expected: list[tuple[str, str]]
) -> None:
    on_that_day = Hours(spans=hours.spans, weekdays=frozenset({date.fromisoformat(day).weekday()}))
    start = utc(f"{day}T00:00") - DAY
    assert list(intervals(start, start + 3 * DAY, on_that_day, ZoneInfo(zone))) == expected


@pytest.mark.parametrize(
    ("zone", "hours", "at", "expected"),
    [
        ("Europe/Berlin", hours_of("02:00-03:00"), "2025-03-30T00:30", "2025-03-31T00:00"),
        (
            "America/Santiago",
            hours_of("00:00-01:00", days={SUNDAY}),
            "2025-09-01T12:00",
            "2025-09-14T03:00",
        ),
        ("Pacific/Apia", hours_of(days={FRIDAY}), "2011-12-25T00:00", "2012-01-05T10:00"),
        ("Pacific/Apia", hours_of(days={FRIDAY, SATURDAY}), "2011-12-26T00:00", "2011-12-30T10:00"),
    ],
)
def test_the_opening_after_it_is_taken_when_a_clock_change_swallows_one(
    zone: str, hours: Hours, at: str, expected: str
) -> None:
    assert next_permitted(utc(at), hours, ZoneInfo(zone)) == utc(expected)


@given(HOURS, zones_and_instants(), st.integers(-1_000_000, 1_000_000))
def test_an_instant_is_permitted_when_the_definition_permits_it(
    hours: Hours, place: tuple[ZoneInfo, datetime], microseconds: int
) -> None:
    zone, at = place
    for instant in (at, at - MICROSECOND, at + MICROSECOND * microseconds):
        assert is_permitted(instant, hours, zone) is wall_clock_permits(instant, hours, zone)


@settings(max_examples=60)
@given(HOURS, zones_and_instants(), FRACTIONS)
def test_the_next_permitted_time_is_the_earliest_when_compared_minute_by_minute(
    hours: Hours, place: tuple[ZoneInfo, datetime], fraction: float
) -> None:
    zone, at = place
    minutes = (at + MINUTE * n for n in range(15 * 1440))
    earliest = next((m for m in minutes if wall_clock_permits(m, hours, zone)), None)
    assert next_permitted(at, hours, zone) == earliest
    spread = next_permitted(at, hours, zone, fraction=fraction)
    assert (spread is None) is (earliest is None)
    if spread is not None and earliest is not None:
        assert wall_clock_permits(spread, hours, zone)
        assert earliest <= spread < earliest + HOUR
        assert spread == earliest or earliest > at


@settings(max_examples=60)
@given(HOURS, zones_and_instants(), st.integers(0, 4320), FRACTIONS, FRACTIONS)
def test_a_fraction_never_leaves_the_hours_and_never_goes_back_when_it_grows(
    hours: Hours, place: tuple[ZoneInfo, datetime], minutes: int, one: float, other: float
) -> None:
    zone, start = place
    end = start + MINUTE * minutes
    found = [
        at_fraction(fraction, start=start, end=end, hours=hours, zone=zone)
        for fraction in sorted((0.0, one, other, 1 - 2**-53))
    ]
    instants = [at for at in found if at is not None]
    assert len(instants) in (0, 4)
    assert all(wall_clock_permits(at, hours, zone) for at in instants)
    assert all(start <= at <= end for at in instants)
    assert all(earlier <= later for earlier, later in pairwise(instants))


@settings(max_examples=60)
@given(HOURS, zones_and_instants(), st.integers(1, 4320), FRACTIONS)
def test_a_fraction_is_linear_in_permitted_time_when_counted_minute_by_minute(
    hours: Hours, place: tuple[ZoneInfo, datetime], minutes: int, fraction: float
) -> None:
    zone, start = place
    end = start + MINUTE * minutes
    permitted = permitted_steps(start, end, hours, zone)
    if not permitted:
        expected = end if wall_clock_permits(end, hours, zone) else None
        assert at_fraction(fraction, start=start, end=end, hours=hours, zone=zone) == expected
        return
    minute = int(fraction * len(permitted))
    middle = (minute + 0.5) / len(permitted)
    at = at_fraction(middle, start=start, end=end, hours=hours, zone=zone)
    assert at is not None
    assert abs(at - permitted[minute] - 30 * SECOND) <= MICROSECOND


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize(
    "hours", [hours_of("09:00-18:00", "08:00-21:00", days=WORKDAYS), hours_of("23:00-03:00")]
)
def test_every_hour_gets_its_share_when_10_000_are_spread_over_a_window(
    zone: str, change: str, hours: Hours
) -> None:
    place, start = ZoneInfo(zone), utc(change).replace(hour=0, minute=0) - 3 * DAY
    permitted = permitted_steps(start, start + 7 * DAY, hours, place, step=MINUTE * 15)
    counts = dict.fromkeys(permitted, 0)
    for number in range(10_000):
        at = at_fraction(number / 10_000, start=start, end=start + 7 * DAY, hours=hours, zone=place)
        assert at is not None
        counts[start + (at - start) // (MINUTE * 15) * (MINUTE * 15)] += 1
    assert counts.keys() == set(permitted)
    share = 10_000 * 4 / len(permitted)
    by_hour = [sum(counts[at] for at in permitted[n : n + 4]) for n in range(len(permitted) - 3)]
    assert all(abs(count - share) <= share / 10 for count in by_hour)


@pytest.mark.parametrize(("first", "last"), [(90, 92), (0, 500), (0, 3650)])
def test_a_fraction_is_of_the_permitted_time_when_a_window_is_long(first: int, last: int) -> None:
    hours, start = hours_of("09:00-18:30", days=WORKDAYS), utc("2024-02-29T10:00") + first * DAY
    end, step = utc("2024-02-29T10:00") + last * DAY, MINUTE * 30
    permitted = permitted_steps(start, end, hours, BERLIN, step)
    for number in range(0, len(permitted), max(1, len(permitted) // 50)):
        middle = (number + 0.5) / len(permitted)
        at = at_fraction(middle, start=start, end=end, hours=hours, zone=BERLIN)
        assert at is not None
        assert abs(at - permitted[number] - step / 2) <= MICROSECOND
