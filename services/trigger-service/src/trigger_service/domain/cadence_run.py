"""A run: one program's way through the customers whose turn it is, over one period."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from trigger_service.domain.cohort import Arc, Period, bucket_of
from trigger_service.domain.program import Program
from trigger_service.domain.touchpoint import Touchpoint, touchpoint_id

SOURCE: Final = "/heardback/trigger/cadence"
AHEAD: Final = timedelta(days=4)
"""How long before their time customers are decided on.

Permitted hours move a time by a weekend and a holiday; a slot is not held for longer than that.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`period` is the number of the period, `arc` the customers whose turn it is in it."""

    program: Program
    period: int
    zone: ZoneInfo
    arc: Arc

    @classmethod
    def of(cls, program: Program, period: int, zone: ZoneInfo) -> "Run":
        """Return the run of `program` in period number `period`."""
        rotates = program.sample.rotates
        starts_at = _period(program).starts_at(period, zone)
        turn = rotates.number(starts_at, zone) if rotates else 0
        arc = program.sample.arc(program.program_id, turn)
        return cls(program=program, period=period, zone=zone, arc=arc)

    @classmethod
    def current(cls, program: Program, now: datetime, zone: ZoneInfo) -> "Run":
        """Return the run of the period that `now` lies in."""
        return cls.of(program, _period(program).number(now, zone), zone)

    @property
    def starts_at(self) -> datetime:
        """When the period begins."""
        return _period(self.program).starts_at(self.period, self.zone)

    @property
    def ends_at(self) -> datetime:
        """When the next period begins."""
        return _period(self.program).starts_at(self.period + 1, self.zone)

    def is_over(self, now: datetime) -> bool:
        """Tell whether it is too late for everybody whom it has not come to."""
        return now >= self.ends_at + self.program.expires_after

    def target(self, now: datetime) -> int:
        """Return how many steps along its arc the run should have come by `now`."""
        first = self.starts_at + self.program.delay.shortest
        width = self.program.delay.longest - self.program.delay.shortest
        passed = now + AHEAD - first
        if passed < timedelta(0):
            return 0
        return self.arc.width if passed >= width else int(self.arc.width * (passed / width))

    def touchpoint(self, customer_id: str) -> Touchpoint:
        """Return what the run means for one customer: it is their turn, at their place in it."""
        event_id = f"{self.program.program_id}/{self.period}/{customer_id}"
        along = self.arc.along(bucket_of(customer_id)) or 0
        return Touchpoint(
            touchpoint_id=touchpoint_id(SOURCE, event_id),
            source=SOURCE,
            event_id=event_id,
            customer_id=customer_id,
            name=self.program.touchpoint,
            occurred_at=self.starts_at,
            share=along / self.arc.width,
        )


def _period(program: Program) -> Period:
    assert program.cadence is not None
    return program.cadence.period
