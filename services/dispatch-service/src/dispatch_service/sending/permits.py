"""Permits bound what a crash can repeat: what is on the wire, or sent and not recorded yet."""

import asyncio
from collections.abc import Callable


class Permit:
    """The permit for one message. Whoever records its outcome gives it back."""

    def __init__(self, permits: asyncio.Semaphore, *, still_wanted: Callable[[], bool]) -> None:
        self._permits = permits
        self._still_wanted = still_wanted
        self.is_held = False

    async def take(self) -> bool:
        """Wait for it; False: meanwhile the message is not to be sent any more."""
        await self._permits.acquire()
        self.is_held = True
        return self._still_wanted()
