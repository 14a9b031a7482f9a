"""Business time: the cases of other libraries, the edges, and what a calendar may look like."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from closeloop_service.domain.business_time import Calendar, _block
from closeloop_service.domain.errors import (
    BeyondCalendar,
    CalendarHasNoZone,
    CalendarInvalid,
    CalendarNeverOpens,
)

CASES = json.loads(Path(__file__).with_name("business_hours_cases.json").read_text())["cases"]
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NINE_TO_FIVE = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
BERLIN = {"tz": "Europe/Berlin", "week": NINE_TO_FIVE}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(week: dict[str, Any] = NINE_TO_FIVE, tz: str | None = "UTC", **more: Any) -> Calendar:
    return Calendar.from_dict({"tz": tz, "week": week, **more})


def answer(case: dict[str, Any]) -> Any:
    of = Calendar.from_dict(case)
    start = datetime.fromisoformat(case["start"])
    if case["op"] == "add":
        direction = case.get("direction", "forward")
        return of.add(start, timedelta(seconds=case["seconds"]), direction=direction)
    if case["op"] == "between":
        passed = of.between(start, datetime.fromisoformat(case["end"]))
        # One of the libraries says 0 where the others, and this one, say less than nothing.
        if "gives 0 in biz" in case.get("note", ""):
            assert passed == timedelta(seconds=-142200)
            passed = max(passed, timedelta(0))
        return passed
    if case["op"] == "open_at":
        return of.is_open(start)
    return list(islice(of.periods(start), case["take"]))


def expected(case: dict[str, Any]) -> Any:
    value = case["expected"]
    if case["op"] == "add":
        return datetime.fromisoformat(value)
    if case["op"] == "between":
        return timedelta(seconds=value)
    if case["op"] == "open_at":
        return value
    return [tuple(map(datetime.fromisoformat, period)) for period in value]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_reference_case_holds(case: dict[str, Any]) -> None:
    assert answer(case) == expected(case)


def test_all_reference_cases_are_there() -> None:
    assert len(CASES) == len({case["id"] for case in CASES}) == 82


@pytest.mark.parametrize(
    ("tz", "opens", "closes", "on", "hours"),
    [
        ("Europe/Berlin", "00:00", "24:00", "2025-03-30", 23),
        ("Europe/Berlin", "00:00", "24:00", "2025-10-26", 25),
        ("America/New_York", "01:00", "04:00", "2025-03-09", 2),
        ("America/New_York", "01:00", "04:00", "2025-11-02", 4),
        ("Australia/Lord_Howe", "00:00", "24:00", "2025-04-06", 24.5),
        ("Australia/Lord_Howe", "00:00", "24:00", "2025-10-05", 23.5),
        ("Pacific/Apia", "00:00", "24:00", "2011-12-31", 24),
        ("Africa/Cairo", "00:00", "24:00", "2025-10-30", 25),
        ("America/Santiago", "00:00", "24:00", "2025-09-07", 23),
    ],
)
def test_shift_is_as_long_as_it_really_is_when_the_clock_changes(
    tz: str, opens: str, closes: str, on: str, hours: float
) -> None:
    day = date.fromisoformat(on)
    shifts = calendar({f"{day:%a}".lower(): [[opens, closes]]}, tz)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(tz))
    begins, ends = next(shifts.periods(noon.astimezone(UTC) - DAY))
    assert f"{begins.astimezone(ZoneInfo(tz)):%F %R}" >= f"{on} {opens}"
    assert ends - begins == shifts.between(begins, ends) == timedelta(hours=hours)
    assert shifts.add(begins, timedelta(hours=hours)) == ends


def test_skipped_day_has_no_time_when_a_zone_leaps_over_it() -> None:
    shifts = calendar({"fri": [["09:00", "17:00"]]}, "Pacific/Apia")
    # Samoa had no Friday the 30th of December 2011.
    assert shifts.next_open(utc("2011-12-24T12:00")) == utc("2012-01-05T19:00")


def test_hour_counts_twice_when_autumn_repeats_it() -> None:
    night = calendar({"sun": [["02:15", "02:45"]]}, "Europe/Berlin")
    periods = list(islice(night.periods(utc("2025-10-25T12:00")), 2))
    assert [f"{opens:%H:%M}-{closes:%H:%M}" for opens, closes in periods] == [
        "00:15-00:45",
        "01:15-01:45",
    ]


def test_leap_day_counts_when_there_is_one() -> None:
    week = timedelta(hours=40)
    assert calendar().between(utc("2024-02-26"), utc("2024-03-04")) == week
    assert calendar().add(utc("2024-02-28T16:00"), 2 * HOUR) == utc("2024-02-29T10:00")
    assert calendar().add(utc("2023-02-28T16:00"), 2 * HOUR) == utc("2023-03-01T10:00")
    leap_day_off = calendar(holidays=["2024-02-29"])
    assert leap_day_off.add(utc("2024-02-28T16:00"), 2 * HOUR) == utc("2024-03-01T10:00")


def test_opening_is_open_and_closing_is_not() -> None:
    assert calendar().is_open(utc("2026-11-23T09:00"))
    assert not calendar().is_open(utc("2026-11-23T08:59:59.999999"))
    assert calendar().is_open(utc("2026-11-23T16:59:59.999999"))
    assert not calendar().is_open(utc("2026-11-23T17:00"))
    assert calendar().next_open(utc("2026-11-23T17:00")) == utc("2026-11-24T09:00")
    assert calendar().next_open(utc("2026-11-23T12:00")) == utc("2026-11-23T12:00")


def test_nothing_leads_back_to_the_last_closing_when_asked_to() -> None:
    def back(at: str) -> datetime:
        return calendar().add(utc(at), timedelta(0), direction="back")

    assert back("2026-11-23T08:00") == utc("2026-11-20T17:00")
    assert back("2026-11-20T17:00") == utc("2026-11-20T17:00")
    assert back("2026-11-20T17:30") == utc("2026-11-20T17:00")
    assert back("2026-11-23T09:00") == utc("2026-11-23T09:00")


def test_spans_are_joined_when_they_overlap_or_touch() -> None:
    messy = calendar({"mon": [["13:00", "17:00"], ["09:00", "12:00"], ["11:00", "13:00"]]})
    assert messy == calendar({"mon": [["09:00", "17:00"]], "tue": [], "wed": None})
    assert hash(messy) == hash(calendar({"mon": [["09:00", "17:00"]]}))


@pytest.mark.parametrize("tz", ["Europe/Berlin", "UTC"])
def test_periods_end_at_midnight_and_nowhere_else(tz: str) -> None:
    zone = ZoneInfo(tz)
    midnight = datetime(2025, 2, 1, tzinfo=zone)
    # Long enough to go past where what is kept of the calendar is cut, and past clock changes.
    expected = [(midnight + n * DAY, midnight + (n + 1) * DAY) for n in range(1000)]
    periods = Calendar.always_open(tz).periods(midnight)
    assert list(islice(periods, 1000)) == expected


def test_country_is_closed_on_its_public_holidays() -> None:
    bavaria = Calendar.from_dict({**BERLIN, "country": "DE", "subdivision": "BY"})
    berlin = Calendar.from_dict({**BERLIN, "country": "DE"})
    epiphany = utc("2026-01-06T12:00")
    assert berlin.is_open(epiphany)
    assert not bavaria.is_open(epiphany)
    assert not berlin.is_open(utc("2026-12-25T12:00"))


@pytest.mark.parametrize("moved", ["2021-12-31", "2023-01-02"])
def test_holiday_is_kept_when_it_is_moved_across_the_new_year(moved: str) -> None:
    assert not calendar(country="US").is_open(utc(f"{moved}T12:00"))


def test_dates_may_be_dates() -> None:
    off = date(2026, 12, 23)
    assert calendar(holidays=[off]) == calendar(holidays=["2026-12-23"])
    assert calendar(breaks={off: [["12:00", "24:00"]]}) == calendar(
        breaks={"2026-12-23": [["12:00", "17:00"]]}
    )


def test_answer_is_in_the_kind_of_the_question() -> None:
    berlin = Calendar.from_dict(BERLIN)
    asked = datetime(2026, 7, 1, 16, 30, tzinfo=ZoneInfo("America/New_York"))
    assert berlin.add(asked, HOUR).tzinfo is UTC
    on_the_wall = datetime.fromisoformat("2026-07-01T16:30")
    assert berlin.add(on_the_wall, HOUR) == datetime.fromisoformat("2026-07-02T09:30")
    with pytest.raises(CalendarHasNoZone):
        calendar(tz=None).is_open(utc("2026-07-01T12:00"))


SUNDAYS = [str(date(2020, 1, 5) + 7 * DAY * week) for week in range(52 * 60)]


@pytest.mark.parametrize(
    "closed",
    [calendar({}), calendar({"sun": [["09:00", "10:00"]]}, holidays=SUNDAYS)],
    ids=["no hours", "sixty years of holidays"],
)
def test_search_ends_when_the_calendar_never_opens(closed: Calendar) -> None:
    at = utc("2021-01-01T12:00")
    for duration in (timedelta(0), HOUR):
        with pytest.raises(CalendarNeverOpens):
            closed.add(at, duration)
    assert closed.next_open(at) is None
    assert list(closed.periods(at)) == []
    assert closed.between(at, at + 10 * DAY) == timedelta(0)
    assert not closed.is_open(at)


def test_time_before_the_last_closing_is_found_when_it_never_opens_again() -> None:
    closed = calendar({"sun": [["09:00", "10:00"]]}, holidays=SUNDAYS)
    assert closed.add(utc("2021-01-01"), -HOUR) == utc("2019-12-29T09:00")


def test_years_that_no_datetime_has_are_refused() -> None:
    late, early = utc("9999-12-30T12:00"), utc("0001-01-02T12:00")
    for start, duration in [(late, 100 * HOUR), (early, -100 * HOUR), (late, timedelta.max)]:
        with pytest.raises(BeyondCalendar):
            calendar().add(start, duration)
    tokyo = Calendar.from_dict({"tz": "Asia/Tokyo", "week": NINE_TO_FIVE, "country": "JP"})
    assert len(list(tokyo.periods(late))) == 1
    assert calendar().next_open(utc("9999-12-31T18:00")) is None


def test_cost_is_flat_when_the_span_grows() -> None:
    of, start = calendar(country="FR"), utc("2026-11-20T12:00")
    of.add(start, timedelta(hours=40 * 530))

    def blocks_asked_for(duration: timedelta) -> int:
        before = _block.cache_info()
        assert of.between(start, of.add(start, duration)) == duration
        after = _block.cache_info()
        assert after.misses == before.misses
        return after.hits - before.hits

    assert blocks_asked_for(HOUR) == blocks_asked_for(40 * HOUR) <= 5
    # One step for every 400 days.
    assert blocks_asked_for(timedelta(hours=40 * 520)) <= 5 + 2 * 10


def faults(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(CalendarInvalid) as refused:
        Calendar.from_dict(document)
    assert refused.value.attributes["errors"] == [
        {"field": path, "message": message} for path, message in refused.value.faults
    ]
    return dict(refused.value.faults)


@pytest.mark.parametrize(
    ("wrong", "path", "advice"),
    [
        ({"tz": "Berlin"}, "tz", '"Europe/Berlin"'),
        ({"tz": 1}, "tz", '"Europe/Berlin"'),
        ({"week": None}, "week", '"mon"'),
        ({"week": {"monday": []}}, "week.monday", "mon, tue"),
        ({"week": {"mon": "09:00-17:00"}}, "week.mon", '[["09:00", "17:00"]]'),
        ({"week": {"mon": ["09:00-17:00"]}}, "week.mon.0", '["09:00", "17:00"]'),
        ({"week": {"mon": [["9:00", "17:00"]]}}, "week.mon.0.0", '"09:00"'),
        ({"week": {"mon": [["24:00", "24:00"]]}}, "week.mon.0.0", '"09:00"'),
        ({"week": {"mon": [["22:00", "06:00"]]}}, "week.mon.0", "24:00"),
        ({"week": {"mon": [["09:00", "09:00"]]}}, "week.mon.0", "24:00"),
        ({"holidays": "2026-12-24"}, "holidays", "list"),
        ({"holidays": ["24.12.2026"]}, "holidays.0", '"2026-12-24"'),
        ({"holidays": [utc("2026-12-24")]}, "holidays.0", '"2026-12-24"'),
        ({"breaks": ["x"]}, "breaks", "dates"),
        ({"breaks": {"2026-02-29": []}}, "breaks.2026-02-29", '"2026-12-24"'),
        ({"breaks": {"2026-02-28": [["1", "24:00"]]}}, "breaks.2026-02-28.0.0", '"09:00"'),
        ({"country": "Germany"}, "country", '"DE"'),
        ({"country": ["DE"]}, "country", '"DE"'),
        ({"subdivision": "BY"}, "subdivision", "country"),
        ({"country": "DE", "subdivision": "XX"}, "subdivision", "BY"),
        ({"holiday": []}, "holiday", "`holidays`"),
    ],
)
def test_calendar_is_refused_with_advice(wrong: dict[str, Any], path: str, advice: str) -> None:
    found = faults({**BERLIN, **wrong})
    assert list(found) == [path]
    assert advice in found[path]


def test_everything_wrong_is_named_at_once() -> None:
    week = {"mon": [["9", "17:00"]], "tue": [["09:00", "25:00"]]}
    found = faults({"tz": "Mars", "week": week, "holidays": ["x"]})
    assert list(found) == ["tz", "week.mon.0.0", "week.tue.0.1", "holidays.0"]
