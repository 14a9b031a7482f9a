"""A clock that stands still until a test moves it, and ids that count."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday morning."""


class ManualClock:
    """Time passes only by `advance`."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._sleepers: list[tuple[datetime, asyncio.Event]] = []

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Let time pass and wake who slept until then; return the new time."""
        self._now += by
        for due_at, wake in self._sleepers:
            if due_at <= self._now:
                wake.set()
        self._sleepers = [(due, wake) for due, wake in self._sleepers if due > self._now]
        return self._now

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.Event()
        self._sleepers.append((self._now + timedelta(seconds=seconds), wake))
        await wake.wait()


class CountedIds:
    """UUIDs that count up from 1, so that a test can name them."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"00000000-0000-7000-8000-{self._count:012d}"
