"""A run of a cadence: whose turn comes when."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trigger_service.domain.cadence_run import AHEAD, Run
from trigger_service.domain.cohort import CIRCLE, bucket_of
from trigger_service.domain.program import Program

from .domain_builders import DAY, HOUR, OFFICE, a_customer, a_program, a_state, decision_of

BERLIN = ZoneInfo("Europe/Berlin")
GREENWICH = ZoneInfo("UTC")
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
CUSTOMERS = [f"c{number}" for number in range(2000)]


def a_quarterly(**fields: Any) -> Program:
    given = {"cadence": "quarterly", "type": "relational", "delay": "0d..80d"}
    return a_program("relationship", **{**given, "expires_after": "30d", **fields})


def current(program: Program | None = None, now: datetime = APRIL) -> Run:
    return Run.current(program or a_quarterly(), now, GREENWICH)


def turns(run: Run, customer_ids: Iterable[str] = CUSTOMERS) -> list[str]:
    return [key for key in customer_ids if run.arc.along(bucket_of(key)) is not None]


@pytest.mark.parametrize(
    ("cadence", "now", "starts_at", "ends_at"),
    [
        ("monthly", "2026-02-28", "2026-02-01", "2026-03-01"),
        ("quarterly", "2026-04-01", "2026-04-01", "2026-07-01"),
        ("quarterly", "2026-03-31", "2026-01-01", "2026-04-01"),
        ("twice-yearly", "2026-12-31", "2026-07-01", "2027-01-01"),
        ("yearly", "2026-12-31", "2026-01-01", "2027-01-01"),
    ],
)
def test_run_lasts_one_period_when_it_is_the_current_one(
    cadence: str, now: str, starts_at: str, ends_at: str
) -> None:
    program = a_quarterly(cadence=cadence, delay="0d..28d")
    run = current(program, datetime.fromisoformat(f"{now}T00:00+00:00"))
    assert (f"{run.starts_at:%Y-%m-%d}", f"{run.ends_at:%Y-%m-%d}") == (starts_at, ends_at)


def test_run_begins_at_midnight_of_the_company_when_it_is_not_in_greenwich() -> None:
    run = Run.current(a_quarterly(), APRIL, BERLIN)
    assert run.starts_at == APRIL - 2 * HOUR
    assert Run.current(a_quarterly(), APRIL - 3 * HOUR, BERLIN).period == run.period - 1


def test_target_goes_from_nobody_to_everybody_when_time_passes() -> None:
    run = current(a_quarterly(delay="10d..20d"))
    first = run.starts_at + 10 * DAY - AHEAD
    expected = [(-DAY, 0.0), (timedelta(0), 0.0), (5 * DAY, 0.5), (10 * DAY, 1.0), (99 * DAY, 1.0)]
    for passed, part in expected:
        assert run.target(first + passed) == int(part * CIRCLE)


def test_everybody_s_turn_comes_at_once_when_the_delay_has_no_width() -> None:
    run = current(a_quarterly(delay="10d"))
    at = run.starts_at + 10 * DAY - AHEAD
    assert (run.target(at - timedelta(microseconds=1)), run.target(at)) == (0, CIRCLE)


@given(hours=st.lists(st.integers(-2000, 4000), min_size=2, max_size=8))
def test_target_never_goes_back_when_time_passes(hours: list[int]) -> None:
    run = current(a_quarterly(sample={"share": "25%"}))
    targets = [run.target(run.starts_at + hour * HOUR) for hour in sorted(hours)]
    assert targets == sorted(targets)
    assert all(0 <= target <= run.arc.width for target in targets)


def test_run_is_over_when_nobody_could_be_asked_in_time() -> None:
    run = current()
    end = run.ends_at + 30 * DAY
    assert (run.is_over(end - timedelta(microseconds=1)), run.is_over(end)) == (False, True)


def test_touchpoint_is_the_same_when_the_run_comes_to_a_customer_again() -> None:
    first, later = current(), current(now=APRIL + 40 * DAY)
    assert first.touchpoint("c1") == later.touchpoint("c1")
    ids = {
        run.touchpoint(key).touchpoint_id
        for run in (first, current(now=APRIL + 100 * DAY), current(a_quarterly(cadence="yearly")))
        for key in ("c1", "c2")
    }
    assert len(ids) == 6


def test_run_reaches_everybody_in_four_quarters_when_each_has_a_quarter_of_them() -> None:
    program = a_quarterly(sample={"share": "25%"})
    quarters = [Run.of(program, 8104 + number, GREENWICH) for number in range(4)]
    found = Counter(key for run in quarters for key in turns(run))
    assert found == dict.fromkeys(CUSTOMERS, 1)


def test_same_customers_have_their_turn_for_a_quarter_when_months_rotate_by_quarters() -> None:
    sample = {"share": "25%", "rotate": "quarter"}
    program = a_quarterly(cadence="monthly", delay="0d..28d", sample=sample)
    months = [turns(Run.of(program, 2026 * 12 + month, GREENWICH)) for month in range(4)]
    assert months[0] == months[1] == months[2] != months[3]


def test_customer_is_sampled_whenever_it_is_their_turn_in_the_run() -> None:
    program = a_quarterly(sample={"share": "25%"})
    for zone, now in ((GREENWICH, APRIL), (BERLIN, APRIL - HOUR)):
        run = Run.current(program, now, zone)
        for key in turns(run)[:50]:
            touchpoint = run.touchpoint(key)
            assert program.includes(key, touchpoint.occurred_at, zone)


def planned(run: Run, customer_id: str, now: datetime) -> datetime:
    state = a_state(customer=a_customer(customer_id))
    listening = a_program(
        "relationship",
        touchpoint=run.program.touchpoint,
        type="relational",
        delay="0d..80d",
        send_hours=OFFICE,
        expires_after="30d",
    )
    return decision_of(listening, run.touchpoint(customer_id), state=state, now=now).send_at


def test_customers_are_decided_on_before_their_time_when_weekends_are_in_between() -> None:
    run = current(a_quarterly(send_hours=OFFICE))
    ranked = sorted(CUSTOMERS, key=lambda key: run.arc.along(bucket_of(key)) or 0)
    times = [planned(run, key, run.starts_at) for key in ranked]
    assert times == sorted(times)
    for key, at in zip(ranked, times, strict=True):
        assert run.target(at) > (run.arc.along(bucket_of(key)) or 0)


def test_drip_is_even_when_a_run_goes_through_its_customers() -> None:
    run = current(a_quarterly(send_hours=OFFICE))
    days = Counter(planned(run, key, run.starts_at).date() for key in CUSTOMERS)
    assert len(days) > 55
    assert {day.weekday() for day in days} == set(range(5))
    assert max(days.values()) < 2 * len(CUSTOMERS) / len(days)


def test_everybody_comes_in_what_is_left_when_a_program_begins_in_the_middle() -> None:
    middle = APRIL + 40 * DAY
    run = current().begun(middle)
    times = [planned_share(run, key) for key in CUSTOMERS]
    assert min(times) >= 0.5
    assert max(times) < 1
    assert abs(sum(time < 0.75 for time in times) - 1000) < 100
    assert run.target(middle - AHEAD) == 0
    assert run.target(run.starts_at + 80 * DAY - AHEAD) == run.arc.width


def test_program_begins_with_the_next_period_when_the_time_of_this_one_is_over() -> None:
    for width, now in (("0d..80d", APRIL + 80 * DAY), ("10d", APRIL + 10 * DAY)):
        run = current(a_quarterly(delay=width)).begun(now)
        assert run == Run.of(run.program, current().period + 1, GREENWICH)
        assert run.target(run.starts_at - timedelta(microseconds=1)) == 0


def planned_share(run: Run, customer_id: str) -> float:
    share = run.touchpoint(customer_id).share
    assert share is not None
    return share
