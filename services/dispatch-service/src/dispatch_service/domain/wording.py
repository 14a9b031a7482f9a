"""How a touchpoint is called when we speak of it to a customer."""

from datetime import datetime
from typing import Final

_INTERACTIONS: Final = {
    "purchase": "your recent purchase",
    "ticket-closed": "your support request",
    "onboarding-complete": "getting set up",
}


def interaction(touchpoint: str) -> str:
    """Return words for what happened, as in "how was …?"."""
    words = " ".join(touchpoint.replace("-", " ").split())
    return _INTERACTIONS.get(touchpoint) or f"your {words}"


def occasion(touchpoint: str, occurred_at: datetime) -> str:
    """Return words for what happened and when: "your recent purchase (2 March)"."""
    return f"{interaction(touchpoint)} ({occurred_at.day} {occurred_at:%B})"
