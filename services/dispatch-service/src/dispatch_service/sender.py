"""The sending loop: claims, sends, records. The intent to send is committed before a mail leaves.

Whatever finishes while one flush is under way goes into the next: no commit per mail, no timer.
A mail is only sent while few outcomes wait to be recorded: those are what a crash, or an outage
that outlives the lease, can repeat.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from dispatch_service import handlers, metrics, queries
from dispatch_service.breaker import Breaker
from dispatch_service.domain.invitation import Claim, Outcome, Result
from dispatch_service.mail import Composer
from dispatch_service.smtp import Line, Reply
from heardback.clock import wait_any
from heardback.db import Database, is_transient
from heardback.health import Check
from heardback.metrics import LOOP_RESTARTS
from heardback.retrying import Backoff, describe, until_it_works

_log = structlog.get_logger(__name__)
_LONGEST_SLEEP_SECONDS: Final = 60.0
_LOCKED_ELSEWHERE_SECONDS: Final = 0.05
_RETRY: Final = Backoff(first_seconds=15, longest_seconds=3_600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is under way at once, and how long a claim is ours."""

    connections: int
    batch_size: int
    lease: timedelta
    mail_timeout: timedelta

    @property
    def window(self) -> int:
        """How many mails may be on the wire, or sent with an outcome that is not recorded yet."""
        return 2 * self.connections


