"""Durations as people write them: `30s`, `24h`, `7d`. Standard library only."""

import re
from datetime import timedelta
from typing import Final

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MOST_DAYS: Final = 3650


def parse_duration(text: object) -> timedelta:
    """Return the duration that `text` says.

    Shapes: a whole number and one of s, m, h, d, w.
    Raises: ValueError that says what to write instead.
    """
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        msg = f"{text!r} is not a duration; write one such as 30s, 15m, 24h, 7d or 2w"
        raise ValueError(msg)
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    if seconds > _MOST_DAYS * _UNIT_SECONDS["d"]:
        msg = f"{text!r} is too long; at most {_MOST_DAYS}d"
        raise ValueError(msg)
    return timedelta(seconds=seconds)
