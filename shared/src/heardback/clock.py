"""The one source of time. Everything that needs the time is given a `Clock`."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Protocol


class Clock(Protocol):
    """Tells the time and waits for it to pass."""

    def now(self) -> datetime:
        """Return the current instant, aware and in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock have passed."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  # the one place that reads it

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # noqa: TID251  # the one place that waits for it


async def wait_any(*events: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait until one of `events` is set, but no longer than `seconds` of `clock`."""
    if seconds <= 0 or any(event.is_set() for event in events):
        return
    waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(event.wait()) for event in events]
    waits.append(asyncio.ensure_future(clock.sleep(seconds)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def breathe() -> None:
    """Let whatever else is ready on the event loop go first."""
    await asyncio.sleep(0)  # noqa: TID251  # no time passes
