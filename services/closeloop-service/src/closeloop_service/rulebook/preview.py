"""What the rules would do with a task, and why: nothing happens by looking."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.clock import ClockState
from closeloop_service.domain.matching import Facts
from closeloop_service.domain.planning import escalation_at, first_fit, planned_clock
from closeloop_service.domain.routing import Load, Route, route
from closeloop_service.domain.rules import Escalation, Rules, SlaPolicy, Target, Team
from closeloop_service.rulebook.instants import say_duration, say_instant, zone_name
from heardback.vocabulary import SlaClock

_MOST_ESCALATIONS: Final = 20
_WORDS: Final = {
    SlaClock.FIRST_RESPONSE: "First response",
    SlaClock.NEXT_RESPONSE: "Next response",
    SlaClock.RESOLUTION: "Resolution",
}
_MISFITS: Final = {
    "categories": "it is for another group",
    "segments": "it is for other segments",
    "touchpoints": "it is for other touchpoints",
    "programs": "it is for other programs",
    "languages": "it is for other languages",
    "min_value": "the customer brings less a year, or it is not known what",
    "max_value": "the customer brings more a year, or it is not known what",
    "min_score": "the score is lower",
    "max_score": "the score is higher",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Considered:
    """A rule that was looked at. `why`: why it is not for the task; None: it is."""

    name: str
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """An instant, and how people say it where they work."""

    at: datetime
    said: str

    @classmethod
    def of(cls, at: datetime | None, calendar: Calendar) -> "Instant | None":
        """Return the instant in the words of the calendar's wall; None stays."""
        return None if at is None else cls(at=at, said=say_instant(at, calendar))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAt:
    """A level of the chain: whom it tells, and when, if nobody does anything before."""

    instant: Instant
    tells: tuple[str, ...]
    is_repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockPreview:
    """One clock. `allowed` says how long it may run."""

    clock: SlaClock
    label: str
    allowed: str
    calendar_id: str
    zone: str
    warning: Instant | None
    due: Instant | None
    escalations: tuple[ToldAt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyPreview:
    """The policy that a task would get, and when its clocks would run out.

    The next response's clock runs from a reply; it is shown as if one came at `starts`.
    """

    policy_id: str
    calendar_id: str
    zone: str
    considered: tuple[Considered, ...]
    starts: Instant
    is_open: bool
    opens: Instant | None
    clocks: tuple[ClockPreview, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePreview:
    """Who would get a task, and why. `retry`: when the queue is tried again."""

    considered: tuple[Considered, ...]
    team: str | None
    team_title: str | None
    owner: str | None
    reason: str
    retry: Instant | None


def preview_policy(rules: Rules, facts: Facts, at: datetime) -> PolicyPreview:
    """Say by which policy a task of that time would run, and when its clocks would."""
    policy = first_fit(facts, rules)
    calendar = rules.calendars[policy.calendar_id]
    is_open = calendar.is_open(at)
    return PolicyPreview(
        policy_id=policy.policy_id,
        calendar_id=policy.calendar_id,
        zone=zone_name(calendar),
        considered=tuple(_considered((p.policy_id, p.when.misfit(facts)) for p in rules.policies)),
        starts=Instant(at=at, said=say_instant(at, calendar)),
        is_open=is_open,
        opens=None if is_open else Instant.of(calendar.next_open(at), calendar),
        clocks=tuple(_clock(policy, which, rules, at) for which in SlaClock),
    )


def preview_route(
    rules: Rules,
    facts: Facts,
    at: datetime,
    *,
    loads: Mapping[str, Load],
    account_owner: str | None = None,
) -> RoutePreview:
    """Say who would get a task of that time, with what everybody has to do."""
    found = route(facts, rules, loads, at, account_owner=account_owner)
    team = None if found.team is None else rules.routing.teams[found.team]
    names = (
        (_rule_name(n, rule.team_id, rules), rule.when.misfit(facts))
        for n, rule in enumerate(rules.routing.rules, start=1)
    )
    return RoutePreview(
        considered=tuple(_considered(names)),
        team=found.team,
        team_title=None if team is None else team.title,
        owner=found.owner,
        reason=found.reason,
        retry=_retry(found, team, rules),
    )


def _considered(rules: Iterator[tuple[str, str | None]]) -> Iterator[Considered]:
    """Return the rules up to the one that fits: what comes after was not looked at."""
    for name, misfit in rules:
        yield Considered(name=name, why=None if misfit is None else _MISFITS[misfit])
        if misfit is None:
            return


def _rule_name(number: int, team_id: str, rules: Rules) -> str:
    return f"Rule {number}, to {rules.routing.teams[team_id].title}"


def _retry(found: Route, team: Team | None, rules: Rules) -> Instant | None:
    if team is None:
        return None
    return Instant.of(found.retry_at, rules.calendars[team.calendar_id])


def _clock(policy: SlaPolicy, which: SlaClock, rules: Rules, at: datetime) -> ClockPreview:
    target = policy.targets[which]
    calendar_id = target.calendar_id or policy.calendar_id
    calendar = rules.calendars[calendar_id]
    started = ClockState(started_at=at, due_at=None, warn_at=None)
    clock = planned_clock(started, target, policy, rules, ())
    return ClockPreview(
        clock=which,
        label=_WORDS[which],
        allowed=_allowed(target),
        calendar_id=calendar_id,
        zone=zone_name(calendar),
        warning=Instant.of(clock.warn_at, calendar),
        due=Instant.of(clock.due_at, calendar),
        escalations=tuple(_escalations(clock, policy, rules)),
    )


def _allowed(target: Target) -> str:
    said = f"{say_duration(target.business)} of open time"
    return f"{said}, at most {say_duration(target.ceiling)}" if target.ceiling else said


def _escalations(clock: ClockState, policy: SlaPolicy, rules: Rules) -> Iterator[ToldAt]:
    """Return the levels in order, as if nobody ever did anything."""
    calendar, levels = rules.calendars[policy.calendar_id], policy.escalations
    breached = replace(clock, breached=True)
    for told in range(_MOST_ESCALATIONS):
        at = escalation_at(replace(breached, escalated=told), policy, rules, ())
        if at is None:
            return
        level = levels[min(told, len(levels) - 1)]
        yield ToldAt(
            instant=Instant(at=at, said=say_instant(at, calendar)),
            tells=_tells(level),
            is_repeat=told >= len(levels),
        )


def _tells(level: Escalation) -> tuple[str, ...]:
    ranks: Sequence[str] = [rank.value for rank in level.ranks]
    teams = [f"team {team}" for team in level.teams]
    return (*ranks, *level.people, *teams, *level.targets)
