"""What would have happened, had a program asked: decided on paper, and nothing kept.

The program counts as active, whatever its state. Daily limits (the budget and the quotas) are left
out: they depend on the invitations of every other program as well.

Each customer is played through by themselves, some customers at a time, with a pause for others on
the event loop after every few decisions. That holds little in memory and blocks nobody; a thread
would win nothing, as deciding is Python, and expressions are evaluated in one thread only.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

import orjson
from msgspec.structs import replace
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.clock import breathe
from heardback.db import Database
from heardback.errors import Invalid
from trigger_service import program_store, rules, store
from trigger_service.compiling import compile_program, governance_of, program_of
from trigger_service.documents import Document, GovernanceDocument, ProgramDocument
from trigger_service.domain.cadence_run import Run
from trigger_service.domain.decision import State
from trigger_service.domain.program import Catalogue, Program, ProgramState
from trigger_service.domain.rehearsal import Happening, Rehearsal
from trigger_service.dry_run.past_events import (
    PastEvents,
    Stories,
    believable,
    in_chunks,
    read_events,
)
from trigger_service.dry_run.past_touchpoints import by_customer, cohort, cohort_size, recorded
from trigger_service.faults import Fault, InvalidDocument

MOST_EVENTS: Final = 20_000
MOST_TOUCHPOINTS: Final = 100_000
MOST_DAYS: Final = 90
_MOST_SECONDS: Final = 30.0
_BREATH: Final = 100
"""After so many decisions, a few milliseconds, it is the turn of others on the event loop."""

_READ_ONLY: Final = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

_NO_EVENTS: Final = "a cadence follows the calendar; send no events, and see its next period"

Begin = Callable[[State], tuple[State, Sequence[Happening]]]
"""From what is known now to what a customer's story begins with, and what belongs into it."""


class DryRunTooLong(Invalid):
    """This takes too long to work out; ask for fewer days, or send fewer events."""