class Sender:
    """Sends what is due until it is told to stop."""

    def __init__(
        self,
        *,
        database: Database,
        bell: asyncio.Event,
        check: Check,
        composer: Composer,
        open_line: Callable[[], Line],
        pace: Pace,
        provider: str = "smtp",
    ) -> None:
        self._database = database
        self._clock = database.clock
        self._bell = bell
        self._check = check
        self._composer = composer
        self._open_line = open_line
        self._pace = pace
        # Claims come in halves of a batch, so that sending never waits for claiming.
        self._low_water = pace.batch_size // 2
        self._provider = provider
        self._breaker = Breaker()
        self._queue: asyncio.Queue[Claim | None] = asyncio.Queue()
        self._under_way = 0
        self._room = asyncio.Event()
        self._results: list[Result] = []
        self._unrecorded: list[Result] = []
        self._window = asyncio.Semaphore(pace.window)
        self._finished = asyncio.Event()
        self._closing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; then finish the mails under way and give back the others."""
        async with asyncio.TaskGroup() as group:
            recorder = group.create_task(self._record(stop))
            workers = [group.create_task(self._work()) for _ in range(self._pace.connections)]
            await self._claim_until(stop)
            self._give_back_queue()
            for _ in workers:
                self._queue.put_nowait(None)
            await asyncio.wait(workers)
            self._closing = True
            self._finished.set()
            await recorder

    # Claiming: as much as there is room for, as soon as there is something due.

    async def _claim_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._bell.clear()
            self._room.clear()
            sleep_seconds = await until_it_works(
                self._claim_and_look,
                worth_retrying=is_transient,
                stop=stop,
                clock=self._clock,
                check=self._check,
            )
            await wait_any(
                stop, self._bell, self._room, clock=self._clock, seconds=sleep_seconds or 0
            )

    async def _claim_and_look(self) -> float:
        """Claim what is due; return how long to sleep, in seconds."""
        paused = self._breaker.pause_seconds(self._clock.now())
        if paused:
            # A bell during the pause changes nothing: the caller comes back here.
            return paused
        limit = self._limit()
        if limit <= 0:
            return _LONGEST_SLEEP_SECONDS
        if self._outlived_lease():
            # After an outage, what was sent is recorded first, or it would be sent again.
            return _LOCKED_ELSEWHERE_SECONDS
        claimed = await self._claim(limit)
        if claimed >= limit:
            return 0
        async with self._database.read() as connection:
            due_at = await queries.next_due_at(connection)
        if due_at is None:
            return _LONGEST_SLEEP_SECONDS
        seconds = (due_at - self._clock.now()).total_seconds()
        return min(max(seconds, _LOCKED_ELSEWHERE_SECONDS), _LONGEST_SLEEP_SECONDS)

    def _limit(self) -> int:
        if self._breaker.tripped:
            return 1 - self._under_way
        waiting = self._queue.qsize()
        return self._pace.batch_size - waiting if waiting <= self._low_water else 0

    def _outlived_lease(self) -> bool:
        taken_before = self._clock.now() - self._pace.lease
        waiting = (*self._unrecorded, *self._results)
        return any(result.claim.claimed_at <= taken_before for result in waiting)

    async def _claim(self, limit: int) -> int:
        async with self._database.transaction() as tx:
            claimed = await handlers.claim(tx, limit=limit, lease=self._pace.lease)
        for claim in claimed.claims:
            self._queue.put_nowait(claim)
        self._under_way += len(claimed.claims)
        again = sum(claim.again for claim in claimed.claims)
        if again:
            _log.warning("possible_duplicates", mails=again)
            metrics.POSSIBLE_DUPLICATES.add(again)
        for _, reason in claimed.dropped:
            metrics.DROPS.add(1, {"reason": reason.value})
        return len(claimed.claims) + len(claimed.dropped)

    # Sending: each worker has a line of its own.

    async def _work(self) -> None:
        line = self._open_line()
        try:
            while (claim := await self._queue.get()) is not None:
                if self._queue.qsize() == self._low_water:
                    self._room.set()
                await self._window.acquire()
                self._finish(claim, await self._send(line, claim))
        finally:
            await line.close()

    async def _send(self, line: Line, claim: Claim) -> Reply:
        """Send one mail, unless the provider is known to be away or the lease is nearly over."""
        now = self._clock.now()
        left = claim.claimed_at + self._pace.lease - now
        if self._breaker.pause_seconds(now) or left < self._pace.mail_timeout:
            return Reply(outcome=Outcome.RELEASED, detail="not tried")
        try:
            return await line.send(self._composer.compose(claim.invitation, now=now))
        except Exception as error:
            # One mail that can't be made must not hold up the others; its deadline ends it.
            _log.exception("mail_failed", invitation_id=claim.invitation.invitation_id)
            LOOP_RESTARTS.add(1, {"loop": "sender"})
            return Reply(outcome=Outcome.DEFERRED, detail=describe(error))

    def _finish(self, claim: Claim, reply: Reply) -> None:
        now = self._clock.now()
        self._under_way -= 1
        self._results.append(
            Result(
                claim=claim,
                outcome=reply.outcome,
                detail=reply.detail,
                finished_at=now,
                retry_at=self._retry_at(claim, reply, now),
            )
        )
        self._finished.set()
        metrics.SENDS.add(1, {"outcome": reply.outcome.value})
        if reply.in_doubt:
            metrics.POSSIBLE_DUPLICATES.add(1)

    def _retry_at(self, claim: Claim, reply: Reply, now: datetime) -> datetime | None:
        """Tell the breaker; return when to try again, None when that was the end of it."""
        if reply.outcome is Outcome.AWAY:
            _log.warning("provider_away", error=reply.detail)
            metrics.PROVIDER_AWAY.set(1)
            return self._breaker.failed(now)
        if reply.outcome is Outcome.RELEASED:
            return now + timedelta(seconds=self._breaker.pause_seconds(now))
        if self._breaker.tripped:
            _log.info("provider_back")
            metrics.PROVIDER_AWAY.set(0)
            self._breaker.worked()
            self._room.set()
        if reply.outcome is Outcome.DEFERRED:
            return now + timedelta(seconds=_RETRY.seconds(claim.number - 1))
        return None

    def _give_back_queue(self) -> None:
        while not self._queue.empty():
            claim = self._queue.get_nowait()
            if claim is not None:
                self._finish(claim, Reply(outcome=Outcome.RELEASED, detail="stopping"))

    # Recording: one transaction for all that finished while the last one was under way.

    async def _record(self, stop: asyncio.Event) -> None:
        while not (self._closing and not self._results):
            await self._finished.wait()
            self._finished.clear()
            results, self._results = self._results, []
            if not results:
                continue
            self._unrecorded = results
            recorded = await until_it_works(
                partial(self._flush, results),
                worth_retrying=is_transient,
                stop=stop,
                clock=self._clock,
                check=self._check,
            )
            if recorded is None:
                await self._flush_at_last(results)
            self._unrecorded = []
            for _ in results:
                self._window.release()
            if any(result.retry_at for result in results):
                self._room.set()

    async def _flush(self, results: list[Result]) -> bool:
        async with self._database.transaction() as tx:
            await handlers.settle(
                tx, results, provider=self._provider, message_id=self._composer.message_id
            )
        return True

    async def _flush_at_last(self, results: list[Result]) -> None:
        """Try once more while stopping; what is lost here is sent again after its lease."""
        try:
            await self._flush(results)
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("results_lost", mails=len(results), error=describe(error))
            LOOP_RESTARTS.add(1, {"loop": "sender"})
