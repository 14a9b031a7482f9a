"""One clock of one task: when it is due, what it has told, what stopped it.

A clock covers [start, due): at `due_at` itself it has run out. Whether it did depends on time
alone, not on which process noticed first: stopping a clock late is a breach as well. What was told
is not untold: a clock that ran out stays breached when news of a stop in time comes after that.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from heardback.vocabulary import SlaClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time in which the clocks stand still, half-open. No end: it is not over."""

    from_at: datetime
    to_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """One clock. No `due_at`: it is paused, and when it runs out is not known.

    A clock that stopped or was breached keeps its `due_at` for good. `escalated`: so many times
    somebody was told that it ran out, the repeats included.
    """

    started_at: datetime
    due_at: datetime | None = None
    warn_at: datetime | None = None
    warned: bool = False
    breached: bool = False
    stopped_at: datetime | None = None
    escalated: int = 0

    @property
    def runs(self) -> bool:
        """Whether time may still make it run out: it neither stopped nor ran out."""
        return self.stopped_at is None and not self.breached


Clocks = Mapping[SlaClock, ClockState]


def warn(clock: ClockState, now: datetime) -> ClockState:
    """Return the clock after its warning; the same when it has nothing to warn of at `now`."""
    if not clock.runs or clock.warned or clock.due_at is None:
        return clock
    if clock.warn_at is not None and now < clock.warn_at:
        return clock
    return replace(clock, warned=True)


def breach(clock: ClockState, now: datetime) -> ClockState:
    """Return the clock after it ran out; the same when it stopped, or is not due at `now`."""
    if not clock.runs or clock.due_at is None or now < clock.due_at:
        return clock
    return replace(clock, breached=True)


def stop(clock: ClockState, at: datetime) -> ClockState:
    """Return the clock after it stopped, breached when that was too late; only the first counts."""
    if clock.stopped_at is not None:
        return clock
    return replace(breach(clock, at), stopped_at=at)


def stopped_in_time(clocks: Clocks, at: datetime, *, only: Collection[SlaClock]) -> list[SlaClock]:
    """Return which of those clocks are said to have run out, though they stopped at `at`, before.

    They stay breached: whoever was called for it was called.
    """
    return [
        which
        for which, clock in clocks.items()
        if which in only and clock.breached and clock.stopped_at is None
        if clock.due_at is not None and clock.started_at <= at < clock.due_at
    ]


def stopped(
    clocks: Clocks, at: datetime, *, only: Collection[SlaClock] = tuple(SlaClock)
) -> Clocks:
    """Return the clocks, those stopped; what came before a clock began is no answer to it."""
    return {
        which: stop(clock, at) if which in only and at >= clock.started_at else clock
        for which, clock in clocks.items()
    }


def going_on(clocks: Clocks, only: Collection[SlaClock]) -> Clocks:
    """Return the clocks, those as if they had never stopped."""
    return {
        which: replace(clock, stopped_at=None) if which in only else clock
        for which, clock in clocks.items()
    }


def awaiting(clocks: Clocks, at: datetime) -> Clocks:
    """Return the clocks with one for the response that is awaited since then, or still is."""
    known = clocks.get(SlaClock.NEXT_RESPONSE)
    if known is not None and known.stopped_at is None:
        return clocks
    return {**clocks, SlaClock.NEXT_RESPONSE: ClockState(started_at=at)}