class DryRunRequest(Document):
    """What to try: one event, a list of them, or what has happened in the last days.

    A cadence follows the calendar: its next period is tried, and none of these is needed.
    """

    document: ProgramDocument | None = Field(
        None, description="A draft to try, instead of the program as it is kept."
    )
    event: dict[str, Any] | None = Field(
        None, description="A CloudEvent, as if it came in now; nothing happens to its customer."
    )
    events: Annotated[list[dict[str, Any]], Field(max_length=MOST_EVENTS)] | None = Field(
        None, description="CloudEvents that have happened, each decided on at its own time."
    )
    last_days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = Field(
        None, description="The program's touchpoints of so many days, as they are recorded."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The next period of a cadence; `customers`: how many it is the turn of, as known now."""

    starts_at: datetime
    ends_at: datetime
    customers: int


@dataclass(slots=True, kw_only=True)
class DryRun:
    """What would have happened. `is_cut`: there was more than is looked at."""

    rehearsal: Rehearsal
    events: PastEvents = field(default_factory=PastEvents)
    period: Period | None = None

    @property
    def is_cut(self) -> bool:
        """Whether there may be more than what was looked at."""
        return self.rehearsal.touchpoints >= MOST_TOUCHPOINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Where it is played: `catalogue` has `program` as the only one that listens."""

    connection: AsyncConnection
    catalogue: Catalogue
    program: Program
    now: datetime


async def dry_run(database: Database, program_id: str, request: DryRunRequest) -> DryRun:
    """Tell what would happen, or would have happened.

    Past events see the customers as they are known now, with the uses counted from the first of
    these events on; recorded ones see the other programs' invitations as well.
    Raises: UnknownProgram, InvalidDocument, DryRunTooLong.
    """
    async with _stage(database, program_id, request.document) as stage:
        if stage.program.cadence is not None:
            return await _next_period(stage, request)
        match request:
            case DryRunRequest(event=dict(event), events=None, last_days=None):
                return await _event(stage, event)
            case DryRunRequest(event=None, events=list(events), last_days=None):
                return await _events(stage, [orjson.dumps(event) for event in events])
            case DryRunRequest(event=None, events=None, last_days=int(days)):
                return await _last_days(stage, days)
        raise _fault("", "send one of event, events and last_days")


async def dry_run_lines(database: Database, program_id: str, lines: bytes) -> DryRun:
    """Tell the same of a file of past events, each on a line of its own.

    Raises: UnknownProgram, InvalidDocument, DryRunTooLong.
    """
    events = lines.splitlines()
    if len(events) > MOST_EVENTS:
        raise _fault("", f"send at most {MOST_EVENTS:,} events at a time")
    async with _stage(database, program_id, None) as stage:
        if stage.program.cadence is not None:
            raise _fault("", _NO_EVENTS)
        return await _events(stage, events)


@asynccontextmanager
async def _stage(
    database: Database, program_id: str, draft: ProgramDocument | None
) -> AsyncIterator[_Stage]:
    try:
        async with asyncio.timeout(_MOST_SECONDS), database.read() as connection:
            await connection.execute(_READ_ONLY)
            governance = await program_store.load_governance(connection)
            if draft is None:
                kept = await rules.find_program(connection, program_id)
                program = program_of(
                    kept.document, governance.document, kept.version, ProgramState.ACTIVE
                )
            else:
                program = _drafted(draft, governance.document, program_id)
            rules_alone = Catalogue.of([], governance_of(governance.document))
            yield _Stage(
                connection=connection,
                catalogue=rules_alone.only(program),
                program=program,
                now=database.clock.now(),
            )
    except TimeoutError:
        raise DryRunTooLong from None


def _drafted(draft: ProgramDocument, governance: str, program_id: str) -> Program:
    if draft.id != program_id:
        raise _fault("document.id", f"write {program_id}, as in the address")
    try:
        return compile_program(draft, GovernanceDocument.model_validate_json(governance))
    except InvalidDocument as error:
        faults = [
            Fault(path=("document", *fault.path), message=fault.message) for fault in error.faults
        ]
        raise InvalidDocument(faults) from None


async def _event(stage: _Stage, event: dict[str, Any]) -> DryRun:
    read = read_events([orjson.dumps(event)], now=stage.now, at=stage.now)
    return await _play(stage, in_chunks(read.stories), begin=_as_it_is, events=read)


async def _events(stage: _Stage, events: Sequence[bytes]) -> DryRun:
    # In a thread: the others on the event loop have their turn meanwhile.
    read = await asyncio.to_thread(read_events, events, now=stage.now)

    def begin(state: State) -> tuple[State, Sequence[Happening]]:
        return _as_it_was(replace(state, slots=()))

    return await _play(stage, in_chunks(read.stories), begin=begin, events=read)


async def _last_days(stage: _Stage, days: int) -> DryRun:
    def begin(state: State) -> tuple[State, Sequence[Happening]]:
        others = [slot for slot in state.slots if slot.program_id != stage.program.program_id]
        return _as_it_was(replace(state, slots=tuple(others)))

    touchpoints = recorded(
        stage.connection,
        stage.program.touchpoint,
        since=stage.now - timedelta(days=days),
        limit=MOST_TOUCHPOINTS,
    )
    stories = by_customer(touchpoints, at=lambda t: believable(t.occurred_at, stage.now))
    return await _play(stage, stories, begin=begin)


async def _next_period(stage: _Stage, request: DryRunRequest) -> DryRun:
    if request.event is not None or request.events is not None:
        raise _fault("event", _NO_EVENTS)
    zone = stage.catalogue.governance.zone
    current = Run.current(stage.program, stage.now, zone)
    run = Run.of(stage.program, current.period + 1, zone)
    customers = await cohort_size(stage.connection, run)
    touchpoints = cohort(stage.connection, run, limit=MOST_TOUCHPOINTS)
    stories = by_customer(touchpoints, at=lambda _: run.starts_at)
    played = await _play(stage, stories, begin=_as_it_is)
    played.period = Period(starts_at=run.starts_at, ends_at=run.ends_at, customers=customers)
    return played


async def _play(
    stage: _Stage,
    stories: AsyncGenerator[Stories],
    *,
    begin: Begin,
    events: PastEvents | None = None,
) -> DryRun:
    rehearsal, decided = Rehearsal(catalogue=stage.catalogue), 0
    async with aclosing(stories):
        async for chunk in stories:
            states = await store.read_states(stage.connection, chunk, now=stage.now)
            for customer_id, happenings in chunk.items():
                state, known = begin(states[customer_id])
                for _ in rehearsal.play(state, [*known, *happenings]):
                    decided += 1
                    if decided % _BREATH == 0:
                        await breathe()
    return DryRun(rehearsal=rehearsal, events=events or PastEvents())


def _as_it_is(state: State) -> tuple[State, Sequence[Happening]]:
    return state, ()


def _as_it_was(state: State) -> tuple[State, Sequence[Happening]]:
    """What was undone is undone when that happened; uses are counted from here on."""
    undone = [
        Happening(at=r.revoked_at, what=partial(State.revoked, revocation=r, now=r.revoked_at))
        for r in state.revocations.values()
    ]
    customer = replace(state.customer, uses={})
    return replace(state, customer=customer, revocations={}), undone


def _fault(field_name: str, message: str) -> InvalidDocument:
    path = tuple(field_name.split(".")) if field_name else ()
    return InvalidDocument([Fault(path=path, message=message)])
