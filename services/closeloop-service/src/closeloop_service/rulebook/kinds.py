"""The six kinds of rulebooks."""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a rulebook is about; the order in which one needs the other."""

    CALENDARS = "calendars"
    SLA_POLICIES = "sla-policies"
    TEAMS = "teams"
    PLAYBOOKS = "playbooks"
    ALERTS = "alerts"
    IMPROVEMENTS = "improvements"

    @property
    def label(self) -> str:
        """What people call it."""
        return _TITLES[self]

    @property
    def about(self) -> str:
        """What it says, in a sentence."""
        return _ABOUT[self]


_TITLES: Final = {
    Kind.CALENDARS: "Calendars",
    Kind.SLA_POLICIES: "SLA policies",
    Kind.TEAMS: "Teams",
    Kind.PLAYBOOKS: "Playbooks",
    Kind.ALERTS: "Alerts",
    Kind.IMPROVEMENTS: "Improvements",
}
_ABOUT: Final = {
    Kind.CALENDARS: "When somebody works: time zones, shifts, holidays, breaks.",
    Kind.SLA_POLICIES: "How soon a customer is heard back, and who is told when it gets late.",
    Kind.TEAMS: "Who owns tasks: people, what they can take, and who gets which task.",
    Kind.PLAYBOOKS: "What owners do, step by step, and what they can send.",
    Kind.ALERTS: "Where ops are told: Slack, Teams, PagerDuty, or a webhook of yours.",
    Kind.IMPROVEMENTS: "What becomes of themes: tickets, owners, and what reporters are told.",
}
