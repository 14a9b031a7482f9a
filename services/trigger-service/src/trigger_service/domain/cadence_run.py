"""A run: one program's way through the customers whose turn it is, over one period."""

from dataclasses import dataclass, replace
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
    """`period` is the number of the period, `arc` the customers whose turn it is in it.

    `begins` is how much of its time was over, from 0 to 1, when the program was first started: all
    customers then come in what is left, instead of a part of them too late.
    """

    program: Program
    period: int
    zone: ZoneInfo
    arc: Arc
    begins: float = 0.0

    @classmethod
    def of(cls, program: Program, period: int, zone: ZoneInfo, *, begins: float = 0.0) -> "Run":
        """Return the run of `program` in period number `period`."""
        rotates = program.sample.rotates
        starts_at = _period(program).starts_at(period, zone)
        turn = rotates.number(starts_at, zone) if rotates else 0
        arc = program.sample.arc(program.program_id, turn)
        return cls(program=program, period=period, zone=zone, arc=arc, begins=begins)

    @classmethod
    def current(cls, program: Program, now: datetime, zone: ZoneInfo) -> "Run":
        """Return the run of the period that `now` lies in, from its beginning."""
        return cls.of(program, _period(program).number(now, zone), zone)

    def begun(self, now: datetime) -> "Run":
        """Return the run with which the program begins at `now`.

        This one, in what is left of its time; once that is over, the next: not everybody at once.
        """
        passed = self._passed(now)
        if passed >= 1:
            return Run.of(self.program, self.period + 1, self.zone)
        return replace(self, begins=passed)

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
        if now < self.starts_at:
            return 0
        passed = self._passed(now + AHEAD)
        if passed >= 1:
            return self.arc.width
        return max(0, int(self.arc.width * (passed - self.begins) / (1 - self.begins)))

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
            share=self.begins + (1 - self.begins) * along / self.arc.width,
        )

    def _passed(self, now: datetime) -> float:
        """Return how much of the run's time is over, from 0 to 1."""
        delay = self.program.delay
        passed, width = now - self.starts_at - delay.shortest, delay.longest - delay.shortest
        if passed < timedelta(0):
            return 0.0
        return 1.0 if passed >= width else passed / width


def _period(program: Program) -> Period:
    assert program.cadence is not None
    return program.cadence.period
