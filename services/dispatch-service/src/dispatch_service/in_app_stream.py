"""Open streams of cards: whoever listens is sent all of their cards each time that these change.

Every replica listens to the doorbell, so a card that one has sent shows at once on pages that
another serves. A stream keeps only the newest state: a slow reader costs no memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson

from dispatch_service import metrics
from dispatch_service.cards import CHANGED, Card, Shelf
from dispatch_service.in_app_tokens import Holder
from heardback.clock import wait_any
from heardback.db import Database, is_transient
from heardback.doorbell import at_each_ring
from heardback.errors import TooManyRequests
from heardback.service import Run, Runtime

HEARTBEAT_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 60.0
_AT_ONCE: Final = 500
_MOST_OF_ONE: Final = 5
_COME_BACK_SECONDS: Final = 60
_BEAT: Final = b": beat\n\n"

Say = Callable[[Sequence[Card]], Mapping[str, Any]]
"""Makes of a customer's cards what one stream says of them."""


class _Listener:
    """One open stream: what it was told last, and what it is to be told."""

    def __init__(self, customer_id: str, say: Say) -> None:
        self.customer_id = customer_id
        self.ready = asyncio.Event()
        self._say = say
        self._told: bytes | None = None
        self._next: bytes | None = None
        self._look = 0

    def offer(self, cards: Sequence[Card], *, look: int) -> None:
        """Have cards told, unless they were read before those that were offered last."""
        if look < self._look:
            return
        self._look = look
        said = b"event: cards\ndata: " + orjson.dumps(self._say(cards)) + b"\n\n"
        if said != self._told:
            self._next = self._told = said
            self.ready.set()

    def take(self) -> bytes:
        taken, self._next = self._next or _BEAT, None
        self.ready.clear()
        return taken


class Streams:
    """The open streams of this process."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._listeners: set[_Listener] = set()
        self._looks = 0

    def check_room(self, customer_id: str) -> None:
        """Refuse one stream more than a customer's open pages can need.

        Raises: TooManyRequests.
        """
        if sum(one.customer_id == customer_id for one in self._listeners) >= _MOST_OF_ONE:
            raise TooManyRequests(retry_after_seconds=_COME_BACK_SECONDS)

    def loop(self, runtime: Runtime) -> Run:
        """Return the loop that feeds them, for `Service.loops`."""

        async def feed() -> None:
            await self.feed(runtime.database)

        # Cards also expire, with time alone.
        return at_each_ring(
            runtime.doorbell.bell(CHANGED),
            feed,
            idle_seconds=_LOOK_SECONDS,
            clock=runtime.clock,
            check=runtime.health.check("cards"),
        )

    async def feed(self, database: Database) -> None:
        """Tell every listener whose cards have changed."""
        customers = sorted({listener.customer_id for listener in self._listeners})
        for start in range(0, len(customers), _AT_ONCE):
            some = customers[start : start + _AT_ONCE]
            look = self._new_look()
            cards = await self._shelf.of(database, some)
            asked = set(some)
            for listener in self._listeners:
                if listener.customer_id in asked:
                    listener.offer(cards.get(listener.customer_id, ()), look=look)

    async def listen(
        self, holder: Holder, say: Say, *, database: Database, stop: asyncio.Event
    ) -> AsyncIterator[bytes]:
        """Yield what one stream is sent, until `stop` is set or the token's time is over."""
        listener, clock = _Listener(holder.customer_id, say), database.clock
        self._listeners.add(listener)
        metrics.IN_APP_STREAMS.add(1)
        try:
            yield b"retry: 5000\n\n"
            # Whoever listens first and looks then misses nothing.
            look = self._new_look()
            cards = await self._shelf.of(database, [holder.customer_id])
            listener.offer(cards.get(holder.customer_id, ()), look=look)
            while not stop.is_set() and clock.now() < holder.expires_at:
                yield listener.take()
                seconds = _until(holder.expires_at, clock.now())
                await wait_any(listener.ready, stop, clock=clock, seconds=seconds)
        except Exception as error:
            if not is_transient(error):
                raise
            return  # the browser comes back by itself
        finally:
            self._listeners.discard(listener)
            metrics.IN_APP_STREAMS.add(-1)

    def _new_look(self) -> int:
        """Number the looks in the order in which they begin."""
        self._looks += 1
        return self._looks


def _until(expires_at: datetime, now: datetime) -> float:
    return min(HEARTBEAT_SECONDS, (expires_at - now).total_seconds())
