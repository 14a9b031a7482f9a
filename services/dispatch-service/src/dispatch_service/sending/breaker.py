"""The breaker: while a provider is away nothing is tried; then one message goes first."""

from datetime import datetime, timedelta
from typing import Final

from heardback.retrying import Backoff

_PAUSE: Final = Backoff(first_seconds=1, longest_seconds=60)


class Breaker:
    """Tells whether a provider may be tried now. An outage costs one attempt per pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until: datetime | None = None

    @property
    def tripped(self) -> bool:
        """Whether the provider was away when it was last tried: one probe at a time, then."""
        return self._failures > 0

    def pause_seconds(self, now: datetime) -> float:
        """Return how long nothing may be tried, 0 when it may."""
        if self._open_until is None:
            return 0
        return max(0.0, (self._open_until - now).total_seconds())

    def failed(self, now: datetime, *, at_least_seconds: float = 0) -> None:
        """Note that the provider is away, and for how long it asked to be left alone.

        What was under way when it tripped fails too, and does not make the pause longer.
        """
        asked_for = now + timedelta(seconds=at_least_seconds)
        if self._open_until is None or now >= self._open_until:
            self._open_until = now + timedelta(seconds=_PAUSE.seconds(self._failures))
            self._failures += 1
        self._open_until = max(self._open_until, asked_for)

    def worked(self) -> None:
        """Note that the provider answers."""
        self._failures = 0
        self._open_until = None
