"""The breaker: while the provider is away nothing is tried; then one mail goes first."""

from datetime import datetime, timedelta
from typing import Final

from heardback.retrying import Backoff

_PAUSE: Final = Backoff(first_seconds=1, longest_seconds=60)


class Breaker:
    """Tells how many mails may be claimed now. An outage costs one attempt per pause."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_until: datetime | None = None

    @property
    def tripped(self) -> bool:
        """Whether the provider was away when it was last tried."""
        return self._failures > 0

    def pause_seconds(self, now: datetime) -> float:
        """Return how long nothing may be tried, 0 when it may."""
        if self._closed_until is None:
            return 0
        return max(0.0, (self._closed_until - now).total_seconds())

    def failed(self, now: datetime) -> datetime:
        """Note that the provider is away; return when to try again.

        What was under way when it tripped fails too, and does not make the pause longer.
        """
        if self._closed_until is None or now >= self._closed_until:
            self._closed_until = now + timedelta(seconds=_PAUSE.seconds(self._failures))
            self._failures += 1
        return self._closed_until

    def worked(self) -> None:
        """Note that the provider answers."""
        self._failures = 0
        self._closed_until = None
