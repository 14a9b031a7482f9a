"""Reasons in plain words: what each is called, what it means, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trigger_service.domain.ledger import SCHEDULED
from trigger_service.domain.reason import Reason


@dataclass(frozen=True, slots=True)
class Said:
    """A reason. `advice`: what to do; `passed`: what is so where the rule had nothing against."""

    word: str
    meaning: str
    advice: str
    passed: str


_NOTHING: Final = "Nothing: this is as it should be."
_ADDRESS: Final = "Send it with the event or in a customer.updated, or add a channel."
_COOLDOWN: Final = "Nothing: this protects the customer. To wait instead, write on_throttle: defer."
_LIMIT: Final = "Raise it, or write on_throttle: defer to ask on the next day."

REASONS: Final[Mapping[Reason, Said]] = {
    Reason.NO_PROGRAM: Said(
        "No program listens",
        "No program names this touchpoint.",
        "Write one, or leave it. Misspelt? Names are compared letter by letter.",
        "A program listens",
    ),
    Reason.PAUSED: Said(
        "Paused",
        "The program is paused: it decides, and asks nobody.",
        "Activate it when it is to ask again.",
        "The program is not paused",
    ),
    Reason.ARCHIVED: Said(
        "Archived",
        "The program was archived, or its file is gone, while this waited.",
        "Activate the program to use it again.",
        "The program is not archived",
    ),
    Reason.TICKET_CLOSED_BY_AUTOMATION: Said(
        "Closed by automation",
        "No person closed the ticket, but automation, a spam filter or a merge.",
        _NOTHING,
        "Not closed by automation",
    ),
    Reason.REFUNDED: Said(
        "Refunded", "The order was refunded afterwards.", _NOTHING, "Not refunded"
    ),
    Reason.ORDER_CANCELLED: Said(
        "Order cancelled", "The order was cancelled afterwards.", _NOTHING, "Order not cancelled"
    ),
    Reason.REOPENED: Said(
        "Ticket reopened",
        "The ticket was opened again.",
        "Nothing: it is asked about when it is closed for good.",
        "Ticket not reopened",
    ),
    Reason.REVOKED: Said(
        "Taken back", "The product system took the touchpoint back.", _NOTHING, "Not taken back"
    ),
    Reason.ERASED: Said(
        "Erased",
        "The customer wants to be forgotten; this does not end.",
        _NOTHING,
        "The customer is not erased",
    ),
    Reason.CHURNED: Said(
        "Churned",
        "The customer has left.",
        "Nothing. Are they back? Publish customer.returned.",
        "The customer has not churned",
    ),
    Reason.UNSUBSCRIBED: Said(
        "Unsubscribed",
        "The customer does not want to be asked; only they can take that back.",
        _NOTHING,
        "The customer has not unsubscribed",
    ),
    Reason.EXPRESSION_FAILED: Said(
        "Expression failed",
        "“when” gave no answer, mostly because a field is not known of the customer.",
        "Have the field sent, or first ask whether it is known.",
        "“when” could be worked out",
    ),
    Reason.NOT_ELIGIBLE: Said(
        "Not eligible",
        "“when” says no to this customer.",
        "Nothing, if that is what you meant.",
        "“when” does not exclude the customer",
    ),
    Reason.NOT_ENOUGH_USES: Said(
        "Not enough uses",
        "The customer has not done it often enough yet.",
        "Wait, or lower after_uses.",
        "Enough uses, or none asked for",
    ),
    Reason.NOT_SAMPLED: Said(
        "Not their turn",
        "The customer is not in the part whose turn it is.",
        "Wait for the next period, or raise the share of the sample.",
        "It is the customer's turn",
    ),
    Reason.NO_EMAIL: Said(
        "No email address", "No email address is known.", _ADDRESS, "No email address is missing"
    ),
    Reason.INVALID_EMAIL: Said(
        "Invalid email address",
        "What is known as the email address is none.",
        "Correct it at its source.",
        "The email address is no nonsense",
    ),
    Reason.NO_PHONE: Said(
        "No phone number", "No phone number is known.", _ADDRESS, "No phone number is missing"
    ),
    Reason.INVALID_PHONE: Said(
        "Invalid phone number",
        "What is known as the phone number is none.",
        "Correct it at its source; it is written like +491701234567.",
        "The phone number is no nonsense",
    ),
    Reason.IN_FUTURE: Said(
        "In the future",
        "By its own time, it happens more than five minutes from now.",
        "Look at the clock of the system that sends it.",
        "It has happened already",
    ),
    Reason.STALE: Said(
        "Too late",
        "The event came late, or the invitation waited too long.",
        "Raise expires_after, or find out what is slow.",
        "Not too late",
    ),
    Reason.COOLDOWN_ANY: Said(
        "Asked recently",
        "Another survey of the customer is too near.",
        _COOLDOWN,
        "No other survey is too near",
    ),
    Reason.COOLDOWN_TYPE: Said(
        "Asked recently, same type",
        "Another survey of the same type is too near.",
        _COOLDOWN,
        "No survey of the same type is too near",
    ),
    Reason.COOLDOWN_PROGRAM: Said(
        "Asked recently, same program",
        "Another survey of this program is too near.",
        _COOLDOWN,
        "No other survey of this program is too near",
    ),
    Reason.QUIET_HOURS: Said(
        "Quiet hours",
        "It was due when nobody may be written to.",
        _NOTHING,
        "Not in quiet hours",
    ),
    Reason.QUOTA: Said(
        "Quota used up", "The segment's quota of the day was used up.", _LIMIT, "Quota left"
    ),
    Reason.DAILY_BUDGET: Said(
        "Daily budget used up",
        "The daily budget of all programs was used up.",
        _LIMIT,
        "Daily budget left",
    ),
    Reason.SHADOW: Said(
        "Would ask (shadow)",
        "All rules agree; but the program is a shadow and sends nothing.",
        "Like what you see? Activate the program.",
        "The program is not a shadow",
    ),
}
"""Every reason, in the order of the rules."""


def reason(name: str) -> Said:
    """Return the words for a reason, also for one that a newer release has written."""
    if name in REASONS:
        return REASONS[Reason(name)]
    word = name.replace("_", " ").capitalize()
    return Said(word, "This release does not know this reason.", "Update all replicas.", word)


def verdict(name: str) -> str:
    """Return what came of a touchpoint, in words."""
    return "Asked" if name == SCHEDULED else reason(name).word


def detail(name: str, text: str) -> str:
    """Return what more is known of a reason; a cooldown names the other program and its time."""
    program, _, at = text.rpartition(" ")
    if name.startswith("cooldown_"):
        return f"by {program}, {_moment(at)}"
    return _moment(text)


def _moment(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at.day} {at:%b %Y %H:%M} UTC"
