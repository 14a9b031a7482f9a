"""Keeping a rate: not faster, and after a delay not in a burst either."""

import asyncio
from time import monotonic


class Pace:
    """`await wait()` before each step; `per_second` 0 does not wait at all."""

    def __init__(self, per_second: float) -> None:
        self._seconds = 1 / per_second if per_second > 0 else 0.0
        self._next = monotonic()

    async def wait(self) -> None:
        """Return when the next step may be taken."""
        if not self._seconds:
            return
        delay = self._next - monotonic()
        if delay > 0:
            await asyncio.sleep(delay)
        self._next = max(self._next + self._seconds, monotonic() - 1.0)
