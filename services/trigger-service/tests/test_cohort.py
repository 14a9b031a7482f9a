"""Cohorts: whose turn it is, so that everybody's turn comes, once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigger_service.domain.cohort import CIRCLE, EVERYBODY, Arc, Period, Sample, bucket_of
from trigger_service.domain.reason import Reason

from .domain_builders import a_customer, a_program, a_state, a_touchpoint, decision_of

UTC_ZONE = ZoneInfo("UTC")
MICROSECOND = timedelta(microseconds=1)
CUSTOMERS = [f"customer-{number}" for number in range(4000)]
QUARTER = Sample(thousandths=250, rotates=Period.QUARTER)
# Months begin there at an hour that a clock change skipped or repeated, or a day that was left out.
ODD_ZONES = ("America/Asuncion", "Africa/Cairo", "Pacific/Apia", "Asia/Amman", "Europe/Dublin")

BUCKETS = st.integers(0, CIRCLE - 1) | st.sampled_from([0, 1, CIRCLE // 2, CIRCLE - 1])
PROGRAM_IDS = st.sampled_from(["purchase", "a", "relationship-quarterly"])


def instant(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("at", "zone", "period", "number"),
    [
        ("2026-03-31T23:59:59", "UTC", Period.QUARTER, 2026 * 4),
        ("2026-04-01T00:00:00", "UTC", Period.QUARTER, 2026 * 4 + 1),
        ("2026-03-31T22:00:00", "Europe/Berlin", Period.QUARTER, 2026 * 4 + 1),
        ("2026-04-01T06:59:59", "America/Los_Angeles", Period.QUARTER, 2026 * 4),
        ("2025-12-31T23:59:59", "UTC", Period.YEAR, 2025),
        ("2026-01-01T00:00:00", "UTC", Period.YEAR, 2026),
        ("2026-06-30T23:59:59", "UTC", Period.HALF_YEAR, 2026 * 2),
        ("2026-07-01T00:00:00", "UTC", Period.HALF_YEAR, 2026 * 2 + 1),
        ("2026-12-31T23:59:59", "UTC", Period.MONTH, 2026 * 12 + 11),
    ],
)
def test_period_is_the_one_on_the_local_calendar_when_an_instant_is_given(
    at: str, zone: str, period: Period, number: int
) -> None:
    assert period.number(instant(at), ZoneInfo(zone)) == number


@given(
    period=st.sampled_from(list(Period)),
    zone=st.timezone_keys().filter(lambda key: key != "localtime") | st.sampled_from(ODD_ZONES),
    seconds=st.integers(86_400, 7_000_000_000),
)
def test_periods_follow_each_other_without_a_gap_when_the_clocks_change(
    period: Period, zone: str, seconds: int
) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    number = period.number(at, ZoneInfo(zone))
    begins = period.starts_at(number, ZoneInfo(zone))
    assert begins.tzinfo is UTC
    assert begins <= at < period.starts_at(number + 1, ZoneInfo(zone))
    assert period.number(begins, ZoneInfo(zone)) == number
    assert period.number(begins - MICROSECOND, ZoneInfo(zone)) == number - 1


@given(bucket=BUCKETS, program_id=PROGRAM_IDS, first=st.integers(0, 40_000))
@pytest.mark.parametrize(
    ("thousandths", "period", "periods"),
    [(250, Period.QUARTER, 4), (500, Period.HALF_YEAR, 2), (1000, Period.YEAR, 1), (1, None, 1000)],
)
def test_everybody_has_one_turn_in_a_row_of_periods_when_the_shares_make_a_whole(
    thousandths: int, period: Period, periods: int, bucket: int, program_id: str, first: int
) -> None:
    sample = Sample(thousandths=thousandths, rotates=period or Period.MONTH)
    numbers = range(first, first + periods)
    assert sum(sample.includes(bucket, program_id, number) for number in numbers) == 1


@given(bucket=BUCKETS, program_id=PROGRAM_IDS, thousandths=st.integers(1, 1000))
def test_nobody_waits_much_longer_than_their_share_says_when_it_makes_no_whole(
    bucket: int, program_id: str, thousandths: int
) -> None:
    sample = Sample(thousandths=thousandths, rotates=Period.MONTH)
    numbers = range(24_000, 24_000 + -(-1000 // thousandths))
    assert 1 <= sum(sample.includes(bucket, program_id, number) for number in numbers) <= 2


@given(bucket=BUCKETS, thousandths=st.integers(1, 1000), number=st.integers(0, 100_000))
def test_turn_is_always_the_same_when_a_sample_does_not_rotate(
    bucket: int, thousandths: int, number: int
) -> None:
    sample = Sample(thousandths=thousandths, rotates=None)
    assert sample.includes(bucket, "a", number) == sample.includes(bucket, "a", 0)


def test_share_of_the_customers_is_picked_when_there_are_many() -> None:
    turns = Counter(
        number
        for key in CUSTOMERS
        for number in range(8000, 8004)
        if QUARTER.includes(bucket_of(key), "a", number)
    )
    assert sum(turns.values()) == len(CUSTOMERS)
    assert all(abs(count - 1000) < 100 for count in turns.values())


def test_two_programs_pick_different_people_when_their_share_is_the_same() -> None:
    both = [
        key
        for key in CUSTOMERS
        if all(QUARTER.includes(bucket_of(key), program, 8000) for program in ("a", "b"))
    ]
    assert len(both) < 700  # 1,000 are the turn of each


def test_everybody_is_everybody_when_nothing_is_said() -> None:
    assert EVERYBODY.is_everybody
    assert not Sample(thousandths=999, rotates=None).is_everybody
    assert EVERYBODY.arc("a", 3).width == CIRCLE


@pytest.mark.parametrize(
    ("arc", "bucket", "along"),
    [
        (Arc(start=10, width=5), 10, 0),
        (Arc(start=10, width=5), 14, 4),
        (Arc(start=10, width=5), 15, None),
        (Arc(start=10, width=5), 9, None),
        (Arc(start=CIRCLE - 2, width=5), 1, 3),
        (Arc(start=CIRCLE - 2, width=5), 3, None),
        (Arc(start=-2, width=5), CIRCLE - 1, 1),
        (Arc(start=10, width=CIRCLE), 9, CIRCLE - 1),
    ],
)
def test_place_is_counted_from_the_start_when_it_is_on_the_arc(
    arc: Arc, bucket: int, along: int | None
) -> None:
    assert arc.along(bucket) == along


@given(
    start=st.integers(-CIRCLE, 2 * CIRCLE),
    width=st.integers(1, CIRCLE),
    bucket=BUCKETS,
    cuts=st.lists(st.floats(0, 1), max_size=4),
)
def test_ranges_cover_an_arc_once_when_it_is_read_piece_by_piece(
    start: int, width: int, bucket: int, cuts: list[float]
) -> None:
    arc = Arc(start=start, width=width)
    edges = [0, *sorted(int(width * cut) for cut in cuts), width]
    ranges = [each for first, last in pairwise(edges) for each in arc.ranges(first, last)]
    assert all(0 <= low <= high <= CIRCLE for low, high in ranges)
    found = sum(low <= bucket < high for low, high in ranges)
    assert found == (arc.along(bucket) is not None)


def sampled(customer_id: str, at: datetime, **fields: Any) -> bool:
    state = a_state(customer=a_customer(customer_id))
    touchpoint = a_touchpoint(customer_id=customer_id, occurred_at=at)
    decided = decision_of(a_program(**fields), touchpoint, state=state, now=at)
    return Reason.NOT_SAMPLED not in decided.against


@pytest.mark.parametrize(
    ("sample", "month", "turns"),
    [
        ({"share": "25%"}, 3, 1),
        ({"share": "25%", "rotate": "month"}, 1, 3),
        ({"share": "50%", "rotate": "half-year"}, 6, 1),
        ({"share": "100%", "rotate": "never"}, 3, 4),
    ],
)
def test_touchpoints_of_a_year_are_asked_about_once_when_the_sample_rotates(
    sample: dict[str, str], month: int, turns: int
) -> None:
    dates = [datetime(2026, first, 15, 12, tzinfo=UTC) for first in range(1, 13, month)]
    for number in range(50):
        asked = sum(sampled(f"c{number}", at, sample=sample) for at in dates)
        assert asked == turns
