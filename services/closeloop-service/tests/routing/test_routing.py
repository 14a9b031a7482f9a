"""Who gets a task, and why."""

from datetime import datetime, timedelta

import pytest

from closeloop_service.domain.matching import Match
from closeloop_service.domain.routing import LOOK_AGAIN, Desk, Load, route, teams_of
from closeloop_service.domain.rules import Absence, Member, Strategy
from heardback.testing.clock import START
from heardback.vocabulary import Category

from .teams import a_team, facts, rules_of

CARE = a_team("care", "Ana", "Ben", "Cleo")
AWAY = Absence(from_at=START - timedelta(days=1), to_at=START + timedelta(days=1))


def test_task_goes_to_the_one_with_the_least_to_do() -> None:
    loads = {"Ana": Load(active=3), "Ben": Load(active=1), "Cleo": Load(active=2)}
    found = route(facts(), rules_of(CARE), loads, START)
    assert (found.team, found.owner, found.reason) == ("care", "Ben", "least loaded of 3 in Care")
    assert not found.is_unrouted


def test_tie_goes_to_the_one_whose_last_turn_is_longest_ago() -> None:
    loads = {"Ana": Load(turn=7), "Ben": Load(turn=5), "Cleo": Load(turn=6)}
    desk = Desk(rules_of(CARE), loads, START)
    assert [desk.route(facts()).owner for _ in range(6)] == ["Ben", "Cleo", "Ana"] * 2


def test_round_robin_looks_at_turns_only() -> None:
    team = a_team("care", "Ana", "Ben", strategy=Strategy.ROUND_ROBIN)
    loads = {"Ana": Load(active=9, turn=1), "Ben": Load(active=0, turn=2)}
    desk = Desk(rules_of(team), loads, START)
    found = [desk.route(facts()) for _ in range(3)]
    assert [one.owner for one in found] == ["Ana", "Ben", "Ana"]
    assert found[0].reason == "next in turn of 2 in Care"


@pytest.mark.parametrize("name", ["Dora Ek", " dora ek ", "Dora@Example.com"])
def test_account_owner_keeps_the_account_when_full_and_out_of_hours(name: str) -> None:
    dora = Member(name="Dora Ek", email="dora@example.com", capacity=1, calendar_id="never")
    rules = rules_of(CARE, a_team("keys", dora))
    found = route(facts(), rules, {"Dora Ek": Load(active=5)}, START, account_owner=name)
    assert (found.team, found.owner, found.reason) == ("keys", "Dora Ek", "owns the account")


@pytest.mark.parametrize(
    ("name", "remark"),
    [
        ("Dora", "; the account's owner, Dora, is away"),
        ("Zoe", "; the account's owner, Zoe, is in no team"),
        (" ", ""),
    ],
)
def test_task_goes_by_rules_when_the_account_owner_cannot_have_it(name: str, remark: str) -> None:
    rules = rules_of(CARE, a_team("keys", Member(name="Dora", absences=(AWAY,))))
    found = route(facts(), rules, {}, START, account_owner=name)
    assert (found.owner, found.reason) == ("Ana", f"least loaded of 3 in Care{remark}")


def test_account_owner_of_two_teams_has_it_in_the_team_of_the_rule() -> None:
    rules = rules_of(CARE, a_team("keys", "Ana"), to=[(Match(), "keys")])
    assert route(facts(), rules, {}, START, account_owner="Ana").team == "keys"


@pytest.mark.parametrize(
    ("when", "team"),
    [
        (Match(segments=frozenset({"enterprise"})), "keys"),
        (Match(touchpoints=frozenset({"delivery"})), "keys"),
        (Match(languages=frozenset({"de"})), "keys"),
        (Match(categories=frozenset({Category.PASSIVE})), "keys"),
        (Match(programs=frozenset({"quarterly"})), "keys"),
        (Match(min_value=10_000), "keys"),
        (Match(max_score=1), "keys"),
        (Match(segments=frozenset({"smb"})), "care"),
        (Match(min_value=100_000), "care"),
    ],
)
def test_first_rule_that_fits_says_the_team(when: Match, team: str) -> None:
    rules = rules_of(CARE, a_team("keys", "Kim"), to=[(when, "keys"), (Match(), "care")])
    asked = facts(
        segment="enterprise",
        touchpoint="delivery",
        locale="de-AT",
        category=Category.PASSIVE,
        program_id="quarterly",
        value=10_000,
        score=1,
    )
    assert route(asked, rules, {}, START).team == team


