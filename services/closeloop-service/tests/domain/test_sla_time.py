"""The clock of a task: when it runs out, and how much of it is used, with pauses and without."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.errors import BeyondCalendar
from closeloop_service.domain.sla_time import Pause, sla_due, sla_elapsed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOTHING = timedelta(0)
OFFICE = Calendar.from_dict(
    {
        "tz": "Europe/Berlin",
        "week": {
            **{
                day: [["09:00", "12:00"], ["13:00", "17:00"]]
                for day in ("mon", "tue", "wed", "thu")
            },
            "fri": [["09:00", "15:00"]],
        },
        "country": "DE",
    }
)
ALWAYS = Calendar.always_open()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


def monday(begins: str, ends: str | None = None) -> Pause:
    return utc(f"2026-11-23T{begins}"), utc(f"2026-11-23T{ends}") if ends else None


def always_due(*pauses: Pause, ceiling: timedelta | None = None) -> datetime | None:
    """When four hours from ten o'clock are over, if all time counts."""
    return sla_due(ALWAYS, utc("2026-11-23T10:00"), 4 * HOUR, pauses, ceiling=ceiling)


def test_alert_on_friday_afternoon_is_due_on_monday() -> None:
    due_at = sla_due(OFFICE, berlin("2026-11-20T14:45"), 4 * HOUR)
    assert due_at == berlin("2026-11-23T13:45")
    assert due_at.tzinfo is UTC


@pytest.mark.parametrize(
    ("pauses", "due"),
    [
        ([], "14:00"),
        ([monday("11:00", "12:30")], "15:30"),
        # in no order, and over each other
        ([monday("12:00", "13:00"), monday("11:00", "12:30")], "16:00"),
        ([monday("11:00", "13:00"), monday("11:30", "12:00")], "16:00"),
        # partly, and wholly, before the start
        ([monday("08:00", "10:30")], "14:30"),
        ([monday("08:00", "10:00")], "14:00"),
        # not before it ran out
        ([monday("14:00", "18:00")], "14:00"),
        ([monday("14:00")], "14:00"),
        ([monday("13:59:59", "15:59:59")], "16:00"),
        # of no length, or less
        ([monday("11:00", "11:00")], "14:00"),
        ([monday("12:00", "11:00")], "14:00"),
    ],
)
def test_pause_delays_when_it_begins_before_the_clock_ran_out(
    pauses: list[Pause], due: str
) -> None:
    assert always_due(*pauses) == utc(f"2026-11-23T{due}")


def test_due_is_unknown_while_a_pause_is_open() -> None:
    assert always_due(monday("11:00")) is None
    assert always_due(monday("09:00")) is None
    assert always_due(monday("13:59:59")) is None
    known = always_due(monday("11:00", "12:00"), monday("15:00"))
    assert known == utc("2026-11-23T15:00")


def test_pause_outside_of_business_time_changes_nothing() -> None:
    start = berlin("2026-11-20T14:45")
    weekend = berlin("2026-11-20T15:00"), berlin("2026-11-23T09:00")
    assert sla_due(OFFICE, start, 4 * HOUR, [weekend]) == sla_due(OFFICE, start, 4 * HOUR)


