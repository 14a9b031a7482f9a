"""The loop of ops alerts: makes messages of what waits, and has each target told, side by side.

One message to each target is under way at a time; a target that does not answer holds up no other.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from closeloop_service.ops_alerts.digests import keep_timers
from closeloop_service.ops_alerts.gathering import gather
from closeloop_service.ops_alerts.interface import Outcome, Verdict
from closeloop_service.ops_alerts.sending import Courier
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import alert_messages, alerts, incidents
from closeloop_service.store.alert_messages import Claimed
from heardback.clock import wait_any
from heardback.db import Database, is_transient
from heardback.health import Check
from heardback.metrics import LOOP_RESTARTS
from heardback.retrying import describe, until_it_works
from heardback.service import Run, Runtime

LEASE: Final = timedelta(seconds=60)
"""After it, a message that was left half sent is sent again; longer than any call takes."""
_log = structlog.get_logger(__name__)
_AT_ONCE: Final = 16
_LOOK_SECONDS: Final = 30.0
_CALM_SECONDS: Final = 0.2
_LOCKED_ELSEWHERE_SECONDS: Final = 0.05
_MOST_INCIDENTS: Final = 100


class AlertLoop:
    """Tells ops what they are to be told until it is stopped."""

    def __init__(
        self,
        *,
        database: Database,
        keeper: Keeper,
        courier: Courier,
        bell: asyncio.Event,
        check: Check,
    ) -> None:
        self._database = database
        self._clock = database.clock
        self._keeper = keeper
        self._courier = courier
        self._bell = bell
        self._check = check
        self._busy: set[str] = set()
        self._done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looked_at: datetime | None = None
        self._version: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Tell until `stop` is set; then finish what is under way."""
        while not stop.is_set():
            self._bell.clear()
            self._done.clear()
            seconds = await until_it_works(
                partial(self.turn, stop),
                worth_retrying=is_transient,
                stop=stop,
                clock=self._clock,
                check=self._check,
            )
            await wait_any(stop, self._bell, self._done, clock=self._clock, seconds=seconds or 0)
            if self._bell.is_set():
                # In a flood it rings with every batch of timers.
                await wait_any(stop, clock=self._clock, seconds=_CALM_SECONDS)
        await self.drained()

    async def turn(self, stop: asyncio.Event) -> float:
        """Do what is to be done now; return how long to sleep, in seconds."""
        await self._look_around()
        next_at = await gather(self._database, self._keeper)
        while len(self._busy) < _AT_ONCE and (claimed := await self._claim()) is not None:
            self._busy.add(claimed.target_id)
            task = asyncio.create_task(self._deliver(claimed, stop))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await self._seconds_until(next_at)

    async def drained(self) -> None:
        """Return when nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _look_around(self) -> None:
        """Follow the rules where they changed, and end the incidents that are over."""
        now = self._clock.now()
        async with self._database.read() as connection:
            rules = await self._keeper.in_force(connection)
        if rules.version != self._version:
            async with self._database.transaction() as tx:
                await alerts.drop_without_target(tx.connection, list(rules.alerting.targets))
                await keep_timers(tx, rules)
            self._version = rules.version
        if self._looked_at is None or (now - self._looked_at).total_seconds() >= _LOOK_SECONDS:
            async with self._database.transaction() as tx:
                await incidents.resolve_those_over(tx, limit=_MOST_INCIDENTS)
            self._looked_at = now

    async def _claim(self) -> Claimed | None:
        async with self._database.transaction() as tx:
            return await alert_messages.claim(tx, busy=self._busy, lease=LEASE)

    async def _deliver(self, claimed: Claimed, stop: asyncio.Event) -> None:
        try:
            verdict = await self._send(claimed)
            await self._record(claimed, verdict, stop)
        except Exception as error:
            # One message that can't be settled holds up no other; its lease ends.
            _log.exception("alert_lost", message_id=claimed.message_id, error=describe(error))
            LOOP_RESTARTS.add(1, {"loop": "ops_alerts"})
        finally:
            self._busy.discard(claimed.target_id)
            self._done.set()

    async def _record(self, claimed: Claimed, verdict: Verdict, stop: asyncio.Event) -> None:
        """Note how it ended, through an outage; while stopping it is tried once."""
        if stop.is_set():
            await self._courier.record(claimed, verdict)
            return
        await until_it_works(
            partial(self._courier.record, claimed, verdict),
            worth_retrying=is_transient,
            stop=stop,
            clock=self._clock,
            check=self._check,
        )

    async def _send(self, claimed: Claimed) -> Verdict:
        try:
            return await self._courier.send(claimed)
        except Exception as error:
            _log.exception("alert_failed", message_id=claimed.message_id)
            LOOP_RESTARTS.add(1, {"loop": "ops_alerts"})
            return Verdict(outcome=Outcome.LATER, detail=describe(error))

    async def _seconds_until(self, next_at: datetime | None) -> float:
        seconds = _LOOK_SECONDS
        async with self._database.read() as connection:
            try_at = await alert_messages.next_try_at(connection, busy=self._busy)
        if try_at is not None and len(self._busy) < _AT_ONCE:
            left = (try_at - self._clock.now()).total_seconds()
            seconds = min(seconds, max(left, _LOCKED_ELSEWHERE_SECONDS))
        if next_at is not None:
            left = (next_at - self._clock.now()).total_seconds()
            seconds = min(seconds, max(left, 0.0))
        return seconds


def alert_loop(
    keeper: Keeper, courier_of: Callable[[Database], Courier]
) -> Callable[[Runtime], Run]:
    """Return what makes the loop, when the service is open."""

    def make(runtime: Runtime) -> Run:
        loop = AlertLoop(
            database=runtime.database,
            keeper=keeper,
            courier=courier_of(runtime.database),
            bell=runtime.doorbell.bell(alerts.OPS_ALERTS),
            check=runtime.health.check("ops_alerts"),
        )
        return loop.run

    return make
