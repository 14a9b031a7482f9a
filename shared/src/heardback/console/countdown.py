"""How long is left, in words; `clocks.js` says the same while it ticks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SOON: Final = timedelta(minutes=30)
"""From here on a clock is shown as due soon."""

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Countdown:
    """The text of a clock, and how urgent it is: `ok`, `soon` or `late`."""

    text: str
    level: str


def countdown(due_at: datetime, now: datetime) -> Countdown:
    """Return what a clock that is due at `due_at` shows; at that instant it is late."""
    left = due_at - now
    seconds = abs(int(left.total_seconds()))
    if left <= timedelta(0):
        return Countdown(text=f"{_duration(seconds)} late", level="late")
    return Countdown(text=_duration(seconds), level="soon" if left < SOON else "ok")


def _duration(seconds: int) -> str:
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}:{seconds % _MINUTE:02}"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE:02} m"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR:02} h"
