from datetime import datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heardback.contracts.payloads import PermittedHours
from heardback.hours import (
    ALWAYS,
    Hours,
    Span,
    at_fraction,
    hours_of,
    is_permitted,
    next_permitted,
    parse_span,
    permits_anything,
    permitted_hours,
)
from heardback.vocabulary import Channel

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
GREENWICH = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
TUESDAY, FRIDAY = 1, 4
WORKDAYS = frozenset(range(5))
EVERY_DAY = frozenset(range(7))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def within(*spans: str, days: frozenset[int] | set[int] = EVERY_DAY) -> Hours:
    return Hours(
        spans=tuple(parse_span(*span.split("-")) for span in spans), weekdays=frozenset(days)
    )


@pytest.mark.parametrize(
    ("opens", "closes", "span"),
    [
        ("09:00", "18:30", Span(opens=time(9), closes=time(18, 30))),
        ("21:00", "08:00", Span(opens=time(21), closes=time(8))),
        ("09:00", "24:00", Span(opens=time(9), closes=time(0))),
        ("00:00", "23:59", Span(opens=time(0), closes=time(23, 59))),
    ],
)
def test_a_span_is_read_when_it_is_two_times_of_day(opens: str, closes: str, span: Span) -> None:
    assert parse_span(opens, closes) == span


@pytest.mark.parametrize("text", ["", "9", "9:00", "09:60", "25:00", "09:00:00", "9 am", "٠٩:٠٠"])
def test_a_span_is_refused_with_an_example_when_an_end_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day; write one such as"):
        parse_span(text, "18:00")
    with pytest.raises(ValueError, match="is not a time of day; write one such as"):
        parse_span("07:00", text)


def test_a_span_is_refused_with_an_example_when_yaml_made_a_number_of_a_time() -> None:
    with pytest.raises(ValueError, match='540 is not a time of day; write one such as "09:00"'):
        parse_span(540, "18:00")  # type: ignore[arg-type]  # what an unquoted 9:00 becomes


def test_a_span_is_refused_when_it_opens_at_24_00() -> None:
    with pytest.raises(ValueError, match='to open at midnight write "00:00"'):
        parse_span("24:00", "08:00")


@pytest.mark.parametrize(("opens", "closes"), [("09:00", "09:00"), ("00:00", "24:00")])
def test_a_span_is_refused_when_it_closes_as_it_opens(opens: str, closes: str) -> None:
    with pytest.raises(ValueError, match="leave both out to mean the whole day"):
        parse_span(opens, closes)


def test_quiet_hours_turn_into_the_rest_of_the_day_when_inverted() -> None:
    assert parse_span("21:00", "08:00").inverse() == parse_span("08:00", "21:00")
    assert parse_span("00:00", "08:00").inverse() == parse_span("08:00", "24:00")


@pytest.mark.parametrize(
    ("hours", "anything"),
    [
        (ALWAYS, True),
        (Hours(weekdays=frozenset()), False),
        (within("09:00-18:00"), True),
        (within("09:00-18:00", "18:00-09:00"), False),
        (within("09:00-18:00", "17:59-09:00"), True),
        (within("22:00-02:00", "02:00-21:00"), False),
        (within("22:00-02:00", "23:00-01:00", "00:00-00:30"), True),
        (within("09:00-12:00", "11:00-14:00", "13:00-10:00"), False),
    ],
)
def test_hours_permit_something_when_their_spans_share_a_time(hours: Hours, anything: bool) -> None:
    assert permits_anything(hours) is anything
    at = utc("2025-06-02T00:00")
    assert (next_permitted(at, hours, BERLIN) is not None) is anything
    window = at_fraction(0.5, start=at, end=at + 7 * DAY, hours=hours, zone=BERLIN)
    assert (window is not None) is anything