def test_pauses_are_told_apart_when_autumn_repeats_their_hour() -> None:
    start = datetime(2025, 10, 26, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    again = start.replace(fold=1)
    assert sla_due(ALWAYS, start, 2 * HOUR, [(start, again)]) == utc("2025-10-26T03:30")
    assert sla_elapsed(ALWAYS, start, again) == HOUR


def test_ceiling_counts_when_it_is_reached_first() -> None:
    start = berlin("2026-11-20T14:45")
    assert sla_due(OFFICE, start, 4 * HOUR, ceiling=DAY) == start + DAY
    assert sla_due(OFFICE, start, 4 * HOUR, ceiling=4 * DAY) == berlin("2026-11-23T13:45")


def test_ceiling_waits_in_pauses_too() -> None:
    one_hour = monday("10:30", "11:30")
    assert always_due(one_hour, ceiling=HOUR) == utc("2026-11-23T12:00")
    assert always_due(monday("10:30"), ceiling=HOUR) is None
    assert always_due(monday("13:00"), ceiling=HOUR) == utc("2026-11-23T11:00")


def test_clock_without_a_target_has_run_out_when_somebody_works() -> None:
    assert sla_due(OFFICE, berlin("2026-11-21T12:00"), NOTHING) == berlin("2026-11-23T09:00")
    at = berlin("2026-11-23T09:30")
    assert sla_due(OFFICE, at, NOTHING) == at


@pytest.mark.parametrize(("target", "ceiling"), [(-MINUTE, None), (MINUTE, -MINUTE)])
def test_less_than_nothing_is_refused(target: timedelta, ceiling: timedelta | None) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        sla_due(ALWAYS, utc("2026-11-23T10:00"), target, ceiling=ceiling)


def test_ceiling_beyond_all_years_is_refused() -> None:
    with pytest.raises(BeyondCalendar):
        always_due(ceiling=timedelta.max)


def test_elapsed_stops_in_a_pause() -> None:
    start = utc("2026-11-23T10:00")

    def elapsed(now: str, *pauses: Pause) -> timedelta:
        return sla_elapsed(ALWAYS, start, utc(now), pauses)

    assert elapsed("2026-11-23T09:00") == NOTHING
    assert elapsed("2026-11-23T09:00", monday("08:00")) == NOTHING
    assert elapsed("2026-11-25T10:00", monday("11:00")) == HOUR
    assert elapsed("2026-11-23T12:00", monday("11:00", "13:00")) == HOUR
    assert elapsed("2026-11-23T14:00", monday("11:00", "13:00")) == 2 * HOUR
    assert elapsed("2026-11-23T10:30", monday("11:00")) == HOUR / 2


def test_times_on_the_wall_are_answered_by_one() -> None:
    naive = Calendar.from_dict({"tz": None, "week": {"mon": [["09:00", "17:00"]]}})
    at = datetime.fromisoformat
    assert sla_due(
        naive,
        at("2026-11-23T16:00"),
        2 * HOUR,
        [(at("2026-11-23T16:30"), at("2026-11-30T09:30"))],
        ceiling=30 * DAY,
    ) == at("2026-11-30T11:00")


CALENDARS = st.sampled_from([OFFICE, ALWAYS, Calendar.always_open("Australia/Lord_Howe")])
START = utc("2025-10-20T00:00")
STARTS = st.timedeltas(NOTHING, 20 * DAY).map(START.__add__)
TARGETS = st.timedeltas(timedelta(microseconds=1), 60 * HOUR)
CLOSED_PAUSES = st.lists(
    st.tuples(st.timedeltas(-5 * DAY, 30 * DAY), st.timedeltas(NOTHING, 5 * DAY)).map(
        lambda pause: (START + pause[0], START + pause[0] + pause[1])
    ),
    max_size=5,
)


@settings(max_examples=300)
@given(CALENDARS, STARTS, TARGETS, CLOSED_PAUSES)
def test_all_of_the_target_is_used_when_it_is_due(
    of: Calendar, start: datetime, target: timedelta, pauses: list[Pause]
) -> None:
    due_at = sla_due(of, start, target, pauses)
    assert due_at is not None
    assert sla_elapsed(of, start, due_at, pauses) == target
    assert sla_elapsed(of, start, due_at - timedelta(microseconds=1), pauses) < target
    assert sla_due(of, start, target, pauses[::-1]) == due_at >= start


@settings(max_examples=300)
@given(CALENDARS, STARTS, TARGETS, CLOSED_PAUSES, st.data())
def test_one_more_pause_delays_by_what_it_covers(
    of: Calendar, start: datetime, target: timedelta, pauses: list[Pause], data: st.DataObject
) -> None:
    before = sla_due(of, start, target, pauses)
    assert before is not None
    begins = data.draw(st.timedeltas(-DAY, before - start).map(start.__add__))
    length = data.draw(st.sampled_from([NOTHING, HOUR, 3 * DAY]))
    paused = [*pauses, (begins, begins + length)]
    after = sla_due(of, start, target, paused)
    assert after is not None
    assert after >= before
    assert sla_elapsed(of, start, after, paused) == target
    if not length or begins == before:
        assert after == before
    elif begins < before:
        assert sla_due(of, start, target, [*pauses, (begins, None)]) is None


def slow_elapsed(
    is_open: Callable[[datetime], bool], start: datetime, now: datetime, pauses: list[Pause]
) -> timedelta:
    """The definition, minute by minute."""
    minutes = (start + MINUTE * n for n in range((now - start) // MINUTE))
    running = (
        at
        for at in minutes
        if is_open(at) and not any(a <= at and (b is None or at < b) for a, b in pauses)
    )
    return MINUTE * sum(1 for _ in running)


WHOLE = st.integers(0, 4 * 1440).map(lambda minutes: START + MINUTE * minutes)


@settings(max_examples=60)
@given(CALENDARS, WHOLE, WHOLE, st.lists(st.tuples(WHOLE, st.one_of(st.none(), WHOLE)), max_size=4))
def test_elapsed_agrees_with_counting_minutes(
    of: Calendar, start: datetime, now: datetime, pauses: list[Pause]
) -> None:
    assert sla_elapsed(of, start, now, pauses) == slow_elapsed(of.is_open, start, now, pauses)
