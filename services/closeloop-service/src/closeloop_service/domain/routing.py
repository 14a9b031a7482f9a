"""Who gets a task: the account's owner, or somebody of the team whose rule fits.

Within a team: whoever has the skills, is in, and has room; of these the one with the least to do,
or whose turn it is. Where there is nobody now, the task waits in the team's queue.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.matching import Facts, speaks
from closeloop_service.domain.rules import Absence, Member, Rules, Strategy, Team
from heardback.locales import chain

ROUTE: Final = "route"
"""The kind of the timers at which queues are tried again.

Their keys are a team's id, or `UNROUTED`; what follows a slash only makes a key one of its own.
"""
UNROUTED: Final = "unrouted"
"""Stands for all tasks that have no owner, whichever queue they are in; no team is called so."""
LOOK_AGAIN: Final = timedelta(minutes=15)
"""How long a queue waits for those who are in but have no room, in case nobody tells that one has.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What somebody has to do.

    `active`: their tasks that are not closed. `turn`: the higher, the later they were given one by
    a rule; 0: never.
    """

    active: int = 0
    turn: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a task goes, and why, in words.

    No owner: it waits in the queue of its team, which is tried again at `retry_at`. Neither: it is
    unrouted, nobody can take it until somebody changes the rules.
    """

    team: str | None
    owner: str | None
    reason: str
    retry_at: datetime | None = None

    @property
    def is_unrouted(self) -> bool:
        """Whether there is nobody to wait for."""
        return self.owner is None and self.retry_at is None


class Desk:
    """Hands out tasks one after the other, and counts what it gave to whom.

    `loads` are those of all members, by name; nobody in it has nothing to do.
    """

    def __init__(self, rules: Rules, loads: Mapping[str, Load], now: datetime) -> None:
        self._routing = rules.routing
        self._now = now
        self._loads = dict(loads)
        self._turn = max((load.turn for load in loads.values()), default=0)
        self._next_in = {
            (team.team_id, member.name): next_in(
                rules.calendars[member.calendar_id or team.calendar_id], member.absences, now
            )
            for team in rules.routing.teams.values()
            for member in team.members
        }
        self._called: dict[str, list[tuple[Team, Member]]] = {}
        for team in rules.routing.teams.values():
            for member in team.members:
                for name in {member.name.casefold(), (member.email or "").casefold()} - {""}:
                    self._called.setdefault(name, []).append((team, member))

    def route(
        self,
        facts: Facts,
        *,
        account_owner: str | None = None,
        gave_back: frozenset[str] = frozenset(),
    ) -> Route:
        """Say who gets a task like this, and count it as theirs.

        `account_owner`: a member's name or mail address, as customer data has it. `gave_back`:
        those who had this very task and gave it back; it does not come to them again.
        """
        rule = next((rule for rule in self._routing.rules if rule.when.fits(facts)), None)
        team = self._routing.teams[rule.team_id] if rule else None
        route, remark = self._of_account(account_owner, team, gave_back)
        route = route or self._of_team(team, facts, gave_back, remark)
        if route.owner is not None:
            self._turn += 1
            active = self._load(route.owner).active + 1
            self._loads[route.owner] = Load(active=active, turn=self._turn)
        return route

    def has_room(self, team_id: str) -> bool:
        """Tell whether anybody of the team is in and can take one more task."""
        team = self._routing.teams.get(team_id)
        return team is not None and any(self._can_now(team, member) for member in team.members)

    def _of_account(
        self, account_owner: str | None, first: Team | None, gave_back: frozenset[str]
    ) -> tuple[Route | None, str]:
        """Return the route to the account's owner, or what to say of why it is not taken."""
        wanted = (account_owner or "").strip()
        if not wanted:
            return None, ""
        known = self._called.get(wanted.casefold())
        if known is None:
            return None, f"; the account's owner, {wanted}, is in no team"
        team, member = next((pair for pair in known if pair[0] is first), known[0])
        if member.name in gave_back:
            return None, f"; the account's owner, {member.name}, gave it back"
        if any(is_away(absence, self._now) for absence in member.absences):
            return None, f"; the account's owner, {member.name}, is away"
        return Route(team=team.team_id, owner=member.name, reason="owns the account"), ""

    def _of_team(
        self, team: Team | None, facts: Facts, gave_back: frozenset[str], remark: str
    ) -> Route:
        if team is None:
            return Route(team=None, owner=None, reason=f"no routing rule fits{remark}")
        skilled = [member for member in team.members if can_take(member, facts)]
        able = [member for member in skilled if member.name not in gave_back]
        free = [member for member in able if self._can_now(team, member)]
        if free:
            owner = min(free, key=lambda member: self._rank(team, member)).name
            how = "next in turn" if team.strategy is Strategy.ROUND_ROBIN else "least loaded"
            reason = f"{how} of {len(free)} in {team.title}{remark}"
            return Route(team=team.team_id, owner=owner, reason=reason)
        retry_at = min(filter(None, (self._try_at(team, member) for member in able)), default=None)
        reason = (
            _why_never(team, skilled, able, facts)
            if retry_at is None
            else self._why_later(team, able)
        )
        return Route(team=team.team_id, owner=None, reason=f"{reason}{remark}", retry_at=retry_at)

    def _load(self, name: str) -> Load:
        return self._loads.get(name, Load())

    def _is_in(self, team: Team, member: Member) -> bool:
        return self._next_in[team.team_id, member.name] == self._now

    def _can_now(self, team: Team, member: Member) -> bool:
        return self._is_in(team, member) and self._load(member.name).active < member.capacity

    def _rank(self, team: Team, member: Member) -> tuple[int, int, str]:
        load = self._load(member.name)
        even = team.strategy is Strategy.ROUND_ROBIN
        return 0 if even else load.active, load.turn, member.name

    def _try_at(self, team: Team, member: Member) -> datetime | None:
        if member.capacity <= 0:
            return None
        if self._is_in(team, member):
            return self._now + LOOK_AGAIN
        return self._next_in[team.team_id, member.name]

    def _why_later(self, team: Team, able: list[Member]) -> str:
        if any(self._is_in(team, member) and member.capacity > 0 for member in able):
            return f"all in {team.title} who could take it have as much as they can do"
        return f"nobody in {team.title} who could take it is in now"


