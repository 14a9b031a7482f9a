"""The rules of the closed loop as the domain uses them: made from the rulebooks, never changed.

Six rulebooks, each a versioned document: calendars, SLA policies, teams, playbooks, alerts,
improvements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from closeloop_service.domain.business_time import Calendar
from closeloop_service.domain.matching import Match as Match
from heardback.vocabulary import Category, SlaClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How long a clock may run.

    Units: `business` in the open time of the calendar, `ceiling` by the clock on the wall;
    whichever is reached first counts. Neither counts while the clock is paused.
    `calendar_id`: this clock's own; None: the policy's.
    """

    business: timedelta
    ceiling: timedelta | None = None
    calendar_id: str | None = None


class Rank(StrEnum):
    """Who in the task's own team is told."""

    OWNER = "owner"
    LEAD = "lead"
    HEAD = "head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """One level of the chain, `after` the breach in open time of the policy's calendar."""

    after: timedelta
    ranks: tuple[Rank, ...] = ()
    people: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaPolicy:
    """The clocks of the tasks that it is for, and who is told when one runs out.

    `pause_at_most`: the longest single wait on the customer, by the clock on the wall; None: no
    bound. The last level repeats every `repeat_every`, `repeat_at_most` times more.
    """

    policy_id: str
    calendar_id: str
    targets: Mapping[SlaClock, Target]
    when: Match = field(default_factory=Match)
    warning_share: float = 0.75
    pause_at_most: timedelta | None = timedelta(days=7)
    escalations: tuple[Escalation, ...] = ()
    repeat_every: timedelta | None = None
    repeat_at_most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A member is away, half-open."""

    from_at: datetime
    to_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody who can own tasks; known by `name` everywhere.

    No `languages` or `segments`: every one. `capacity`: so many active tasks are given to them at
    most. `target`: the alert target that reaches them.
    """

    name: str
    email: str | None = None
    languages: frozenset[str] = frozenset()
    segments: frozenset[str] = frozenset()
    capacity: int = 20
    calendar_id: str | None = None
    absences: tuple[Absence, ...] = ()
    target: str | None = None


class Strategy(StrEnum):
    """Who of those that can take a task gets it."""

    LEAST_LOADED = "least_loaded"
    ROUND_ROBIN = "round_robin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """People who share tasks. `calendar_id` holds for members without one of their own."""

    team_id: str
    title: str
    calendar_id: str
    members: tuple[Member, ...]
    strategy: Strategy = Strategy.LEAST_LOADED
    lead: str | None = None
    head: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingRule:
    """Tasks like these go to this team; the first rule that fits counts."""

    when: Match
    team_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Who gets a task. `owner_attribute`: where customer data names the account's owner."""

    teams: Mapping[str, Team]
    rules: tuple[RoutingRule, ...]
    owner_attribute: str | None = "account_owner"
    value_attribute: str | None = "annual_value"


class Opens(StrEnum):
    """When an answer of a group opens a task."""

    ALWAYS = "always"
    COMMENTED = "commented"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do, in order. `done_by`: a move that does it by itself; None: ticked off.

    `template`: what is suggested to be sent with it.
    """

    step_id: str
    title: str
    advice: str = ""
    done_by: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTemplate:
    """What an owner can send, by locale, in Liquid: `(subject, text)`."""

    template_id: str
    title: str
    texts: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """How the customers of one group are heard back."""

    category: Category
    opens: Opens
    steps: tuple[Step, ...]
    templates: Mapping[str, MessageTemplate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbooks:
    """The playbooks of the three groups, and the words that owners choose from."""

    by_category: Mapping[Category, Playbook]
    root_causes: tuple[str, ...]
    contact_channels: tuple[str, ...]
    compensations: tuple[str, ...]


class AlertKind(StrEnum):
    """What ops are told of."""

    OPENED = "opened"
    UNROUTED = "unrouted"
    WARNED = "warned"
    BREACHED = "breached"
    ESCALATED = "escalated"
    MESSAGE_FAILED = "message_failed"
    IMPROVEMENT_OPENED = "improvement_opened"
    IMPROVEMENT_OVERDUE = "improvement_overdue"
    TRACKER_FAILED = "tracker_failed"
    TARGET_FAILED = "target_failed"


class TargetKind(StrEnum):
    """What reaches ops."""

    SLACK = "slack"
    TEAMS = "teams"
    PAGERDUTY = "pagerduty"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTarget:
    """Where ops are reached. `secret` names the secret that it takes.

    Slack and Teams: the secret is the whole address, as who knows it can write there; PagerDuty:
    the routing key; webhook: what its calls are signed with. `url`: the webhook's address, or
    another PagerDuty than the one in the US.
    """

    target_id: str
    kind: TargetKind
    secret: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRoute:
    """Alerts of these kinds, about these teams, go to this target; every route that fits counts."""

    kinds: frozenset[AlertKind]
    target_id: str
    teams: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerting:
    """How ops are told. Alerts of one target within `group_within` are one message.

    `at_most_per_hour`: messages of one target; what is above it waits and is gathered.
    """

    targets: Mapping[str, AlertTarget]
    routes: tuple[AlertRoute, ...]
    group_within: timedelta = timedelta(seconds=30)
    at_most_per_hour: int = 60


class TrackerKind(StrEnum):
    """What keeps tickets."""

    JIRA = "jira"
    GITHUB = "github"
    LINEAR = "linear"
    ASANA = "asana"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracker:
    """Where the product team keeps its tickets.

    `project`: what the tracker calls it (a Jira project's key, `owner/repository`, a team's id, a
    project's gid); none for a webhook. `secret`: names the secret that holds its token;
    `webhook_secret`: the one that proves what the tracker calls us with.
    """

    tracker_id: str
    kind: TrackerKind
    base_url: str | None
    project: str | None
    secret: str
    webhook_secret: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvements:
    """What becomes of themes: who owns them, where the ticket is, what reporters are told.

    `owners`: by theme id; `owner` is everyone else's. `told`: by locale, `(subject, text)`.
    """

    trackers: Mapping[str, Tracker]
    tracker_id: str | None
    owner: str | None
    owners: Mapping[str, str]
    told: Mapping[str, tuple[str, str]]
    due_after: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules in force. `version` changes with every one that is saved."""

    version: int
    calendars: Mapping[str, Calendar]
    policies: Sequence[SlaPolicy]
    routing: Routing
    playbooks: Playbooks
    alerting: Alerting
    improvements: Improvements
