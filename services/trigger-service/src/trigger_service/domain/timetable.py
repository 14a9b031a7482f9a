"""A timetable: when one customer may be reached, and which of those times is theirs."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from heardback.hours import Hours, at_fraction, is_permitted, next_permitted

LONGEST_WAIT: Final = timedelta(days=15)
"""Hours that permit anything are never shut for longer: a week, twice where clocks change."""


class Timetable(Struct, frozen=True, kw_only=True):
    """The permitted hours by the customer's clock; `share`, in [0, 1), spreads customers evenly."""

    hours: Hours
    zone: ZoneInfo
    share: float

    def permits(self, at: datetime) -> bool:
        """Tell whether the customer may be reached at `at`."""
        return is_permitted(at, self.hours, self.zone)

    def next_at(self, at: datetime) -> datetime:
        """Return the first permitted time from `at` on, a little later for some than for others."""
        # Hours that never permit anything are refused before a program is kept.
        return next_permitted(at, self.hours, self.zone, fraction=self.share) or at

    def inside(self, first: datetime, last: datetime) -> datetime:
        """Return this customer's share of the permitted time from `first` to `last`.

        Spread evenly, so that a burst of touchpoints is no burst of mail. No permitted time in
        there: the next that comes.
        """
        found = at_fraction(self.share, start=first, end=last, hours=self.hours, zone=self.zone)
        return found or self.next_at(last)
