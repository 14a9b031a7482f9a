"""When a working day begins and ends, and what is said then."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.digest import Reader, Waiting, end_of_day, next_start, text_of

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
ALL = (*WEEKDAYS, "sat", "sun")


def a_calendar(*spans: str, tz: str = "UTC", days: Any = WEEKDAYS, **fields: Any) -> Calendar:
    week = {day: [span.split("-") for span in spans] for day in days}
    return Calendar.from_dict({"tz": tz, "week": week, **fields})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("calendar", "after", "start"),
    [
        (a_calendar("09:00-17:00"), "2026-03-02 08:59", "2026-03-02 09:00"),
        (a_calendar("09:00-17:00"), "2026-03-02 09:00", "2026-03-03 09:00"),
        (a_calendar("09:00-17:00"), "2026-03-06 12:00", "2026-03-09 09:00"),
        # Split shifts are one day; it begins with the first.
        (a_calendar("08:00-12:00", "13:00-17:00"), "2026-03-02 12:30", "2026-03-03 08:00"),
        # A holiday, and a day of other hours.
        (
            a_calendar("09:00-17:00", holidays=[date(2026, 3, 3)]),
            "2026-03-02 10:00",
            "2026-03-04 09:00",
        ),
        (
            a_calendar("09:00-17:00", breaks={date(2026, 3, 3): [["09:00", "11:00"]]}),
            "2026-03-02 10:00",
            "2026-03-03 11:00",
        ),
        # The clock goes forward in Berlin on Sunday the 29th, and back on October 25th.
        (a_calendar("09:00-17:00", tz="Europe/Berlin"), "2026-03-27 10:00", "2026-03-30 07:00"),
        (a_calendar("09:00-17:00", tz="Europe/Berlin"), "2026-10-23 10:00", "2026-10-26 08:00"),
        # At two, an hour that the day does not have, or has twice.
        (
            a_calendar("02:30-10:00", tz="Europe/Berlin", days=ALL),
            "2026-03-28 12:00",
            "2026-03-29 01:00",
        ),
        (
            a_calendar("02:30-10:00", tz="Europe/Berlin", days=ALL),
            "2026-10-24 12:00",
            "2026-10-25 00:30",
        ),
        # A night shift goes past midnight, and begins one day.
        (
            a_calendar("22:00-24:00", "00:00-06:00", days=ALL),
            "2026-03-02 22:00",
            "2026-03-03 22:00",
        ),
        # Around the clock: at nine.
        (Calendar.always_open(), "2026-03-02 08:00", "2026-03-02 09:00"),
        (Calendar.always_open("Asia/Kolkata"), "2026-03-02 08:00", "2026-03-03 03:30"),
    ],
)
def test_working_day_begins_with_its_first_opening(
    calendar: Calendar, after: str, start: str
) -> None:
    assert next_start(calendar, at(after)) == at(start)


def test_day_never_begins_when_the_calendar_never_opens() -> None:
    assert next_start(Calendar.from_dict({"tz": "UTC", "week": {}}), at("2026-03-02 09:00")) is None


@given(
    st.integers(0, 10 * 365 * 24 * 60),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.lists(st.integers(0, 47), min_size=2, max_size=6, unique=True),
)
def test_starts_are_once_a_day_and_open(minute: int, tz: str, halves: list[int]) -> None:
    halves = sorted(halves)[: len(halves) // 2 * 2]
    times = [f"{half // 2:02}:{half % 2 * 30:02}" for half in halves]
    calendar = a_calendar(
        *(f"{a}-{b}" for a, b in zip(times[::2], times[1::2], strict=True)), tz=tz
    )
    now, days = at("2020-01-01 00:00") + timedelta(minutes=minute), set()
    for _ in range(8):
        start = next_start(calendar, now)
        assert start is not None and start > now
        assert calendar.is_open(start)
        assert not calendar.is_open(start - timedelta(microseconds=1))
        local = start.astimezone(ZoneInfo(tz)).date()
        assert local not in days
        days.add(local)
        now = start


def test_day_ends_at_midnight_where_they_work() -> None:
    berlin = a_calendar("09:00-17:00", tz="Europe/Berlin")
    assert end_of_day(berlin, at("2026-03-29 00:30")) == at("2026-03-29 22:00")


def test_nothing_is_said_when_there_is_nothing_to_say() -> None:
    reader = Reader(
        key="owner/Ana",
        target_id="t",
        calendar=Calendar.always_open(),
        owner="Ana",
        teams=("care",),
    )
    assert text_of(reader, Waiting(late=0, due_today=0, on_customer=0, unowned=0)) is None
    said = text_of(reader, Waiting(late=0, due_today=0, on_customer=2, unowned=0))
    assert said is not None and said.title == "Ana, your day: nothing is due"