def route(
    facts: Facts,
    rules: Rules,
    loads: Mapping[str, Load],
    now: datetime,
    *,
    account_owner: str | None = None,
) -> Route:
    """Say who gets a single task like this."""
    return Desk(rules, loads, now).route(facts, account_owner=account_owner)


def can_take(member: Member, facts: Facts) -> bool:
    """Tell whether somebody has the skills for a task.

    A customer of an unknown language is anybody's; one of an unknown segment is not theirs who
    have certain segments only.
    """
    knows_segment = not member.segments or facts.segment in member.segments
    return knows_segment and _understands(member, facts)


def next_in(calendar: Calendar, absences: tuple[Absence, ...], at: datetime) -> datetime | None:
    """Return `at` when somebody is in then, else when they next are; None: never again."""
    while True:
        opens = calendar.next_open(at)
        if opens is None:
            return None
        away = next((absence for absence in absences if is_away(absence, opens)), None)
        if away is None:
            return opens
        at = away.to_at  # each absence is left behind for good


def is_away(absence: Absence, at: datetime) -> bool:
    """Tell whether an absence covers an instant."""
    return absence.from_at <= at < absence.to_at


def teams_of(rules: Rules, name: str) -> frozenset[str]:
    """Return the ids of the teams that somebody is in."""
    return frozenset(
        team.team_id
        for team in rules.routing.teams.values()
        if any(member.name == name for member in team.members)
    )


def _understands(member: Member, facts: Facts) -> bool:
    is_unknown = not chain(facts.locale)
    return not member.languages or is_unknown or speaks(member.languages, facts.locale)


def _why_never(team: Team, skilled: list[Member], able: list[Member], facts: Facts) -> str:
    if not team.members:
        return f"{team.title} has no members yet"
    if not any(_understands(member, facts) for member in team.members):
        return f"nobody in {team.title} speaks the customer's language, {facts.locale}"
    if not skilled:
        segment = f"of segment {facts.segment}" if facts.segment else "without a segment"
        return f"nobody in {team.title} takes a customer like this, {segment}"
    if not able:
        return f"all in {team.title} who could take it gave it back"
    return f"nobody in {team.title} who could take it is ever in with room"
