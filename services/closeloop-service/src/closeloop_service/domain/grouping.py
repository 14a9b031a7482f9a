"""How the alerts that wait for one target become messages: when, how many, and in which words.

However many alerts come within a while, they are one message: how many of what in which team, the
most urgent by name, and where all of them stand.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlencode
from uuid import NAMESPACE_URL, uuid5

from closeloop_service.domain.rules import Alerting, AlertKind

MOST_NAMED: Final = 10
"""So many of a message's subjects are named, the most urgent."""
MOST_INCIDENTS: Final = 5
"""So many subjects become an incident each, where there are incidents; more of them are one."""
URGENCY: Final = (
    AlertKind.ESCALATED,
    AlertKind.BREACHED,
    AlertKind.TARGET_FAILED,
    AlertKind.UNROUTED,
    AlertKind.MESSAGE_FAILED,
    AlertKind.TRACKER_FAILED,
    AlertKind.IMPROVEMENT_OVERDUE,
    AlertKind.WARNED,
    AlertKind.OPENED,
    AlertKind.IMPROVEMENT_OPENED,
)
"""The kinds of alerts, the most urgent first."""

_HOUR: Final = timedelta(hours=1)
_MOST_TEAMS: Final = 8
_LONGEST_INCIDENT: Final = 255
_IMPROVEMENTS: Final = "/console/improvements"


