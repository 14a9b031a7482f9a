"""The sending loop of a channel: claims, sends, records.

The intent to send is committed before a message leaves. A message is only handed over while few
outcomes wait to be recorded: those are what a crash, or an outage that outlives the lease, can
repeat.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from dispatch_service import delivery, metrics, queue_store
from dispatch_service.adapters.interface import CarefulLine, Line, Parcel, Reply
from dispatch_service.domain.message import Claim, Outcome, Result
from dispatch_service.sending import budget
from dispatch_service.sending.failover import Outlet, Route, pause_seconds, standing_by
from dispatch_service.sending.permits import Permit
from dispatch_service.sending.recorder import Recorder
from dispatch_service.surveys import Surveys
from heardback.clock import wait_any
from heardback.db import Database, Transaction, is_transient
from heardback.health import Check
from heardback.metrics import LOOP_RESTARTS
from heardback.retrying import Backoff, describe, until_it_works

_log = structlog.get_logger(__name__)
_LONGEST_SLEEP_SECONDS: Final = 60.0
_LOCKED_ELSEWHERE_SECONDS: Final = 0.05
_PROBE_SECONDS: Final = 1.0
_NOT_TRIED: Final = Reply(outcome=Outcome.RELEASED, detail="not tried")
_RETRY: Final = Backoff(first_seconds=15, longest_seconds=3_600)
_MOST_DOUBTS: Final = 2
"""So often a message may have been taken without our hearing so: then we take it that it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is taken at once, how long it is ours, and how many permits there are."""

    batch_size: int
    uncertain: int
    lease: timedelta


class Sender:
    """Sends what is due in one channel until it is told to stop."""

    def __init__(
        self,
        *,
        database: Database,
        bell: asyncio.Event,
        check: Check,
        surveys: Surveys,
        outlets: Sequence[Outlet],
        permits: asyncio.Semaphore,
        pace: Pace,
    ) -> None:
        self._database = database
        self._clock = database.clock
        self._bell = bell
        self._check = check
        self._surveys = surveys
        self._channel = outlets[0].adapter.channel
        self._routes = [
            Route(outlet, batch_size=pace.batch_size, lease=pace.lease) for outlet in outlets
        ]
        self._permits = permits
        self._pace = pace
        self._recorder = Recorder(
            database=database, check=check, permits=permits, enough=max(1, pace.uncertain // 2)
        )
        self._room = self._recorder.given_back

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; then finish what is under way and give back the rest."""
        async with asyncio.TaskGroup() as group:
            recording = group.create_task(self._recorder.run(stop))
            workers = [
                group.create_task(self._work(route))
                for route in self._routes
                for _ in range(route.adapter.at_once)
            ]
            await self._claim_until(stop)
            for route in self._routes:
                self._give_back(route)
            await asyncio.wait(workers)
            self._recorder.close()
            await recording

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
        if self._recorder.waits_longer_than(self._pace.lease):
            # After an outage, what was sent is recorded first, or it would be sent again.
            return _LOCKED_ELSEWHERE_SECONDS
        now = self._clock.now()
        route = standing_by(self._routes, now)
        if route is None:
            # All are away, or their probes are out; a bell changes nothing then.
            return pause_seconds(self._routes, now) or _PROBE_SECONDS
        room = route.room()
        return await self._claim(route, room) if room > 0 else _LONGEST_SLEEP_SECONDS

    async def _claim(self, route: Route, limit: int) -> float:
        async with self._database.transaction() as tx:
            tokens = await self._tokens(tx, route, limit)
            limit = min(limit, int(tokens))
            ask = delivery.Ask(
                channel=self._channel, provider=route.name, limit=limit, lease=self._pace.lease
            )
            claimed = await delivery.claim(tx, ask, self._surveys)
            if route.budget is not None:
                await budget.take(tx.connection, route.name, len(claimed.claims))
        route.put(claimed.claims)
        self._count_again(route, claimed.claims)
        if route.budget is not None and limit == 0:
            return route.budget.wait_seconds(tokens)
        return 0 if claimed.seen >= limit else await self._until_next_due()

    async def _tokens(self, tx: Transaction, route: Route, limit: int) -> float:
        """Return how much the provider takes now; nobody else takes of it meanwhile."""
        if route.budget is None:
            return limit
        return await budget.fill(tx.connection, route.name, route.budget, now=tx.now)

    def _count_again(self, route: Route, claims: Sequence[Claim]) -> None:
        again = sum(claim.again for claim in claims)
        if again and not route.adapter.is_idempotent:
            _log.warning("possible_duplicates", provider=route.name, messages=again)
            metrics.POSSIBLE_DUPLICATES.add(again, self._labels(route))

    async def _until_next_due(self) -> float:
        async with self._database.read() as connection:
            due_at = await queue_store.next_due_at(connection, self._channel)
        if due_at is None:
            return _LONGEST_SLEEP_SECONDS
        seconds = (due_at - self._clock.now()).total_seconds()
        return min(max(seconds, _LOCKED_ELSEWHERE_SECONDS), _LONGEST_SLEEP_SECONDS)

    # Sending: each worker has a line of its own.

    async def _work(self, route: Route) -> None:
        line = route.adapter.open_line()
        try:
            while (claim := await route.queue.get()) is not None:
                if route.just_ran_low:
                    self._room.set()
                await self._handle(route, line, claim)
        finally:
            await line.close()

    async def _handle(self, route: Route, line: Line[Any], claim: Claim) -> None:
        permit = Permit(self._permits, still_wanted=partial(self._may_send, route, claim))
        reply = _NOT_TRIED
        if self._may_send(route, claim):
            begun_at = self._clock.now()
            reply = await self._send(route, line, claim, permit)
            route.took(self._clock.now() - begun_at)
        self._finish(route, claim, reply, holds_permit=permit.is_held)

    def _may_send(self, route: Route, claim: Claim) -> bool:
        """Tell whether the provider is there, the lease lasts, and it is not too late meanwhile."""
        now = self._clock.now()
        lease_is_over_at = claim.claimed_at + self._pace.lease
        return (
            not route.breaker.pause_seconds(now)
            and lease_is_over_at - now >= route.needs
            and now < claim.message.deadline_at
        )

    async def _send(self, route: Route, line: Line[Any], claim: Claim, permit: Permit) -> Reply:
        """Send one message, with a permit if sending it twice would be seen."""
        try:
            load = route.adapter.compose(self._parcel(claim))
            if route.adapter.is_idempotent:
                return await line.send(load)
            if isinstance(line, CarefulLine):
                return await line.send_after(load, permit.take)
            return await line.send(load) if await permit.take() else _NOT_TRIED
        except Exception as error:
            # One message that can't be made must not hold up the others; its deadline ends it.
            _log.exception("message_failed", message_id=claim.message.message_id)
            LOOP_RESTARTS.add(1, {"loop": "sender"})
            return Reply(outcome=Outcome.DEFERRED, detail=describe(error))

    def _parcel(self, claim: Claim) -> Parcel:
        invitation = claim.invitation
        survey = self._surveys.known(invitation.survey_id, invitation.survey_version)
        assert survey is not None, "it was looked for when the message was claimed"
        return Parcel(
            message=claim.message,
            invitation=invitation,
            survey=survey,
            now=self._clock.now(),
            number=claim.tries + 1,
        )

    def _finish(self, route: Route, claim: Claim, reply: Reply, *, holds_permit: bool) -> None:
        now = self._clock.now()
        route.under_way -= 1
        self._tell_breaker(route, reply, now)
        if reply.in_doubt and not route.adapter.is_idempotent:
            metrics.POSSIBLE_DUPLICATES.add(1, self._labels(route))
            reply = self._enough(route, claim, reply)
        result = Result(
            claim=claim,
            outcome=reply.outcome,
            detail=reply.detail,
            finished_at=now,
            retry_at=self._retry_at(claim, reply, now),
            reference=reply.reference,
            address_is_good=reply.address_is_good,
            in_doubt=reply.in_doubt,
        )
        self._recorder.add(result, holds_permit=holds_permit)

    def _enough(self, route: Route, claim: Claim, reply: Reply) -> Reply:
        """Return how an attempt ended in doubt: a customer gets it twice at most, not for ever."""
        if claim.doubts + 1 < _MOST_DOUBTS:
            return reply
        _log.warning(
            "in_doubt", provider=route.name, message_id=claim.message.message_id, said=reply.detail
        )
        return replace(reply, outcome=Outcome.SENT, detail=f"in doubt: {reply.detail}")

    def _tell_breaker(self, route: Route, reply: Reply, now: datetime) -> None:
        if reply.outcome is Outcome.AWAY:
            _log.warning("provider_away", provider=route.name, error=reply.detail)
            metrics.PROVIDER_AWAY.set(1, self._labels(route))
            route.breaker.failed(now, at_least_seconds=reply.retry_after_seconds or 0)
        elif reply.outcome is not Outcome.RELEASED and route.breaker.tripped:
            _log.info("provider_back", provider=route.name)
            metrics.PROVIDER_AWAY.set(0, self._labels(route))
            route.breaker.worked()
            self._room.set()

    def _retry_at(self, claim: Claim, reply: Reply, now: datetime) -> datetime | None:
        """Return when to try again, None when that was the end of it."""
        if reply.outcome in (Outcome.SENT, Outcome.BOUNCED):
            return None
        if reply.outcome is Outcome.DEFERRED:
            asked = reply.retry_after_seconds
            seconds = _RETRY.seconds(claim.tries) if asked is None else asked
        elif reply.outcome is Outcome.RELEASED and reply.retry_after_seconds is not None:
            seconds = reply.retry_after_seconds
        elif reply.in_doubt:
            seconds = max(_RETRY.seconds(claim.doubts), pause_seconds(self._routes, now))
        else:
            seconds = pause_seconds(self._routes, now)
        # Not after its deadline: then it is dropped, and whatever it held up goes out.
        return max(now, min(now + timedelta(seconds=seconds), claim.message.deadline_at))

    def _give_back(self, route: Route) -> None:
        """Give back what nobody has begun, and let the workers go."""
        while not route.queue.empty():
            claim = route.queue.get_nowait()
            if claim is not None:
                reply = Reply(outcome=Outcome.RELEASED, detail="stopping")
                self._finish(route, claim, reply, holds_permit=False)
        for _ in range(route.adapter.at_once):
            route.queue.put_nowait(None)

    def _labels(self, route: Route) -> dict[str, str]:
        return {"channel": self._channel.value, "provider": route.name}
