"""What holds of routing, whatever the teams and the tasks are."""

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from closeloop_service.domain.matching import Facts, Match
from closeloop_service.domain.routing import Desk, Load, Route, is_away, route
from closeloop_service.domain.rules import Absence, Member, Rules, Strategy
from heardback.testing.clock import START

from .teams import CALENDARS, a_team, facts, rules_of

NAMES = ["Ana", "Ben", "Cleo", "Dev", "Eva"]
LANGUAGES = ["en", "es", "de"]
SEGMENTS = ["enterprise", "smb"]
INSTANTS = st.integers(min_value=-72, max_value=72).map(lambda h: START + timedelta(hours=h))
ABSENCES = st.tuples(INSTANTS, INSTANTS).map(
    lambda pair: Absence(from_at=min(pair), to_at=max(pair))
)


def members(name: str) -> st.SearchStrategy[Member]:
    return st.builds(
        Member,
        name=st.just(name),
        languages=st.frozensets(st.sampled_from(LANGUAGES), max_size=2),
        segments=st.frozensets(st.sampled_from(SEGMENTS), max_size=1),
        capacity=st.integers(min_value=0, max_value=4),
        calendar_id=st.sampled_from([None, *CALENDARS]),
        absences=st.lists(ABSENCES, max_size=3).map(tuple),
    )


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    teams = [
        a_team(
            team_id,
            *(draw(members(name)) for name in draw(st.sets(st.sampled_from(NAMES)))),
            calendar_id=draw(st.sampled_from(list(CALENDARS))),
            strategy=draw(st.sampled_from(Strategy)),
        )
        for team_id in ("care", "keys")
    ]
    matches = st.builds(
        Match,
        segments=st.frozensets(st.sampled_from(SEGMENTS), max_size=1),
        languages=st.frozensets(st.sampled_from(LANGUAGES), max_size=1),
    )
    to = draw(st.lists(st.tuples(matches, st.sampled_from(["care", "keys"])), max_size=3))
    return rules_of(*teams, to=to)


TASKS = st.lists(
    st.tuples(
        st.builds(
            facts,
            segment=st.sampled_from([None, *SEGMENTS]),
            locale=st.sampled_from([None, "en-GB", "es-MX", "fr"]),
        ),
        st.sampled_from([None, None, "Ana", "nobody"]),
        st.frozensets(st.sampled_from(NAMES), max_size=2),
    ),
    max_size=30,
)
LOADS = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(Load, active=st.integers(0, 4), turn=st.integers(0, 9)),
)


def hand_out(
    known: Rules, tasks: list[tuple[Facts, str | None, frozenset[str]]], loads: Any, now: Any
) -> list[Route]:
    desk = Desk(known, loads, now)
    return [desk.route(asked, account_owner=owner, gave_back=back) for asked, owner, back in tasks]


@settings(max_examples=300)
@given(known=rules(), tasks=TASKS, loads=LOADS, now=INSTANTS)
def test_owner_is_able_in_and_has_room_whatever_the_teams_are(
    known: Rules,
    tasks: list[tuple[Facts, str | None, frozenset[str]]],
    loads: dict[str, Load],
    now: Any,
) -> None:
    active = Counter({name: load.active for name, load in loads.items()})
    for (asked, account_owner, gave_back), found in zip(
        tasks, hand_out(known, tasks, loads, now), strict=True
    ):
        assert found.reason
        if found.owner is None:
            assert found.retry_at is None or found.retry_at > now
            assert found.is_unrouted == (found.retry_at is None)
            continue
        team = known.routing.teams[found.team or ""]
        member = next(one for one in team.members if one.name == found.owner)
        assert member.name not in gave_back
        assert not any(is_away(absence, now) for absence in member.absences)
        if found.reason == "owns the account":
            assert member.name == account_owner
        else:
            assert active[member.name] < member.capacity
            assert CALENDARS[member.calendar_id or team.calendar_id].is_open(now)
            assert not member.segments or asked.segment in member.segments
            language = (asked.locale or "")[:2]
            assert not member.languages or not language or language in member.languages
        active[member.name] += 1


@settings(max_examples=100)
@given(known=rules(), tasks=TASKS, loads=LOADS, now=INSTANTS)
def test_same_tasks_have_the_same_owners_every_time(
    known: Rules,
    tasks: list[tuple[Facts, str | None, frozenset[str]]],
    loads: dict[str, Load],
    now: Any,
) -> None:
    backwards = dict(reversed(loads.items()))
    assert hand_out(known, tasks, loads, now) == hand_out(known, tasks, backwards, now)


@settings(max_examples=100)
@given(known=rules(), asked=st.builds(facts, locale=st.sampled_from([None, "es"])), now=INSTANTS)
def test_task_that_waits_finds_somebody_when_its_time_has_come(
    known: Rules, asked: Facts, now: Any
) -> None:
    first = route(asked, known, {}, now)
    if first.owner is None and first.retry_at is not None:
        assert route(asked, known, {}, first.retry_at).owner is not None


@given(
    number=st.integers(1, 40),
    names=st.sets(st.sampled_from(NAMES), min_size=1),
    strategy=st.sampled_from(Strategy),
    batches=st.integers(1, 4),
)
def test_equal_members_are_given_equally_many(
    number: int, names: set[str], strategy: Strategy, batches: int
) -> None:
    team = a_team("care", *(Member(name=name, capacity=500) for name in names), strategy=strategy)
    given_to: Counter[str] = Counter(dict.fromkeys(names, 0))
    loads: dict[str, Load] = {}
    for _ in range(batches):
        desk = Desk(rules_of(team), loads, START)
        for _ in range(number):
            owner = desk.route(facts()).owner
            assert owner is not None
            given_to[owner] += 1
            turn = sum(given_to.values())
            loads[owner] = Load(active=given_to[owner], turn=turn)
        assert max(given_to.values()) - min(given_to.values()) <= 1
