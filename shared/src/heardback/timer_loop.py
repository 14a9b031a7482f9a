"""The timer loop: sleeps until the next timer is due, fires what is, each effect once.

It is woken when an earlier timer is written, so no polling interval shows up as lateness.
A timer whose handler fails is tried later, a little later each time, then set aside.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog

from heardback import dead_letters, metrics, timers
from heardback.bulk import json_text
from heardback.clock import Clock, wait_any
from heardback.db import Database, Transaction, is_transient
from heardback.dead_letters import DeadLetter
from heardback.health import Check
from heardback.retrying import Backoff, describe, until_it_works
from heardback.timers import Timer

TimerHandler = Callable[[Transaction, Sequence[Timer]], Awaitable[None]]
"""Has the effects of due timers, the earliest first, within the transaction that deletes them.

One that stands for several kinds is given all of them at once, so that it can lock in one order.
"""

_log = structlog.get_logger(__name__)
_LONGEST_SLEEP_SECONDS: Final = timers.LONGEST_SLEEP.total_seconds()
_LOCKED_ELSEWHERE_SECONDS: Final = 0.02
_MOST_ATTEMPTS: Final = 10
_BACKOFF: Final = Backoff(first_seconds=1, longest_seconds=600)


class TimerLoop:
    """Fires the timers of one service."""

    def __init__(
        self,
        *,
        database: Database,
        handlers: Mapping[str, TimerHandler],
        bell: asyncio.Event,
        batch_size: int,
        check: Check,
    ) -> None:
        self._database = database
        self._clock: Clock = database.clock
        self._handlers = handlers
        self._bell = bell
        self._batch_size = batch_size
        self._check = check

    async def run(self, stop: asyncio.Event) -> None:
        """Fire timers until `stop` is set."""
        while not stop.is_set():
            self._bell.clear()
            sleep_seconds = await until_it_works(
                self._fire_and_look,
                worth_retrying=is_transient,
                stop=stop,
                clock=self._clock,
                check=self._check,
            )
            await wait_any(stop, self._bell, clock=self._clock, seconds=sleep_seconds or 0)

    async def fire(self) -> int:
        """Fire one batch of what is due; return how many timers it took."""
        try:
            return await self._fire_batch(self._batch_size)
        except Exception as error:
            if is_transient(error):
                raise
            _log.warning("timer_batch_split", error=describe(error))
        fired = 0
        for _ in range(self._batch_size):
            taken = await self._fire_one()
            fired += taken
            if not taken:
                break
        return fired

    async def _fire_and_look(self) -> float:
        """Fire what is due; return how long to sleep, in seconds."""
        if await self.fire() >= self._batch_size:
            return 0
        async with self._database.read() as connection:
            due_at = await timers.next_due_at(connection)
        if due_at is None:
            return _LONGEST_SLEEP_SECONDS
        seconds = (due_at - self._clock.now()).total_seconds()
        # Due but not claimed: another replica holds it, or it came due just now.
        return min(max(seconds, _LOCKED_ELSEWHERE_SECONDS * (seconds <= 0)), _LONGEST_SLEEP_SECONDS)

    async def _fire_batch(self, limit: int, *, seen: list[Timer] | None = None) -> int:
        async with self._database.transaction() as tx:
            due = await timers.claim_due(tx.connection, now=tx.now, limit=limit)
            if seen is not None:
                seen.extend(due)
            by_handler: dict[TimerHandler, list[Timer]] = defaultdict(list)
            for timer in due:
                by_handler[self._handlers[timer.kind]].append(timer)
            for handler, group in by_handler.items():
                await handler(tx, group)
        self._measure(due)
        return len(due)

    async def _fire_one(self) -> int:
        """Fire the earliest timer alone; when its handler fails, put it off or set it aside."""
        culprits: list[Timer] = []
        try:
            return await self._fire_batch(1, seen=culprits)
        except Exception as error:
            if is_transient(error):
                raise
            _log.exception("timer_failed", timers=[(t.kind, t.key) for t in culprits])
            async with self._database.transaction() as tx:
                for timer in culprits:
                    # Another replica may have had more luck with it.
                    if await timers.take(tx.connection, timer):
                        self._put_off(tx, timer, error)
            return len(culprits)

    def _put_off(self, tx: Transaction, timer: Timer, error: Exception) -> None:
        attempts = timer.attempts + 1
        if attempts < _MOST_ATTEMPTS:
            later = tx.now + timedelta(seconds=_BACKOFF.seconds(attempts))
            tx.set_timer(timer.put_off(later, attempts=attempts))
            return
        letter = DeadLetter(
            topic=f"timer:{timer.kind}",
            partition=0,
            offset=0,
            key=timer.key.encode(),
            value=json_text(dict(timer.payload)).encode(),
            headers=(),
            reason="timer_failed",
            error=describe(error),
        )
        dead_letters.set_aside(tx, [letter], service=self._database.service)
        dead_letters.count([letter])

    def _measure(self, fired: Sequence[Timer]) -> None:
        committed_at = self._clock.now()
        for kind, count in Counter(timer.kind for timer in fired).items():
            metrics.TIMERS_FIRED.add(count, {"kind": kind})
            # The earliest is the latest. To record each takes a seventh of all that firing takes.
            earliest = next(timer.due_at for timer in fired if timer.kind == kind)
            lateness = (committed_at - earliest).total_seconds()
            metrics.TIMER_LATENESS.record(max(0.0, lateness), {"kind": kind})
