"""One improvement and one tracker of each kind: its double, its rules, and its ways to change."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from fastapi import Response

from closeloop_service.domain.rules import Tracker, TrackerKind
from closeloop_service.domain.ticket import TicketText

from .doubles import asana, github, jira, linear, receiver
from .doubles.base import Double

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KEY = "00000000-0000-7000-8000-000000000001"


def a_text(**changes: Any) -> TicketText:
    """Return what a ticket says."""
    fields: dict[str, Any] = {
        "key": KEY,
        "improvement_id": KEY,
        "theme_id": "late-delivery",
        "title": "Late delivery",
        "responses": 42,
        "detractors": 30,
        "customers": 40,
        "reporters": 40,
        "revenue_at_risk": 120_000.0,
        "currency": "EUR",
        "owner": "Maya Lind",
        "since": date(2026, 2, 1),
        "due_on": date(2026, 4, 1),
        "quotes": ("It came *two* weeks late. @everyone #1 <b>[x](http://y)</b>",),
        "link": "https://heardback.example/console/improvements/1",
    }
    return TicketText(**{**fields, **changes})


@dataclass
class Stage:
    """A tracker's double, and how the same thing happens in each.

    `texts`: the descriptions of all tickets; `limited`: its rate limit, for 90 seconds.
    """

    double: Any
    tracker: Tracker
    secret: str
    texts: Callable[[], list[str]]
    limited: Callable[[], Response]
    ways: dict[str, Callable[[], None]] = field(default_factory=dict)

    @property
    def watched(self) -> Double:
        return self.double


def stage_of(kind: TrackerKind) -> Stage:
    """Return the stage of a kind, whose address is not known yet."""
    return _STAGES[kind]()


def a_tracker(kind: TrackerKind, project: str | None, **options: str) -> Tracker:
    return Tracker(
        tracker_id="product",
        kind=kind,
        base_url=None,
        project=project,
        secret="tracker_token",
        webhook_secret="tracker_hook",
        options=options,
    )


def _first(tickets: dict[str, Any], **changes: Any) -> Callable[[], None]:
    """Return what changes the first ticket."""

    def change() -> None:
        ticket = next(iter(tickets.values()))
        for name, value in changes.items():
            setattr(ticket, name, value)

    return change


def _jira() -> Stage:
    double = jira.JiraDouble()

    first = partial(_first, double.issues)
    return Stage(
        double=double,
        tracker=a_tracker(TrackerKind.JIRA, "CX", email=jira.EMAIL),
        secret=jira.TOKEN,
        texts=lambda: [str(issue.description) for issue in double.issues.values()],
        limited=lambda: jira.rate_limited(90),
        ways={
            "plan": first(status=("In Progress", "indeterminate")),
            "done": first(status=("Done", "done"), resolution="Done"),
            "declined": first(status=("Done", "done"), resolution="Won't Do"),
            "reopen": first(status=("To Do", "new"), resolution=None),
            "move": first(key="NEW-7"),
            "delete": double.issues.clear,
        },
    )


def _github() -> Stage:
    double = github.GitHubDouble()

    first = partial(_first, double.issues)
    return Stage(
        double=double,
        tracker=a_tracker(TrackerKind.GITHUB, "example/product", planned_label="doing"),
        secret=github.TOKEN,
        texts=lambda: [issue.body for issue in double.issues.values()],
        limited=lambda: github.rate_limited(NOW + timedelta(seconds=90)),
        ways={
            "plan": first(labels=["doing"]),
            "done": first(state="closed", state_reason="completed"),
            "declined": first(state="closed", state_reason="not_planned"),
            "reopen": first(state="open", state_reason="reopened"),
            "move": lambda: double.move("example/product#1", "example/new#7"),
            "delete": first(deleted=True),
        },
    )


def _linear() -> Stage:
    double = linear.LinearDouble()

    first = partial(_first, double.issues)
    return Stage(
        double=double,
        tracker=a_tracker(TrackerKind.LINEAR, linear.TEAM),
        secret=linear.KEY,
        texts=lambda: [issue.description for issue in double.issues.values()],
        limited=lambda: linear.rate_limited(NOW + timedelta(seconds=90)),
        ways={
            "plan": first(state="started"),
            "done": first(state="completed"),
            "declined": first(state="canceled"),
            "reopen": first(state="unstarted"),
            "move": first(identifier="NEW-7"),
            "delete": first(trashed=True),
        },
    )


def _asana() -> Stage:
    double = asana.AsanaDouble()

    first = partial(_first, double.tasks)
    options = {"planned_sections": "Doing, Review", "declined_sections": "Won't do"}
    return Stage(
        double=double,
        tracker=a_tracker(TrackerKind.ASANA, asana.PROJECT, **options),
        secret=asana.TOKEN,
        texts=lambda: [task.notes for task in double.tasks.values()],
        limited=lambda: asana.rate_limited(90),
        ways={
            "plan": first(section="Doing"),
            "done": first(completed=True),
            "declined": first(completed=True, section="Won't do"),
            "reopen": first(completed=False, section="Backlog"),
            "move": first(name="NEW-7"),
            "delete": double.tasks.clear,
        },
    )


def _receiver() -> Stage:
    double = receiver.ReceiverDouble()
    return Stage(
        double=double,
        tracker=a_tracker(TrackerKind.WEBHOOK, None),
        secret=receiver.SECRET,
        texts=lambda: [str(message["data"]) for message in double.messages.values()],
        limited=lambda: asana.rate_limited(90),
    )


_STAGES: dict[TrackerKind, Callable[[], Stage]] = {
    TrackerKind.JIRA: _jira,
    TrackerKind.GITHUB: _github,
    TrackerKind.LINEAR: _linear,
    TrackerKind.ASANA: _asana,
    TrackerKind.WEBHOOK: _receiver,
}
BASE_PATHS = {TrackerKind.ASANA: "/api/1.0", TrackerKind.WEBHOOK: "/tickets"}
READ_BACK = tuple(kind for kind in TrackerKind if kind is not TrackerKind.WEBHOOK)
