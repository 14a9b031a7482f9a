"""Scopes, series, counts and the words that are made of them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from heardback.contracts import registry
from heardback.testing.builders import an_event
from heardback.vocabulary import SlaClock
from insights_service import words
from insights_service.domain.counts import Counts, Duration, funnel_of, sla_of
from insights_service.domain.facts import Fact, Measure
from insights_service.domain.nps import Tally, estimate
from insights_service.domain.reading import UNNAMED, facts_of
from insights_service.domain.scope import (
    DateNotUnderstood,
    Grain,
    PeriodBackwards,
    Scope,
    parse_day,
)
from insights_service.domain.series import series, telling_grain

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("grain", "first_day"),
    [
        (Grain.DAY, date(2026, 3, 4)),
        (Grain.WEEK, date(2026, 3, 2)),
        (Grain.MONTH, date(2026, 3, 1)),
    ],
)
def test_point_begins_on_its_first_day(grain: Grain, first_day: date) -> None:
    assert grain.first_day(date(2026, 3, 4)) == first_day


@pytest.mark.parametrize(
    ("grain", "first", "last", "count"),
    [
        (Grain.DAY, date(2026, 2, 27), date(2026, 3, 2), 4),
        (Grain.WEEK, date(2026, 2, 23), date(2026, 3, 9), 3),
        (Grain.MONTH, date(2025, 11, 1), date(2026, 3, 1), 5),
    ],
)
def test_points_leave_no_day_out(grain: Grain, first: date, last: date, count: int) -> None:
    days = list(grain.days(first, last))
    assert (days[0], days[-1], len(days)) == (first, last, count)
    assert all(grain.first_day(day) == day for day in days)


def test_series_adds_the_days_of_a_week_up() -> None:
    monday = date(2026, 3, 2)
    days = {
        monday + timedelta(days=6): Tally(detractors=1),
        monday: Tally(promoters=3),
        monday + timedelta(days=7): Tally(passives=1),
    }
    points = series(days, Grain.WEEK)
    assert [point.first_day for point in points] == [monday, monday + timedelta(days=7)]
    assert [point.estimate.nps for point in points] == [50.0, 0.0]


def test_series_has_no_point_when_revisions_emptied_a_day() -> None:
    assert series({date(2026, 3, 2): Tally()}, Grain.DAY) == []


@pytest.mark.parametrize(
    ("a_day", "finest", "grain"),
    [
        (30, Grain.DAY, Grain.DAY),
        (30, Grain.WEEK, Grain.WEEK),
        (29, Grain.DAY, Grain.WEEK),
        (1, Grain.DAY, Grain.MONTH),
        (0, Grain.DAY, Grain.MONTH),
    ],
)
def test_trend_is_as_fine_as_its_points_have_enough_responses(
    a_day: int, finest: Grain, grain: Grain
) -> None:
    days = {date(2026, 3, 2) + timedelta(days=n): Tally(passives=a_day) for n in range(28)}
    assert telling_grain(days, finest) is grain


def test_period_is_refused_when_it_ends_before_it_begins() -> None:
    with pytest.raises(PeriodBackwards):
        Scope(first_day=date(2026, 3, 2), last_day=date(2026, 3, 1))


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "31.03.2026", "2026-3-1"])
def test_date_is_refused_when_it_is_none(text: str) -> None:
    with pytest.raises(DateNotUnderstood) as caught:
        parse_day("from", text)
    assert caught.value.attributes == {"field": "from", "value": text}


@pytest.mark.parametrize("text", [None, ""])
def test_date_is_open_when_none_is_given(text: str | None) -> None:
    assert parse_day("to", text) is None


def test_day_is_that_of_utc_when_an_event_names_another_offset() -> None:
    at = datetime(2026, 3, 2, 1, tzinfo=timezone(timedelta(hours=2)))
    event = an_event(
        registry.DETRACTOR_ALERTED, customer_id="c", alert_id="a", response_id="r",
        invitation_id="i", program_id="p", touchpoint="t", score=1, recipient={}, alerted_at=at,
    )  # fmt: skip
    (fact,) = facts_of(event.data)
    assert [cell.day for cell in fact.cells] == [date(2026, 3, 1)]


def test_suppression_counts_under_its_first_reason() -> None:
    for reasons, counted in ((("cooldown", "not_sampled"), "cooldown"), ((), UNNAMED)):
        event = an_event(
            registry.SURVEY_SUPPRESSED, customer_id="c", touchpoint="t", touchpoint_id="x",
            suppressions=[{"program_id": "p", "reasons": reasons}], decided_at=AT,
        )  # fmt: skip
        (fact,) = facts_of(event.data)
        assert [(cell.measure, cell.detail) for cell in fact.cells] == [("suppressed", counted)]


def test_suppression_counts_for_each_program_under_one_key_in_both_versions() -> None:
    about = {"customer_id": "c", "touchpoint": "t", "touchpoint_id": "x", "decided_at": AT}
    suppressions = [{"program_id": p, "reasons": ["cooldown"]} for p in ("a", "b")]
    second = an_event(registry.SURVEY_SUPPRESSED, suppressions=suppressions, **about)
    first = [
        an_event(registry.SURVEY_SUPPRESSED_V1, decision_id=f"x:{s['program_id']}", **s, **about)
        for s in suppressions
    ]
    assert [fact for event in first for fact in facts_of(event.data)] == facts_of(second.data)
    assert [cell.program_id for fact in facts_of(second.data) for cell in fact.cells] == ["a", "b"]


def test_only_the_first_contact_counts() -> None:
    def contacted(*, first: bool) -> Sequence[Fact]:
        event = an_event(
            registry.TASK_CONTACTED, customer_id="c", task_id="k", program_id="p", touchpoint="t",
            occurred_at=AT, owner="o", channel="phone", first=first, first_response_seconds=60,
        )  # fmt: skip
        return facts_of(event.data)

    assert len(contacted(first=True)) == 1
    assert not contacted(first=False)


def test_response_rate_is_of_those_sent() -> None:
    cells = {(Measure.SENT, ""): 4, (Measure.PROMOTER, ""): 1, (Measure.DETRACTOR, ""): 1}
    assert funnel_of(Counts(cells=cells)).response_rate == 0.5
    assert funnel_of(Counts()).response_rate is None


def test_breach_rate_is_of_those_opened() -> None:
    cells = {(Measure.OPENED, ""): 4, (Measure.BREACHED, "first_response"): 1}
    counts = Counts(cells=cells)
    sla = sla_of(counts, always=counts, durations={})
    assert sla.breach_rate == dict.fromkeys(SlaClock, 0.0) | {SlaClock.FIRST_RESPONSE: 0.25}
    assert sla.open == 4
    assert sla.first_response == Duration()


def test_reopened_tasks_are_open_and_cancelled_ones_are_not() -> None:
    happened = {
        Measure.OPENED: 5,
        Measure.RESOLVED: 3,
        Measure.REOPENED: 1,
        Measure.TASK_CANCELLED: 1,
    }
    counts = Counts(cells={(measure, ""): count for measure, count in happened.items()})
    assert sla_of(counts, always=counts, durations={}).open == 2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h 00 min"),
        (100_000, "1 d 03 h"),
    ],
)
def test_duration_is_told_in_its_largest_units(seconds: float | None, text: str) -> None:
    assert words.duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("share", "text"), [(None, "–"), (0, "0 %"), (0.012, "1.2 %"), (0.27, "27 %"), (1, "100 %")]
)
def test_share_is_told_in_percent(share: float | None, text: str) -> None:
    assert words.percent(share).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("tally", "text"),
    [
        (Tally(), "no responses in this period"),
        (Tally(passives=1), "too few to go by: 1 response, 30 are enough; −60 to +60 at 95 %"),
        (
            Tally(detractors=54, passives=108, promoters=162),
            "+25 to +41 at 95 %, from 324 responses",
        ),
    ],
)
def test_score_says_how_sure_it_is(tally: Tally, text: str) -> None:
    assert words.certainty(estimate(tally)) == text


def test_response_rate_says_why_it_passes_all() -> None:
    cells = {(Measure.SENT, ""): 1, (Measure.PROMOTER, ""): 2}
    said = words.response_rate(funnel_of(Counts(cells=cells)))
    assert said == "2 scored ÷ 1 sent; some were asked before this period"
