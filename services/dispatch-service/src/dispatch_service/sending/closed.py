"""The loop of a channel without a provider here: what waits in it would hold up its customers."""

import asyncio
from typing import Final

from dispatch_service import delivery
from heardback.clock import wait_any
from heardback.db import Database, is_transient
from heardback.health import Check
from heardback.retrying import until_it_works
from heardback.vocabulary import Channel

_LOOK_SECONDS: Final = 15.0
_MOST: Final = 200


class Closed:
    """Drops what is due in a channel, until it is told to stop."""

    def __init__(self, *, database: Database, check: Check, channel: Channel) -> None:
        self._database = database
        self._check = check
        self._channel = channel

    async def run(self, stop: asyncio.Event) -> None:
        """Drop until `stop` is set."""
        clock = self._database.clock
        while not stop.is_set():
            dropped = await until_it_works(
                self._drop, worth_retrying=is_transient, stop=stop, clock=clock, check=self._check
            )
            if dropped != _MOST:
                await wait_any(stop, clock=clock, seconds=_LOOK_SECONDS)

    async def _drop(self) -> int:
        async with self._database.transaction() as tx:
            return await delivery.turn_away(tx, self._channel, limit=_MOST)
