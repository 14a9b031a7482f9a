"""How waiting alerts become a message: when, and in which words."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeloop_service.domain.grouping import (
    URGENCY,
    Count,
    Gathered,
    MessageText,
    Raised,
    Severity,
    are_incidents,
    derived_id,
    incident_of,
    one_line,
    tell_at,
    text_of,
)
from closeloop_service.domain.rules import Alerting, AlertKind
from heardback.testing.clock import START

ALERTING = Alerting(targets={}, routes=(), group_within=timedelta(seconds=30), at_most_per_hour=3)


def raised(number: int = 1, kind: AlertKind = AlertKind.BREACHED, **fields: object) -> Raised:
    known = {
        "kind": kind,
        "alert_key": f"{kind}/{number}",
        "title": "Resolution is late",
        "text": f"Ada {number} gave 2.",
        "task_id": f"t{number}",
        "team": "care",
    }
    return Raised(**{**known, **fields})


def gathered(*counts: Count, urgent: int = 10, subjects: int = 5000) -> Gathered:
    return Gathered(counts=counts, urgent=[raised(n) for n in range(urgent)], subjects=subjects)


def count(kind: AlertKind, alerts: int, team: str | None = "care") -> Count:
    return Count(kind=kind, team=team, alerts=alerts, subjects=alerts)


def test_alerts_wait_for_those_that_come_within_the_window() -> None:
    assert tell_at(START, [], ALERTING) == START + timedelta(seconds=30)


def test_message_waits_for_its_hour_when_as_many_were_made() -> None:
    made = [START - timedelta(minutes=minutes) for minutes in (1, 20, 50)]
    assert tell_at(START, made, ALERTING) == START + timedelta(minutes=10)
    assert tell_at(START, made[:2], ALERTING) == START + timedelta(seconds=30)


@given(st.lists(st.integers(0, 7200), max_size=8), st.integers(0, 3600))
def test_never_more_messages_in_an_hour_than_allowed(waits: list[int], step: int) -> None:
    made: list[object] = []
    now = START
    for wait in waits:
        now += timedelta(seconds=wait % (step + 1))
        newest = sorted(made, reverse=True)[: ALERTING.at_most_per_hour]
        now = max(now, tell_at(now, newest, ALERTING))
        made.append(now)
        assert sum(now - at < timedelta(hours=1) for at in made) <= ALERTING.at_most_per_hour


def test_one_alert_says_itself_and_leads_to_its_task() -> None:
    one = Gathered(counts=[count(AlertKind.BREACHED, 1)], urgent=[raised()], subjects=1)
    text = text_of(one, {})
    assert (text.title, text.path, text.facts) == ("Resolution is late", "/board/tasks/t1", ())
    assert (text.severity, text.more, text.team) == (Severity.ERROR, 0, "care")


def test_flood_is_counted_by_kind_and_team_when_it_is_one_message() -> None:
    flood = gathered(
        count(AlertKind.BREACHED, 4000),
        count(AlertKind.BREACHED, 800, "key"),
        count(AlertKind.BREACHED, 12, None),
        count(AlertKind.ESCALATED, 188),
    )
    text = text_of(flood, {"care": "Customer care", "key": "Key accounts"})
    assert text.title == "188 escalated tasks, 4,812 late tasks"
    assert text.facts == (
        ("Escalated", "Customer care 188"),
        ("Late", "Customer care 4,000, Key accounts 800, no team 12"),
    )
    assert (len(text.items), text.more, text.path) == (10, 4990, "/?view=breached")


def test_link_leads_to_the_team_when_all_are_of_one() -> None:
    text = text_of(gathered(count(AlertKind.WARNED, 3, "key accounts"), subjects=3), {})
    assert text.path == "/?view=due&team=key+accounts"


def test_link_leads_to_the_improvements_when_it_is_about_them() -> None:
    overdue = raised(kind=AlertKind.IMPROVEMENT_OVERDUE, task_id=None, improvement_id="i/1")
    counts = [count(AlertKind.IMPROVEMENT_OVERDUE, 2)]
    two = text_of(Gathered(counts=counts, urgent=[overdue], subjects=2), {})
    assert two.path == "/console/improvements"
    assert two.items[0].path == "/console/improvements/i%2F1"


def test_teams_beyond_the_first_are_summed_up() -> None:
    many = gathered(*(count(AlertKind.BREACHED, 10 + n, f"t{n}") for n in range(12)))
    assert text_of(many, {}).facts[0][1].endswith("4 more teams 46")


def test_text_survives_being_kept() -> None:
    text = text_of(gathered(count(AlertKind.BREACHED, 5000)), {})
    assert MessageText.from_document(text.to_document()) == text


def test_every_kind_has_its_urgency_and_its_words() -> None:
    assert set(URGENCY) == set(AlertKind)
    for kind in AlertKind:
        one = Gathered(
            counts=[count(kind, 2)], urgent=[raised(1, kind), raised(2, kind)], subjects=2
        )
        assert text_of(one, {}).title.startswith("2 ")


@pytest.mark.parametrize(("subjects", "made", "separate"), [(5, 0, True), (6, 0, False)])
def test_few_subjects_are_an_incident_each(subjects: int, made: int, separate: bool) -> None:
    alerting = Alerting(targets={}, routes=(), at_most_per_hour=60)
    few = gathered(count(AlertKind.BREACHED, subjects), urgent=subjects, subjects=subjects)
    assert are_incidents(few, [START] * made, alerting) is separate
    assert not are_incidents(few, [START] * 58, alerting)


def test_task_is_one_incident_whatever_is_said_of_it() -> None:
    late, escalated = raised(), raised(kind=AlertKind.ESCALATED)
    assert incident_of(late) == incident_of(escalated) == "task/t1"
    assert len(incident_of(raised(task_id=None, alert_key="x" * 999))) == 255


def test_what_a_customer_is_called_stays_one_line() -> None:
    assert one_line("Ada\r\nBCC: x\u2028y\x00  z") == "Ada BCC: x y z"


def test_derived_ids_differ_by_their_parts() -> None:
    assert derived_id("a", "b/c") != derived_id("a/b", "c")
    assert derived_id("a", "b") == derived_id("a", "b")