class Severity(StrEnum):
    """How urgent a message is, in the words of PagerDuty's common event format."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_SEVERITY: Final = {
    AlertKind.ESCALATED: Severity.CRITICAL,
    AlertKind.BREACHED: Severity.ERROR,
    AlertKind.OPENED: Severity.INFO,
    AlertKind.IMPROVEMENT_OPENED: Severity.INFO,
}
_WORDS: Final = {
    AlertKind.ESCALATED: ("Escalated", "escalated task", "escalated tasks"),
    AlertKind.BREACHED: ("Late", "late task", "late tasks"),
    AlertKind.TARGET_FAILED: ("Targets", "target fails", "targets fail"),
    AlertKind.UNROUTED: ("Unrouted", "task without an owner", "tasks without an owner"),
    AlertKind.MESSAGE_FAILED: ("Messages", "message to a customer failed", "messages failed"),
    AlertKind.TRACKER_FAILED: ("Trackers", "tracker fails", "trackers fail"),
    AlertKind.IMPROVEMENT_OVERDUE: ("Overdue", "overdue improvement", "overdue improvements"),
    AlertKind.WARNED: ("Due soon", "task due soon", "tasks due soon"),
    AlertKind.OPENED: ("New", "new task", "new tasks"),
    AlertKind.IMPROVEMENT_OPENED: ("Improvements", "new improvement", "new improvements"),
}
_VIEWS: Final = {
    AlertKind.ESCALATED: "breached",
    AlertKind.BREACHED: "breached",
    AlertKind.UNROUTED: "unrouted",
    AlertKind.WARNED: "due",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One subject of a message, by name. `path`: where it is, on the board."""

    title: str
    text: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageText:
    """What a message says, whichever target it goes to.

    `facts`: labels and what they say. `more`: so many subjects beside the `items`. `path`: where
    all of them are, on the board. `team`: the one team that it is about, if it is one.
    """

    title: str
    severity: Severity
    path: str
    facts: tuple[tuple[str, str], ...] = ()
    items: tuple[Item, ...] = ()
    more: int = 0
    team: str | None = None

    def to_document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "MessageText":
        """Return what `to_document` made plain."""
        return cls(
            title=document["title"],
            severity=Severity(document["severity"]),
            path=document["path"],
            facts=tuple((label, text) for label, text in document["facts"]),
            items=tuple(Item(**item) for item in document["items"]),
            more=document["more"],
            team=document["team"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """So many alerts of a kind about a team. `subjects`: about so many tasks and other things."""

    kind: AlertKind
    team: str | None
    alerts: int
    subjects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alert that is named: the most urgent one about its subject."""

    kind: AlertKind
    alert_key: str
    title: str
    text: str
    task_id: str | None = None
    improvement_id: str | None = None
    team: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """All that waits for a target. `subjects`: how many tasks and other things it is about."""

    counts: Sequence[Count]
    urgent: Sequence[Raised]
    subjects: int

    @property
    def alerts(self) -> int:
        """How many alerts it is."""
        return sum(count.alerts for count in self.counts)


def tell_at(first_raised_at: datetime, made: Sequence[datetime], alerting: Alerting) -> datetime:
    """Return when what has waited since then is told.

    `made`: when the newest messages to the target were made, the newest first.
    """
    ready_at = first_raised_at + alerting.group_within
    if len(made) < alerting.at_most_per_hour:
        return ready_at
    return max(ready_at, made[alerting.at_most_per_hour - 1] + _HOUR)


def are_incidents(gathered: Gathered, made: Sequence[datetime], alerting: Alerting) -> bool:
    """Tell whether each subject becomes an incident of its own: few enough, and there is room.

    `made`: when the messages of the last hour were made.
    """
    room = alerting.at_most_per_hour - len(made)
    return gathered.subjects <= min(MOST_INCIDENTS, room, len(gathered.urgent))


def incident_of(raised: Raised) -> str:
    """Return what the incident about an alert's subject is called: for a task, always the same."""
    name = raised.alert_key if raised.task_id is None else f"task/{raised.task_id}"
    return name[:_LONGEST_INCIDENT]


def text_of(gathered: Gathered, titles: Mapping[str, str]) -> MessageText:
    """Return what is said of all that was gathered. `titles`: what teams are called."""
    first = gathered.urgent[0]
    alone = gathered.subjects == 1
    teams = {count.team for count in gathered.counts}
    by_kind = _by_kind(gathered.counts)
    items = tuple(_item(raised) for raised in gathered.urgent[:MOST_NAMED])
    return MessageText(
        title=one_line(first.title) if alone else _title(by_kind),
        severity=_SEVERITY.get(first.kind, Severity.WARNING),
        path=items[0].path if alone else _path(by_kind, teams),
        facts=() if alone else tuple(_fact(kind, by_kind[kind], titles) for kind in by_kind),
        items=items,
        more=gathered.subjects - len(items),
        team=first.team if len(teams) == 1 else None,
    )


def derived_id(*parts: str) -> str:
    """Return the id of a message that there is once: the same parts make the same id."""
    return str(
        uuid5(NAMESPACE_URL, "heardback:" + "/".join(quote(part, safe="") for part in parts))
    )


def board_path(**query: str | None) -> str:
    """Return the address of the board with these filters."""
    given = {name: value for name, value in query.items() if value}
    return f"/?{urlencode(given)}" if given else "/"


def task_path(task_id: str) -> str:
    """Return the address of a task's page."""
    return f"/board/tasks/{quote(task_id, safe='')}"


def one_line(text: str) -> str:
    """Return a customer's or a person's words in one line, without what can't be seen."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _by_kind(counts: Sequence[Count]) -> dict[AlertKind, dict[str | None, int]]:
    """Return how many of each kind there are in each team; the most urgent and the most first."""
    found: dict[AlertKind, dict[str | None, int]] = defaultdict(lambda: defaultdict(int))
    for count in sorted(counts, key=lambda count: (URGENCY.index(count.kind), -count.subjects)):
        found[count.kind][count.team] += count.subjects
    return found


def _title(by_kind: Mapping[AlertKind, Mapping[str | None, int]]) -> str:
    sums = {kind: sum(teams.values()) for kind, teams in by_kind.items()}
    return ", ".join(f"{number:,} {_WORDS[kind][min(number, 2)]}" for kind, number in sums.items())


def _fact(
    kind: AlertKind, teams: Mapping[str | None, int], titles: Mapping[str, str]
) -> tuple[str, str]:
    named = [
        f"{'no team' if team is None else titles.get(team, team)} {number:,}"
        for team, number in list(teams.items())[:_MOST_TEAMS]
    ]
    rest = list(teams.values())[_MOST_TEAMS:]
    if rest:
        named.append(f"{len(rest)} more teams {sum(rest):,}")
    return _WORDS[kind][0], ", ".join(named)


def _item(raised: Raised) -> Item:
    path = task_path(raised.task_id) if raised.task_id else "/"
    if raised.improvement_id and not raised.task_id:
        path = f"{_IMPROVEMENTS}/{quote(raised.improvement_id, safe='')}"
    return Item(title=one_line(raised.title), text=one_line(raised.text), path=path)


def _path(by_kind: Mapping[AlertKind, object], teams: set[str | None]) -> str:
    if set(by_kind) <= {AlertKind.IMPROVEMENT_OPENED, AlertKind.IMPROVEMENT_OVERDUE}:
        return _IMPROVEMENTS
    views = {_VIEWS.get(kind) for kind in by_kind}
    view = next(iter(views)) if len(views) == 1 else None
    team = next(iter(teams)) if len(teams) == 1 else None
    return board_path(view=view, team=team)