def test_language_and_segment_are_skills() -> None:
    team = a_team(
        "care",
        Member(name="Ana", languages=frozenset({"es"})),
        Member(name="Ben", languages=frozenset({"de"}), segments=frozenset({"smb"})),
        Member(name="Cleo", languages=frozenset({"de"})),
    )
    rules = rules_of(team)
    assert route(facts(locale="es-MX"), rules, {}, START).owner == "Ana"
    assert route(facts(locale="de", segment="smb"), rules, {}, START).reason.startswith(
        "least loaded of 2"
    )
    assert route(facts(locale="de", segment="other"), rules, {}, START).owner == "Cleo"
    assert route(facts(locale=None), rules, {}, START).reason == "least loaded of 2 in Care"


def test_task_waits_for_the_next_who_comes_in_when_nobody_is() -> None:
    evening = START.replace(hour=22)
    back = START.replace(hour=18) + timedelta(days=1)
    team = a_team(
        "care",
        Member(name="Ana", calendar_id="office"),
        Member(name="Ben", absences=(Absence(from_at=evening, to_at=back),)),
        calendar_id="late",
    )
    found = route(facts(), rules_of(team), {}, evening)
    assert (found.team, found.owner) == ("care", None)
    assert found.retry_at == START + timedelta(days=1)
    assert found.reason == "nobody in Care who could take it is in now"


def test_absence_moves_the_next_time_in_past_its_end() -> None:
    away = Absence(from_at=START, to_at=START + timedelta(days=1, hours=10))
    team = a_team("care", Member(name="Ana", absences=(away,)), calendar_id="office")
    found = route(facts(), rules_of(team), {}, START)
    assert found.retry_at == START + timedelta(days=2)
    at_the_end = route(facts(), rules_of(team), {}, START + timedelta(days=2))
    assert at_the_end.owner == "Ana"


def test_task_waits_when_all_have_as_much_as_they_can_do() -> None:
    team = a_team("care", Member(name="Ana", capacity=2))
    desk = Desk(rules_of(team), {"Ana": Load(active=1)}, START)
    assert desk.has_room("care")
    assert desk.route(facts()).owner == "Ana"
    assert not desk.has_room("care")
    found = desk.route(facts())
    assert (found.team, found.owner, found.retry_at) == ("care", None, START + LOOK_AGAIN)
    assert found.reason == "all in Care who could take it have as much as they can do"


def test_task_does_not_come_back_to_who_gave_it_back() -> None:
    desk = Desk(rules_of(a_team("care", "Ana", "Ben")), {}, START)
    assert desk.route(facts(), gave_back=frozenset({"Ana"})).owner == "Ben"
    owned = desk.route(facts(), gave_back=frozenset({"Ana"}), account_owner="Ana")
    assert owned.reason == "least loaded of 1 in Care; the account's owner, Ana, gave it back"
    found = desk.route(facts(), gave_back=frozenset({"Ana", "Ben"}))
    assert found.is_unrouted
    assert found.reason == "all in Care who could take it gave it back"


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([], "Care has no members yet"),
        (
            [Member(name="Ana", languages=frozenset({"es"}))],
            "nobody in Care speaks the customer's language, de-AT",
        ),
        (
            [Member(name="Ana", segments=frozenset({"smb"}))],
            "nobody in Care takes a customer like this, without a segment",
        ),
        (
            [Member(name="Ana", calendar_id="never"), Member(name="Ben", capacity=0)],
            "nobody in Care who could take it is ever in with room",
        ),
    ],
)
def test_task_is_unrouted_with_the_reason_when_nobody_will_ever_take_it(
    members: list[Member], reason: str
) -> None:
    found = route(facts(locale="de-AT"), rules_of(a_team("care", *members)), {}, START)
    assert (found.team, found.owner, found.retry_at, found.reason) == ("care", None, None, reason)
    assert found.is_unrouted


def test_task_is_unrouted_when_no_rule_fits() -> None:
    found = route(facts(), rules_of(CARE, to=[]), {}, START)
    assert (found.team, found.is_unrouted, found.reason) == (None, True, "no routing rule fits")


def test_member_of_two_teams_has_one_load() -> None:
    ana = Member(name="Ana", capacity=1)
    en, de = a_team("en", ana), a_team("de", ana)
    rules = rules_of(en, de, to=[(Match(languages=frozenset({"de"})), "de"), (Match(), "en")])
    desk = Desk(rules, {}, START)
    assert desk.route(facts(locale="de")).owner == "Ana"
    assert desk.route(facts()).owner is None
    assert teams_of(rules, "Ana") == {"en", "de"}


def test_half_open_absence_begins_and_ends_on_the_instant() -> None:
    def owner_at(at: datetime) -> str | None:
        return route(
            facts(), rules_of(a_team("care", Member(name="Ana", absences=(AWAY,)))), {}, at
        ).owner

    assert owner_at(AWAY.from_at - timedelta(microseconds=1)) == "Ana"
    assert owner_at(AWAY.from_at) is None
    assert owner_at(AWAY.to_at) == "Ana"
