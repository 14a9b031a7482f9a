"""The loop that keeps tickets and improvements in step.

What is about to be done is committed before a tracker is called, and what came of it after; so
whatever dies in between, the next round finds out. A tracker that fails waits, the others go on.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from closeloop_service.domain.improvement import Improvement
from closeloop_service.domain.rules import Rules, Tracker
from closeloop_service.domain.ticket import TicketText, ticket_key, ticket_text
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import improvements, tickets
from closeloop_service.store.improvements import TRACKERS_BELL
from closeloop_service.store.tickets import Ticket
from closeloop_service.trackers import recording, talk
from closeloop_service.trackers.interface import Fault, FaultKind, TrackerClient
from closeloop_service.trackers.kinds import KINDS
from closeloop_service.trackers.talk import Talk
from heardback.calls.guard import GuardedBackend, Network
from heardback.calls.http import Caller, can_be_sent
from heardback.clock import wait_any
from heardback.db import Database, is_transient
from heardback.retrying import until_it_works
from heardback.service import Run, Runtime

LEASE: Final = timedelta(minutes=5)
"""Longer than any conversation about one ticket takes."""
_CALL_SECONDS: Final = 10.0
_MOST_SECONDS: Final = 60.0
_LEAST_SECONDS: Final = 0.1
_MOST_BYTES: Final = 4_194_304
_AT_ONCE: Final = 20
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSync:
    """Looks after every tracker of the rules.

    `secrets` by their names; `allowed`: networks of our own in which trackers may be; `page_url`:
    under which each improvement has its page; tickets link to it if it is a whole address.
    """

    keeper: Keeper
    secrets: Mapping[str, str]
    allowed: Sequence[Network] = ()
    page_url: str = ""

    def loop(self, runtime: Runtime) -> Run:
        """Return the loop of one process."""

        async def run(stop: asyncio.Event) -> None:
            bell = runtime.doorbell.bell(TRACKERS_BELL)
            check = runtime.health.check("trackers")
            while not stop.is_set():
                bell.clear()
                seconds = await until_it_works(
                    lambda: self.round(runtime.database),
                    worth_retrying=is_transient,
                    stop=stop,
                    clock=runtime.clock,
                    check=check,
                )
                await wait_any(stop, bell, clock=runtime.clock, seconds=seconds or 0)

        return run

    async def round(self, database: Database) -> float:
        """Look at what is due in every tracker; return how long to sleep, in seconds."""
        planned = 0
        async with database.transaction() as tx:
            rules = await self.keeper.in_force(tx.connection)
            if rules.improvements.tracker_id is not None:
                planned = await tickets.plan_tickets(
                    tx.connection, rules.improvements.tracker_id, now=tx.now, limit=_AT_ONCE
                )
        trackers = rules.improvements.trackers
        if not trackers:
            return _MOST_SECONDS
        await _together([self._serve(database, rules, tracker) for tracker in trackers.values()])
        if planned == _AT_ONCE:
            return _LEAST_SECONDS
        async with database.read() as connection:
            next_at = await tickets.next_try_at(connection, sorted(trackers))
        if next_at is None:
            return _MOST_SECONDS
        seconds = (next_at - database.clock.now()).total_seconds()
        return min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS)

    async def _serve(self, database: Database, rules: Rules, tracker: Tracker) -> None:
        caller = Caller(
            timeout_seconds=_CALL_SECONDS,
            backend=GuardedBackend(self.allowed),
            most_bytes=_MOST_BYTES,
        )
        try:
            for _ in range(_AT_ONCE):
                if not await self._serve_one(database, rules, tracker, caller):
                    break
        finally:
            await caller.close()

    async def _serve_one(
        self, database: Database, rules: Rules, tracker: Tracker, caller: Caller
    ) -> bool:
        """Look at the ticket that is due first; False: none is, or the tracker must wait."""
        async with database.transaction() as tx:
            ticket = await tickets.claim(
                tx.connection, tracker.tracker_id, now=tx.now, leased_until=tx.now + LEASE
            )
            if ticket is None:
                return False
            improvement = await improvements.load(tx.connection, ticket.improvement_id)
            if ticket.ticket is None:
                await tickets.note_asking(tx.connection, ticket, tx.now)
            quoted = {quote.customer_id for quote in improvement.quotes if quote.consent}
            names = await improvements.names_of(tx.connection, quoted)
            shown = self._text(improvement, ticket, names)
        now = database.clock.now()
        client = self._client(tracker, caller, now)
        came = await _talk(client, ticket, improvement, shown, now)
        async with database.transaction() as tx:
            return await recording.record(tx, rules, ticket, came, shown)

    def _client(self, tracker: Tracker, caller: Caller, now: datetime) -> TrackerClient | Fault:
        secret = self.secrets.get(tracker.secret, "")
        if not secret or not can_be_sent(secret):
            wrong = "has a space around it, or a character that can't be sent"
            detail = f"the secret {tracker.secret} {wrong if secret else 'is not set'}"
            return Fault(kind=FaultKind.KEY_REFUSED, detail=detail)
        return KINDS[tracker.kind].client(tracker, secret, caller, now)

    def _text(
        self, improvement: Improvement, ticket: Ticket, names: Mapping[str, str]
    ) -> TicketText:
        link = f"{self.page_url}/{improvement.improvement_id}" if "://" in self.page_url else None
        key = ticket_key(improvement.improvement_id, ticket.number)
        return ticket_text(improvement, names, key=key, link=link)


async def _talk(
    client: TrackerClient | Fault,
    ticket: Ticket,
    improvement: Improvement,
    shown: TicketText,
    now: datetime,
) -> Talk:
    if isinstance(client, Fault):
        return Talk(fault=client)
    if ticket.ticket is not None:
        return await talk.follow(client, ticket, shown, now)
    # What was closed before it had a ticket needs none.
    return await talk.make(client, ticket, shown) if improvement.active else Talk()


async def _together(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all of it, and let none end the others; what went wrong with the first is raised then."""
    ended = await asyncio.gather(*jobs, return_exceptions=True)
    faults = [fault for fault in ended if isinstance(fault, BaseException)]
    for fault in faults:
        if not isinstance(fault, Exception) or is_transient(fault):
            raise fault
        _log.error("tracker_round_failed", exc_info=fault)