@pytest.mark.parametrize(
    ("hours", "at", "permitted"),
    [
        (within("09:00-18:00"), "2025-06-02T06:59:59.999999", False),
        (within("09:00-18:00"), "2025-06-02T07:00", True),
        (within("09:00-18:00"), "2025-06-02T15:59:59.999999", True),
        (within("09:00-18:00"), "2025-06-02T16:00", False),
        (within("09:00-18:00"), "2025-01-06T07:59", False),
        (within("09:00-18:00"), "2025-01-06T08:00", True),
        (within("22:00-02:00"), "2025-06-02T19:59", False),
        (within("22:00-02:00"), "2025-06-02T20:00", True),
        (within("22:00-02:00"), "2025-06-02T22:00", True),
        (within("22:00-02:00"), "2025-06-02T23:59:59", True),
        (within("22:00-02:00"), "2025-06-03T00:00", False),
        (within("22:00-24:00"), "2025-06-02T21:59:59", True),
        (within("22:00-24:00"), "2025-06-02T22:00", False),
        (within(days=WORKDAYS), "2025-06-06T21:59:59", True),
        (within(days=WORKDAYS), "2025-06-06T22:00", False),
        (within(days=WORKDAYS), "2025-06-08T21:59:59", False),
        (within(days=WORKDAYS), "2025-06-08T22:00", True),
        (within("22:00-02:00", days={FRIDAY}), "2025-06-05T22:30", True),
        (within("22:00-02:00", days={FRIDAY}), "2025-06-06T20:30", True),
        (within("22:00-02:00", days={FRIDAY}), "2025-06-06T22:30", False),
    ],
)
def test_an_instant_is_permitted_when_the_clock_in_the_zone_says_so(
    hours: Hours, at: str, permitted: bool
) -> None:
    assert is_permitted(utc(at), hours, BERLIN) is permitted


@pytest.mark.parametrize(
    ("hours", "at", "expected"),
    [
        (ALWAYS, "2025-06-02T03:00", "2025-06-02T03:00"),
        (within("09:00-18:00"), "2025-06-02T03:00", "2025-06-02T07:00"),
        (within("09:00-18:00"), "2025-06-02T07:00", "2025-06-02T07:00"),
        (within("09:00-18:00"), "2025-06-02T11:11:11", "2025-06-02T11:11:11"),
        (within("09:00-18:00"), "2025-06-02T16:00", "2025-06-03T07:00"),
        (within("09:00-18:00", days=WORKDAYS), "2025-06-06T16:00", "2025-06-09T07:00"),
        (within("09:00-18:00", days={TUESDAY}), "2025-06-03T16:00", "2025-06-10T07:00"),
        (within("08:00-21:00", "09:00-24:00"), "2025-06-02T03:00", "2025-06-02T07:00"),
        (within("08:00-21:00", "09:00-24:00"), "2025-06-02T19:00", "2025-06-03T07:00"),
        (within("22:00-02:00"), "2025-06-02T00:00", "2025-06-02T20:00"),
        (within("09:00-18:00"), "0001-01-01T00:00", "0001-01-01T08:06:32"),
    ],
)
def test_the_next_permitted_time_is_the_opening_when_it_is_closed(
    hours: Hours, at: str, expected: str
) -> None:
    assert next_permitted(utc(at), hours, BERLIN) == utc(expected)


@pytest.mark.parametrize(
    ("hours", "fraction", "expected"),
    [
        (within("09:00-18:00"), 0.5, "2025-06-02T07:30"),
        (within("09:00-09:20"), 0.5, "2025-06-02T07:10"),
        (within("09:00-18:00", "09:20-09:10"), 0.5, "2025-06-02T07:35"),
        (within("09:00-18:00"), 1 - 2**-53, "2025-06-02T07:59:59.999999"),
        (within("23:30-01:00"), 0.75, "2025-06-02T22:15"),
    ],
)
def test_an_opening_is_spread_over_an_hour_when_it_is_closed(
    hours: Hours, fraction: float, expected: str
) -> None:
    assert next_permitted(utc("2025-06-02T03:00"), hours, BERLIN, fraction=fraction) == utc(
        expected
    )


def test_nothing_is_moved_when_it_is_open() -> None:
    at = utc("2025-06-02T07:00")
    assert next_permitted(at, within("09:00-18:00"), BERLIN, fraction=0.9) == at


