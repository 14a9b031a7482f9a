"""The two clocks of an owner task: when they warn, when they run out, what stops them.

A clock covers [start, due): at `due_at` itself it has run out. Whether it did depends on time
alone, not on which process noticed first: stopping a clock late is a breach as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from heardback.vocabulary import SlaClock


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaPolicy:
    """How long each clock may run, and the share of it after which it warns."""

    targets: Mapping[SlaClock, timedelta]
    warning_share: float

    def due_at(self, clock: SlaClock, started_at: datetime) -> datetime:
        """Return when a clock that started then runs out."""
        return started_at + self.targets[clock]

    def warning_at(self, clock: SlaClock, started_at: datetime) -> datetime:
        """Return when a clock that started then warns."""
        return started_at + self.targets[clock] * self.warning_share


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """One clock of one task."""

    due_at: datetime
    warned: bool = False
    breached: bool = False
    stopped_at: datetime | None = None


def warn(clock: ClockState) -> ClockState:
    """Return the clock after its warning; the same when it stopped or has warned already."""
    if clock.stopped_at is not None or clock.warned:
        return clock
    return replace(clock, warned=True)


def breach(clock: ClockState, now: datetime) -> ClockState:
    """Return the clock after it ran out; the same when it stopped, or is not due at `now`."""
    if clock.stopped_at is not None or clock.breached or now < clock.due_at:
        return clock
    return replace(clock, breached=True)


def stop(clock: ClockState, now: datetime) -> ClockState:
    """Return the clock after it stopped, breached when that was too late; only the first counts."""
    if clock.stopped_at is not None:
        return clock
    return replace(breach(clock, now), stopped_at=now)
