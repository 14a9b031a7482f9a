"""Teams to route to, in one line each."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.matching import Facts, Match
from closeloop_service.domain.rules import (
    Alerting,
    Improvements,
    Member,
    Opens,
    Playbook,
    Playbooks,
    Routing,
    RoutingRule,
    Rules,
    SlaPolicy,
    Target,
    Team,
)
from heardback.vocabulary import Category, SlaClock

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
CALENDARS = {
    "always": Calendar.always_open(),
    "office": Calendar.from_dict(
        {"tz": "UTC", "week": {d: [["09:00", "17:00"]] for d in WEEKDAYS}}
    ),
    "late": Calendar.from_dict({"tz": "UTC", "week": {d: [["13:00", "21:00"]] for d in WEEKDAYS}}),
    "never": Calendar.from_dict({"tz": "UTC", "week": {}}),
}


def a_team(team_id: str, *members: Member | str, **fields: Any) -> Team:
    """Return a team whose members are open round the clock, unless they say otherwise."""
    known = tuple(Member(name=m) if isinstance(m, str) else m for m in members)
    return Team(
        team_id=team_id,
        **{"title": team_id.title(), "calendar_id": "always", "members": known, **fields},
    )


def rules_of(
    *teams: Team,
    to: Sequence[tuple[Match, str]] | None = None,
    playbooks: Mapping[Category, Playbook] | None = None,
    version: int = 1,
) -> Rules:
    """Return rules in which every task goes to the first team, unless `to` says otherwise."""
    chosen = [(Match(), teams[0].team_id)] if to is None else to
    empty = {
        category: Playbook(category=category, opens=Opens.ALWAYS, steps=(), templates={})
        for category in Category
    }
    policy = SlaPolicy(
        policy_id="default",
        calendar_id="always",
        targets={
            SlaClock.FIRST_RESPONSE: Target(business=timedelta(hours=4)),
            SlaClock.NEXT_RESPONSE: Target(business=timedelta(hours=8)),
            SlaClock.RESOLUTION: Target(business=timedelta(hours=48)),
        },
    )
    return Rules(
        version=version,
        calendars=CALENDARS,
        policies=(policy,),
        routing=Routing(
            teams={team.team_id: team for team in teams},
            rules=tuple(RoutingRule(when=when, team_id=team_id) for when, team_id in chosen),
        ),
        playbooks=Playbooks(
            by_category={**empty, **(playbooks or {})},
            root_causes=("delivery", "quality"),
            contact_channels=("phone", "email", "sms"),
            compensations=("refund",),
        ),
        alerting=Alerting(targets={}, routes=()),
        improvements=Improvements(trackers={}, tracker_id=None, owner=None, owners={}, told={}),
    )


def facts(**fields: Any) -> Facts:
    """Return the facts of a detractor after a purchase."""
    usual = {
        "category": Category.DETRACTOR,
        "touchpoint": "purchase",
        "program_id": "after-purchase",
        "score": 2,
    }
    return Facts(**{**usual, **fields})