@pytest.mark.parametrize(
    ("fraction", "end", "expected"),
    [
        (0.0, "2025-06-04T00:00", "2025-06-02T07:00"),
        (0.25, "2025-06-04T00:00", "2025-06-02T11:30"),
        (0.5, "2025-06-04T00:00", "2025-06-03T07:00"),
        (1 - 2**-53, "2025-06-04T00:00", "2025-06-03T15:59:59.999999"),
        (1.0, "2025-06-04T00:00", "2025-06-03T15:59:59.999999"),
        (0.5, "2025-06-02T08:00", "2025-06-02T07:30"),
        (0.5, "2025-06-02T07:00", "2025-06-02T07:00"),
    ],
)
def test_a_fraction_is_of_the_permitted_time_when_a_window_holds_some(
    fraction: float, end: str, expected: str
) -> None:
    hours, start = within("09:00-18:00"), utc("2025-06-02T00:00")
    at = at_fraction(fraction, start=start, end=utc(end), hours=hours, zone=BERLIN)
    assert at == utc(expected)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2025-06-02T16:00", "2025-06-03T06:59:59"),
        ("2025-06-06T16:00", "2025-06-09T06:59"),
        ("2025-06-02T16:00", "2025-06-02T16:00"),
        ("2025-06-02T12:00", "2025-06-02T11:00"),
        ("2025-06-03T12:00", "2025-04-02T11:00"),
    ],
)
def test_there_is_no_fraction_when_a_window_holds_no_permitted_time(start: str, end: str) -> None:
    hours = within("09:00-18:00", days=WORKDAYS)
    assert at_fraction(0.5, start=utc(start), end=utc(end), hours=hours, zone=BERLIN) is None


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1 - 2**-53])
def test_a_fraction_is_the_start_when_a_window_has_no_width(fraction: float) -> None:
    at = utc("2025-06-02T11:11:11.111111")
    for hours in (ALWAYS, within("09:00-18:00")):
        assert at_fraction(fraction, start=at, end=at, hours=hours, zone=BERLIN) == at


def test_a_fraction_is_of_the_whole_window_when_every_time_is_permitted() -> None:
    start = utc("2025-06-02T00:00")
    in_window = partial(at_fraction, 0.25, start=start, hours=ALWAYS, zone=BERLIN)
    assert in_window(end=start + 8 * DAY) == start + 2 * DAY
    assert in_window(end=start - SECOND) is None


def test_a_message_says_the_hours_of_each_channel_that_has_some() -> None:
    quiet = Span(opens=time(8), closes=time(0))
    workdays = Hours(spans=(quiet, Span(opens=time(9), closes=time(18))), weekdays=WORKDAYS)

    said = permitted_hours({Channel.EMAIL: workdays, Channel.IN_APP: ALWAYS}, BERLIN)

    assert said.model_dump(mode="json") == {
        "timezone": "Europe/Berlin",
        "channels": {
            "email": {
                "spans": [["08:00", "00:00"], ["09:00", "18:00"]],
                "weekdays": [0, 1, 2, 3, 4],
            }
        },
    }
    assert hours_of(said, Channel.EMAIL) == (workdays, BERLIN)
    assert hours_of(said.model_dump(mode="json"), Channel.EMAIL) == (workdays, BERLIN)
    assert hours_of(said, Channel.IN_APP) == (ALWAYS, BERLIN)


HOURS = st.builds(
    Hours,
    spans=st.lists(
        st.sampled_from([parse_span("22:00", "24:00"), parse_span("09:30", "17:00")]), max_size=2
    ).map(tuple),
    weekdays=st.frozensets(st.integers(0, 6)),
)


@given(st.dictionaries(st.sampled_from(list(Channel)), HOURS))
def test_hours_come_back_as_they_were_when_a_message_has_carried_them(
    hours: dict[Channel, Hours],
) -> None:
    said = PermittedHours.model_validate_json(permitted_hours(hours, BERLIN).model_dump_json())

    for channel in Channel:
        assert hours_of(said, channel) == (hours.get(channel, ALWAYS), BERLIN)


def test_it_is_always_permitted_when_a_message_says_no_hours() -> None:
    assert hours_of(None, Channel.SMS) == (ALWAYS, GREENWICH)


def test_the_clock_is_that_of_greenwich_when_a_message_names_no_such_zone() -> None:
    assert hours_of({"timezone": "Mars/Olympus"}, Channel.SMS) == (ALWAYS, GREENWICH)


def test_a_message_is_refused_when_one_of_its_spans_is_none() -> None:
    daily = {"spans": [["09:00", "09:00"]]}

    with pytest.raises(ValueError, match="same time"):
        hours_of({"timezone": "UTC", "channels": {"sms": daily}}, Channel.SMS)
