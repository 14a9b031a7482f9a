"""What a reader asks about: which days, which program, touchpoint and segment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from heardback.errors import Invalid


class DateNotUnderstood(Invalid):
    """Write the date as year-month-day, for example 2026-03-31."""


class PeriodBackwards(Invalid):
    """The period ends before it begins: swap `from` and `to`."""


class Grain(StrEnum):
    """How wide the points of a series are. Weeks begin on Monday (ISO 8601)."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def first_day(self, day: date) -> date:
        """Return the first day of the point that `day` belongs to."""
        match self:
            case Grain.DAY:
                return day
            case Grain.WEEK:
                return day - timedelta(days=day.weekday())
            case Grain.MONTH:
                return day.replace(day=1)

    def days(self, first: date, last: date) -> Iterator[date]:
        """Yield the first day of each point from `first`, which is one, to `last`."""
        day = first
        while day <= last:
            yield day
            day = self.first_day(day + _STRIDES[self])


_STRIDES: Final = {
    Grain.DAY: timedelta(days=1),
    Grain.WEEK: timedelta(weeks=1),
    Grain.MONTH: timedelta(days=31),
}
"""From a point's first day into the next point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Days in UTC, both ends included; None: not limited.

    Raises: PeriodBackwards.
    """

    program: str | None = None
    touchpoint: str | None = None
    segment: str | None = None
    first_day: date | None = None
    last_day: date | None = None

    def __post_init__(self) -> None:
        if self.first_day and self.last_day and self.first_day > self.last_day:
            raise PeriodBackwards(**{"from": str(self.first_day), "to": str(self.last_day)})


def parse_day(field: str, text: str | None) -> date | None:
    """Return the date in `text`; none given, none returned.

    Raises: DateNotUnderstood, which names the `field`.
    """
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DateNotUnderstood(field=field, value=text[:40]) from None
