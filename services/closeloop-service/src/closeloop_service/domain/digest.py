"""The digest: what waits for an owner or a team, told when their working day begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.grouping import Item, MessageText, Severity, board_path
from closeloop_service.domain.rules import Member, Rules, TargetKind, Team
from heardback.zones import UTC_ZONE

DIGEST: Final = "digest"
"""The kind of the timers; the key is `owner/<name>` or `team/<id>`."""
_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)
_FIRST_HOUR: Final = time(9)
"""Who works around the clock is told then."""
_MOST_PERIODS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whom a digest is for: an owner with the teams that they are in, or one team."""

    key: str
    target_id: str
    calendar: Calendar
    owner: str | None
    teams: tuple[str, ...]
    members: tuple[Member, ...] = ()

    def is_away(self, now: datetime) -> bool:
        """Tell whether they are absent."""
        absences = [absence for member in self.members for absence in member.absences]
        return any(absence.from_at <= now < absence.to_at for absence in absences)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for a reader. `unowned`: in the queues of their teams. `urgent`: the first."""

    late: int
    due_today: int
    on_customer: int
    unowned: int
    urgent: Sequence[Item] = ()


def readers(rules: Rules) -> dict[str, Reader]:
    """Return whom digests are for, by the keys of their timers: who has a target of their own.

    A pager is none: a digest wakes nobody.
    """
    found: dict[str, Reader] = {}
    for team in rules.routing.teams.values():
        if _is_read(team.target, rules):
            found[f"team/{team.team_id}"] = _of_team(team, rules)
        for member in team.members:
            key = f"owner/{member.name}"
            if _is_read(member.target, rules) and key not in found:
                found[key] = _of_owner(key, member, team, rules)
    return found


def next_start(calendar: Calendar, after: datetime) -> datetime | None:
    """Return when the next working day begins after that instant; None: none ever does.

    A day begins with its first opening; a shift that goes past midnight begins one day, not two.
    Who works around the clock begins at nine.
    """
    zone = calendar.hours.zone or UTC_ZONE
    begin = _midnight(after, zone) - _DAY
    open_until = begin if calendar.is_open(begin - _INSTANT) else None
    last_day = None
    for opens, closes in islice(calendar.periods(begin), _MOST_PERIODS):
        is_whole = opens == _midnight(opens, zone) and closes == _next_midnight(opens, zone)
        is_tail = opens == open_until and not is_whole
        open_until = closes
        if is_tail:
            continue
        starts_at = _at_nine(opens, zone) if is_whole else opens
        day = starts_at.astimezone(zone).date()
        if day != last_day and starts_at > after:
            return starts_at
        last_day = day
    return None


def end_of_day(calendar: Calendar, now: datetime) -> datetime:
    """Return when the day is over that it is now, by the calendar's zone."""
    return _next_midnight(now, calendar.hours.zone or UTC_ZONE)


def text_of(reader: Reader, waiting: Waiting) -> MessageText | None:
    """Return what the digest says; None: there is nothing to say."""
    counted = [
        ("Late", waiting.late),
        ("Due today", waiting.due_today),
        ("Waiting on the customer", waiting.on_customer),
        ("Without an owner", waiting.unowned),
    ]
    facts = tuple((label, f"{number:,}") for label, number in counted if number)
    if not facts:
        return None
    urgent = tuple(waiting.urgent)
    alone = reader.teams[0] if reader.owner is None else None
    return MessageText(
        title=_title(reader, waiting),
        severity=Severity.INFO,
        path=board_path(owner=reader.owner, team=alone),
        facts=facts,
        items=urgent,
        more=waiting.late + waiting.due_today - len(urgent),
        team=alone,
    )


def _title(reader: Reader, waiting: Waiting) -> str:
    who = reader.owner or "The team"
    urgent = [
        f"{number:,} {word}"
        for number, word in ((waiting.late, "late"), (waiting.due_today, "due today"))
        if number
    ]
    return f"{who}, your day: {' and '.join(urgent) or 'nothing is due'}"


def _is_read(target_id: str | None, rules: Rules) -> bool:
    target = rules.alerting.targets.get(target_id or "")
    return target is not None and target.kind is not TargetKind.PAGERDUTY


def _of_team(team: Team, rules: Rules) -> Reader:
    assert team.target is not None
    return Reader(
        key=f"team/{team.team_id}",
        target_id=team.target,
        calendar=rules.calendars[team.calendar_id],
        owner=None,
        teams=(team.team_id,),
    )


def _of_owner(key: str, member: Member, team: Team, rules: Rules) -> Reader:
    assert member.target is not None
    of_them = [
        (there, other)
        for there in rules.routing.teams.values()
        for other in there.members
        if other.name == member.name
    ]
    return Reader(
        key=key,
        target_id=member.target,
        calendar=rules.calendars[member.calendar_id or team.calendar_id],
        owner=member.name,
        teams=tuple(there.team_id for there, _ in of_them),
        members=tuple(other for _, other in of_them),
    )


def _midnight(at: datetime, zone: ZoneInfo) -> datetime:
    return _on_the_wall(at.astimezone(zone).date(), time(0), zone)


def _next_midnight(at: datetime, zone: ZoneInfo) -> datetime:
    return _on_the_wall(at.astimezone(zone).date() + _DAY, time(0), zone)


def _at_nine(at: datetime, zone: ZoneInfo) -> datetime:
    return _on_the_wall(at.astimezone(zone).date(), _FIRST_HOUR, zone)


def _on_the_wall(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
