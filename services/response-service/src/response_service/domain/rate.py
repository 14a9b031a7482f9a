"""How often somebody may come: a sliding window, in constant time and bounded memory."""

import math
import re
from datetime import datetime
from typing import Final

_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600}
_MOST_THINGS: Final = 100
_MOST_KEYS: Final = 100_000
"""Counted within a window; upon more, the counting begins anew: memory has an end."""
_TEXT: Final = re.compile(r"([1-9][0-9]{0,8})/(second|minute|hour)")


class RateLimit:
    """Lets each key pass so many times in a window.

    It counts by windows and weighs the one before by how much of it still lies within reach, which
    errs by a few percent and needs two numbers for a key. Two windows back is forgotten.
    """

    def __init__(self, text: str) -> None:
        """`text`: `300/minute`; empty: no limit.

        Raises: ValueError.
        """
        parts = _TEXT.fullmatch(text)
        if text and not parts:
            msg = f"a limit is a number per second, minute or hour, such as 300/minute, not {text}"
            raise ValueError(msg)
        self._most: Final = int(parts[1]) if parts else 0
        self._seconds: Final = _UNITS[parts[2]] if parts else 1
        self._window = 0
        self._counts: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def take(self, key: str, now: datetime) -> int:
        """Count a request. Return 0: it may pass; else in how many seconds to come again."""
        if not self._most:
            return 0
        window, passed = divmod(now.timestamp(), self._seconds)
        self._turn(int(window))
        share = 1 - passed / self._seconds
        count, before = self._counts.get(key, 0), self._before.get(key, 0)
        if before * share + count >= self._most:
            return self._wait(count, before, passed)
        if count == 0 and len(self._counts) >= _MOST_KEYS:
            self._counts.clear()
        self._counts[key] = count + 1
        return 0

    def _wait(self, count: int, before: int, passed: float) -> int:
        """Return the whole seconds after which enough of the window before is out of reach."""
        left = (self._most - count) / before if count < self._most else 0
        return math.floor(self._seconds * (1 - left) - passed) + 1

    def _turn(self, window: int) -> None:
        if window != self._window:
            self._before = self._counts if window == self._window + 1 else {}
            self._counts = {}
            self._window = window


class Variety:
    """Counts how many different things each key did within about a minute."""

    def __init__(self) -> None:
        self._minute = 0
        self._now: dict[bytes, set[str]] = {}
        self._before: dict[bytes, set[str]] = {}

    def note(self, key: bytes, thing: str, now: datetime) -> int:
        """Return how many other things `key` did in this minute and the one before."""
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._before = self._now if minute == self._minute + 1 else {}
            self._now = {}
            self._minute = minute
        if len(self._now) >= _MOST_KEYS:
            self._now.clear()
        things = self._now.setdefault(key, set())
        if len(things) < _MOST_THINGS:
            things.add(thing)
        return len((things | self._before.get(key, set())) - {thing})
