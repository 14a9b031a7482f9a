"""Why a customer is not asked, or not yet. The order is that of the rules."""

from datetime import datetime
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Each rule, by the word for what it has against asking."""

    NO_PROGRAM = "no_program"
    PAUSED = "paused"
    ARCHIVED = "archived"
    TICKET_CLOSED_BY_AUTOMATION = "ticket_closed_by_automation"
    REFUNDED = "refunded"
    ORDER_CANCELLED = "order_cancelled"
    REOPENED = "reopened"
    REVOKED = "revoked"
    ERASED = "erased"
    CHURNED = "churned"
    UNSUBSCRIBED = "unsubscribed"
    EXPRESSION_FAILED = "expression_failed"
    NOT_ELIGIBLE = "not_eligible"
    NOT_ENOUGH_USES = "not_enough_uses"
    NOT_SAMPLED = "not_sampled"
    NO_EMAIL = "no_email"
    INVALID_EMAIL = "invalid_email"
    NO_PHONE = "no_phone"
    INVALID_PHONE = "invalid_phone"
    IN_FUTURE = "in_future"
    STALE = "stale"
    COOLDOWN_ANY = "cooldown_any"
    COOLDOWN_TYPE = "cooldown_type"
    COOLDOWN_PROGRAM = "cooldown_program"
    QUIET_HOURS = "quiet_hours"
    QUOTA = "quota"
    DAILY_BUDGET = "daily_budget"
    SHADOW = "shadow"


Against = dict[Reason, str]
"""Reasons against asking, each with what more there is to say about it."""

_WHEN_DUE: Final = {Reason.ARCHIVED, Reason.QUIET_HOURS, Reason.QUOTA, Reason.DAILY_BUDGET}

RULES: Final = tuple(r for r in Reason if r not in _WHEN_DUE and r is not Reason.NO_PROGRAM)
"""What every program looks at when it decides; the others are looked at when it is due."""


def in_order(against: Against) -> Against:
    """Return the reasons in the order of the rules."""
    if len(against) < 2:
        return against
    return {reason: against[reason] for reason in Reason if reason in against}


def minute(at: datetime) -> str:
    """Return `at` for people to read, whatever its year and offset are."""
    return at.isoformat(timespec="minutes").replace("+00:00", "Z")
