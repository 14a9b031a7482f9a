"""Who carries a channel's messages: the first provider, or the next one while it is away."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from dispatch_service.adapters.interface import Adapter
from dispatch_service.domain.message import Claim
from dispatch_service.sending.breaker import Breaker
from dispatch_service.sending.budget import Budget

_CLAIMS_PER_LINE: Final = 32
"""More than this is not claimed ahead, or a slow provider would let leases run out."""

_REMEMBERED: Final = 8
"""About so many messages say how long one takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """One provider of a channel, and how much it takes; no budget: as much as there is."""

    adapter: Adapter[Any]
    budget: Budget | None = None


class Route:
    """A provider, its breaker, and what was claimed for it."""

    def __init__(self, outlet: Outlet, *, batch_size: int, lease: timedelta) -> None:
        longest = timedelta(seconds=outlet.adapter.at_most_seconds)
        self.needs: Final = min(longest, lease / 2)
        """What must be left of a lease for something to be sent within it."""
        self._lease: Final = lease
        self._each = timedelta()
        self.adapter: Final = outlet.adapter
        self.budget: Final = outlet.budget
        self.breaker: Final = Breaker()
        self.queue: Final[asyncio.Queue[Claim | None]] = asyncio.Queue()
        self.under_way = 0
        self._batch_size: Final = min(batch_size, _CLAIMS_PER_LINE * outlet.adapter.at_once)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.adapter.name

    @property
    def just_ran_low(self) -> bool:
        """Whether it is time to claim more: in halves, so that sending never waits for claiming."""
        return self.queue.qsize() in (0, self._most() // 2)

    def room(self) -> int:
        """Return how many messages may be claimed for it now, unless its breaker is open."""
        if self.breaker.tripped:
            return 1 - self.under_way
        waiting, most = self.queue.qsize(), self._most()
        return most - waiting if waiting <= most // 2 else 0

    def took(self, time: timedelta) -> None:
        """Note how long one message has taken."""
        self._each += (time - self._each) / _REMEMBERED

    def _most(self) -> int:
        """Return how much is claimed ahead: no more than can be sent before its lease is over."""
        if not self._each:
            return self._batch_size
        in_time = self.adapter.at_once * ((self._lease - self.needs) // self._each)
        return min(self._batch_size, max(self.adapter.at_once, in_time))

    def put(self, claims: Sequence[Claim]) -> None:
        """Add to what is to be sent."""
        self.under_way += len(claims)
        for claim in claims:
            self.queue.put_nowait(claim)


def standing_by(routes: Sequence[Route], now: datetime) -> Route | None:
    """Return the provider that the next claim is for; None: nobody may be tried now.

    A provider that is being probed lets the next one go on meanwhile.
    """
    for route in routes:
        probing = route.breaker.tripped and route.room() <= 0
        if not route.breaker.pause_seconds(now) and not probing:
            return route
    return None


def pause_seconds(routes: Sequence[Route], now: datetime) -> float:
    """Return how long until some provider may be tried, 0 when one may."""
    return min(route.breaker.pause_seconds(now) for route in routes)
