"""When a customer is asked: delays, lateness, expiry, permitted hours, and deferring."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from heardback.testing.clock import START
from trigger_service.domain.reason import Reason

from .domain_builders import (
    DAY,
    HOUR,
    OFFICE,
    SECOND,
    a_customer,
    a_governance,
    a_program,
    a_slot,
    a_state,
    a_touchpoint,
    decision_of,
)

EAST, WEST = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
NIGHT = {"from": "21:00", "to": "08:00"}
FRIDAY_EVENING = datetime(2026, 3, 6, 19, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("ago", "delay", "send_at", "against"),
    [
        # In time.
        (timedelta(0), "0d", START, []),
        (timedelta(0), "1d", START + DAY, []),
        (DAY, "1d", START, []),
        (DAY - SECOND, "1d", START + SECOND, []),
        # Late: at once, for as long as it makes sense.
        (DAY + SECOND, "1d", START, []),
        (15 * DAY - SECOND, "1d", START, []),
        (15 * DAY, "1d", START, [Reason.STALE]),
        (15 * DAY + SECOND, "1d", START, [Reason.STALE]),
    ],
)
def test_time_to_ask_is_planned_or_now_when_the_plan_is_over(
    ago: timedelta, delay: str, send_at: datetime, against: list[Reason]
) -> None:
    decided = decision_of(a_program(delay=delay), a_touchpoint(occurred_at=START - ago))
    assert (decided.send_at, list(decided.against)) == (send_at, against)


@pytest.mark.parametrize(
    ("occurred_at", "against"),
    [
        (datetime.min.replace(tzinfo=UTC), [Reason.STALE]),
        (datetime.min.replace(tzinfo=EAST), [Reason.STALE]),
        (datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam")), [Reason.STALE]),
        (START - 40 * 365 * DAY, [Reason.STALE]),
        (datetime(9999, 1, 1, tzinfo=UTC), [Reason.IN_FUTURE]),
        (datetime.max.replace(tzinfo=UTC), [Reason.IN_FUTURE]),
        (datetime.max.replace(tzinfo=WEST), [Reason.IN_FUTURE]),
    ],
)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"delay": "3650d", "expires_after": "3650d"},
        {"delay": "0d..3650d", "send_hours": OFFICE},
    ],
)
def test_touchpoint_is_refused_when_its_date_cannot_be(
    occurred_at: datetime, against: list[Reason], fields: dict[str, Any]
) -> None:
    decided = decision_of(a_program(**fields), a_touchpoint(occurred_at=occurred_at))
    assert list(decided.against) == against


def test_times_are_utc_when_the_event_s_are_not() -> None:
    occurred_at = START.astimezone(BERLIN)
    decided = decision_of(a_program(delay="1d..3d"), a_touchpoint(occurred_at=occurred_at))
    assert (decided.send_at.tzinfo, decided.expires_at.tzinfo) == (UTC, UTC)


def test_late_touchpoints_share_what_is_left_when_their_window_has_begun() -> None:
    program = a_program(delay="0d..10d")
    times = [
        decision_of(program, a_touchpoint(str(number), occurred_at=START - 9 * DAY)).send_at
        for number in range(1000)
    ]
    assert min(times) >= START
    assert max(times) < START + DAY
    by_part = Counter((at - START) // (6 * HOUR) for at in times)
    assert by_part.keys() == {0, 1, 2, 3}
    assert max(by_part.values()) < 320


def test_customer_is_asked_in_the_permitted_part_of_the_window_when_there_is_one() -> None:
    program = a_program(delay="0d..1d", send_hours={"from": "12:00", "to": "13:00"})
    times = [decision_of(program, a_touchpoint(str(n))).send_at - START for n in range(200)]
    assert min(times) >= 3 * HOUR
    assert max(times) < 4 * HOUR
    assert max(times) - min(times) > 0.9 * HOUR


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/Berlin", datetime(2026, 3, 9, 8, 0, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 3, 6, 19, 0, tzinfo=UTC)),
        ("Pacific/Auckland", datetime(2026, 3, 8, 20, 0, tzinfo=UTC)),
        ("no zone", datetime(2026, 3, 9, 9, 0, tzinfo=UTC)),
        (None, datetime(2026, 3, 9, 9, 0, tzinfo=UTC)),
    ],
)
def test_customer_is_asked_on_monday_by_their_clock_when_it_is_the_weekend(
    zone: str | None, first: datetime
) -> None:
    state = a_state(customer=a_customer(timezone=zone))
    program = a_program(send_hours=OFFICE)
    decided = decision_of(
        program, a_touchpoint(occurred_at=FRIDAY_EVENING), state=state, now=FRIDAY_EVENING
    )
    assert decided.against == {}
    assert first <= decided.send_at < first + HOUR


@pytest.mark.parametrize(
    ("channel", "hour"), [("email", 8), ("sms", 8), ("in_app", 22), ("webhook", 22)]
)
def test_night_is_quiet_when_the_channel_would_wake_somebody(channel: str, hour: int) -> None:
    governance = a_governance(quiet_hours=NIGHT)
    program = a_program(governance=governance, channels=[channel])
    night = START.replace(hour=22)
    state = a_state(customer=a_customer(phone="+491701234567"))
    decided = decision_of(
        program, a_touchpoint(occurred_at=night), state=state, governance=governance, now=night
    )
    assert decided.send_at.hour == hour


def test_text_message_waits_for_its_legal_hours_when_nothing_else_is_said() -> None:
    night = START.replace(hour=23)
    state = a_state(customer=a_customer(phone="+12125550100", timezone="America/New_York"))
    program = a_program(channels=["sms"], delay="0d..1d")
    for number in range(50):
        touchpoint = a_touchpoint(str(number), occurred_at=night)
        at = decision_of(program, touchpoint, state=state, now=night).send_at
        assert 8 <= at.astimezone(ZoneInfo("America/New_York")).hour < 21


def test_invitation_expires_when_its_planned_time_is_that_long_ago() -> None:
    touchpoint = a_touchpoint(occurred_at=START - 9 * DAY)
    decided = decision_of(a_program(delay="7d", expires_after="3d"), touchpoint)
    assert (decided.send_at, decided.expires_at) == (START, START + DAY)


@pytest.mark.parametrize(
    ("ago", "fields", "send_at", "against"),
    [
        # To the end of the longest cooldown, exactly.
        ([29 * DAY], {}, START + DAY, []),
        ([29 * DAY, 28 * DAY], {}, START + 2 * DAY, []),
        # Not before what is planned for later, but after it.
        ([-20 * DAY], {"expires_after": "90d"}, START + 50 * DAY, []),
        ([29 * DAY, -20 * DAY], {"expires_after": "90d"}, START + 50 * DAY, []),
        # There is a gap, and it is just wide enough; or it is not.
        ([29 * DAY, -31 * DAY], {"expires_after": "90d"}, START + DAY, []),
        ([29 * DAY, -31 * DAY + SECOND], {"expires_after": "90d"}, START + 61 * DAY - SECOND, []),
        # No time is left for it: nothing is deferred, and the reason is said.
        ([16 * DAY + SECOND], {}, START + 14 * DAY - SECOND, []),
        ([16 * DAY], {}, START, [Reason.COOLDOWN_ANY]),
        ([DAY], {}, START, [Reason.COOLDOWN_ANY]),
    ],
)
def test_question_is_deferred_to_the_first_free_time_when_the_program_wants_it(
    ago: list[timedelta], fields: dict[str, Any], send_at: datetime, against: list[Reason]
) -> None:
    state = a_state(*(a_slot(each) for each in ago))
    decided = decision_of(a_program(on_throttle="defer", **fields), state=state)
    assert (decided.send_at, list(decided.against)) == (send_at, against)


def test_deferred_question_is_asked_in_permitted_hours_when_the_cooldown_ends_at_night() -> None:
    program = a_program(on_throttle="defer", send_hours=OFFICE)
    state = a_state(a_slot(20 * DAY - 10 * HOUR))  # free again on Thursday the 12th at 19:00
    decided = decision_of(program, state=state)
    friday = datetime(2026, 3, 13, 9, 0, tzinfo=UTC)
    assert friday <= decided.send_at < friday + HOUR


def test_send_times_are_even_when_seven_thousand_touchpoints_come_at_once() -> None:
    program = a_program(delay="7d..14d")
    days = Counter(
        (decision_of(program, a_touchpoint(str(number))).send_at - START).days
        for number in range(7000)
    )
    assert days.keys() == set(range(7, 14))
    assert all(abs(count - 1000) < 100 for count in days.values())
