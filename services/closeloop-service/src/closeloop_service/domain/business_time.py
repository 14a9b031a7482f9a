"""Business time: the time that passes while somebody works, and none outside of it.

An instant is open when the clock on the wall shows an open time at it. So a shift is as long as it
really is: an hour shorter in the night when spring skips one, an hour longer when autumn repeats
one. Open intervals contain their opening and not their closing.

Open time is worked out for a block of days at once and kept: where its intervals start, and how
much there was before each. One bisection leads from an instant to the open time before it, one
leads back, and a long span steps over whole blocks.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, Literal

from closeloop_service.domain.errors import BeyondCalendar, CalendarHasNoZone, CalendarNeverOpens
from closeloop_service.domain.opening_hours import WEEKDAYS, OpeningHours, read_opening_hours
from heardback.zones import DAY, UTC_ZONE, instant_of, microseconds, stretches

Direction = Literal["forward", "back"]

_MICROSECOND: Final = timedelta(microseconds=1)
_BLOCK: Final = 400 * DAY
_FIRST_BLOCK: Final = microseconds(datetime.min.replace(tzinfo=UTC)) // _BLOCK
_LAST_BLOCK: Final = microseconds(datetime.max.replace(tzinfo=UTC)) // _BLOCK
# A block of one shift a day takes some 7 kB.
_CACHED_BLOCKS: Final = 1024
# Hours that are closed for forty years on end stay so: holidays fall on each of their days.
_IDLE_BLOCKS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When somebody works, and arithmetic in that time.

    An aware datetime is answered in UTC, a naive one, which is a time on the calendar's own wall,
    by one. A calendar without a zone takes naive ones only.
    Raises: CalendarHasNoZone, from every method, when it is asked about an instant without a zone.
    """

    hours: OpeningHours

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Calendar":
        """Return the calendar that a document says; `read_opening_hours` tells its shape.

        Raises: CalendarInvalid with everything that is wrong.
        """
        return cls(hours=read_opening_hours(document))

    @classmethod
    def always_open(cls, tz: str | None = "UTC") -> "Calendar":
        """Return the calendar of somebody who never sleeps: business time is time.

        Raises: CalendarInvalid when there is no such zone.
        """
        return cls.from_dict({"tz": tz, "week": {day: [["00:00", "24:00"]] for day in WEEKDAYS}})

    def add(
        self, start: datetime, duration: timedelta, *, direction: Direction = "forward"
    ) -> datetime:
        """Return the first instant by which `duration` has passed since `start`.

        Less than nothing leads back, to the last instant from which as much passes until `start`.
        Nothing leads to `start` itself when it is open, else to the next opening, or to the last
        closing when the `direction` is back.
        Raises: CalendarNeverOpens; BeyondCalendar when that is no year of a `datetime`.
        """
        at, amount = self._number(start), duration // _MICROSECOND
        if amount > 0 or (amount == 0 and direction == "forward"):
            return self._answer(_forward(self.hours, at, amount), start)
        return self._answer(_back(self.hours, at, -amount), start)

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Return how much open time lies between the two, less than nothing if `end` is earlier."""
        return timedelta(microseconds=self._passed(self._number(start), self._number(end)))

    def is_open(self, at: datetime) -> bool:
        """Tell whether somebody works at that instant."""
        number = self._number(at)
        return _block(self.hours, number // _BLOCK).is_open(number)

    def next_open(self, at: datetime) -> datetime | None:
        """Return `at` itself when it is open, else the next opening. None: it never opens again."""
        try:
            return self.add(at, timedelta(0))
        except (CalendarNeverOpens, BeyondCalendar):
            return None

    def periods(self, after: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Return the open intervals from `after` on, endlessly unless the calendar never opens.

        The first is cut to begin at `after`. None goes past a local midnight: a night shift is two.
        """
        for opens, closes in _intervals(self.hours, self._number(after)):
            try:
                period = self._answer(opens, after), self._answer(closes, after)
            except BeyondCalendar:
                return
            yield period

    def _passed(self, start: int, end: int) -> int:
        if start > end:
            return -self._passed(end, start)
        first, last = start // _BLOCK, end // _BLOCK
        whole = sum(_block(self.hours, number).total for number in range(first, last))
        return (
            whole + _block(self.hours, last).before(end) - _block(self.hours, first).before(start)
        )

    def _number(self, at: datetime) -> int:
        if at.tzinfo is None:
            return microseconds(at.replace(tzinfo=self.hours.zone or UTC_ZONE))
        if self.hours.zone is None:
            raise CalendarHasNoZone(at=at)
        return microseconds(at)

    def _answer(self, at: int, asked: datetime) -> datetime:
        try:
            answer = instant_of(at)
            if asked.tzinfo is not None:
                return answer
            return answer.astimezone(self.hours.zone or UTC_ZONE).replace(tzinfo=None)
        except OverflowError:
            raise BeyondCalendar from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """The open intervals of some days, in order.

    Units: microseconds; `starts` since the epoch. `totals[i]`: open time before interval i, and
    last of all the whole, which is `total`.
    """

    starts: "array[int]"
    totals: "array[int]"
    total: int

    def before(self, at: int) -> int:
        """Return how much open time of the block lies before `at`."""
        after = bisect_right(self.starts, at)
        if not after:
            return 0
        return min(self.totals[after - 1] + at - self.starts[after - 1], self.totals[after])

    def is_open(self, at: int) -> bool:
        """Tell whether `at` lies in an interval."""
        return self.before(at + 1) > self.before(at)

    def first(self, passed: int) -> int:
        """Return the first instant that has so much before it, more than nothing: may close one."""
        interval = bisect_left(self.totals, passed) - 1
        return self.starts[interval] + passed - self.totals[interval]

    def last(self, passed: int) -> int:
        """Return the last instant that has so much before it, less than all: may open one."""
        interval = bisect_right(self.totals, passed) - 1
        return self.starts[interval] + passed - self.totals[interval]

    def intervals(self) -> Iterator[tuple[int, int]]:
        """Return when each interval opens and closes."""
        for place, opens in enumerate(self.starts):
            yield opens, opens + self.totals[place + 1] - self.totals[place]


def _forward(hours: OpeningHours, at: int, amount: int) -> int:
    number = at // _BLOCK
    wanted = amount + _block(hours, number).before(at)
    for block in _blocks(hours, number, 1):
        if amount and wanted <= block.total:
            return block.first(wanted)
        if wanted < block.total:
            return block.last(wanted)
        wanted -= block.total
    raise BeyondCalendar


def _back(hours: OpeningHours, at: int, amount: int) -> int:
    number = at // _BLOCK
    block = _block(hours, number)
    if not amount and block.is_open(at):
        return at
    wanted = amount + block.total - block.before(at)
    for block in _blocks(hours, number, -1):
        if amount and wanted <= block.total:
            return block.last(block.total - wanted)
        if wanted < block.total:
            return block.first(block.total - wanted)
        wanted -= block.total
    raise BeyondCalendar


def _blocks(hours: OpeningHours, number: int, step: int) -> Iterator[_Block]:
    """Return the blocks from that one on, one after the other.

    Raises: CalendarNeverOpens after so many empty ones that all will be.
    """
    idle = 0 if any(hours.week) else _IDLE_BLOCKS
    while _FIRST_BLOCK <= number <= _LAST_BLOCK:
        block = _block(hours, number)
        idle = 0 if block.total else idle + 1
        if idle >= _IDLE_BLOCKS:
            raise CalendarNeverOpens
        yield block
        number += step


def _intervals(hours: OpeningHours, after: int) -> Iterator[tuple[int, int]]:
    """Return the open intervals after an instant; those that a block's end cuts are made whole."""
    held: tuple[int, int] | None = None
    with suppress(CalendarNeverOpens):
        for block in _blocks(hours, after // _BLOCK, 1):
            for opens, closes in block.intervals():
                if closes <= after:
                    continue
                if held and held[1] == opens and _cuts_a_day(hours, opens):
                    held = held[0], closes
                    continue
                if held:
                    yield held
                held = max(opens, after), closes
    if held:
        yield held


def _cuts_a_day(hours: OpeningHours, at: int) -> bool:
    on_the_wall = instant_of(at).astimezone(hours.zone or UTC_ZONE)
    return at % _BLOCK == 0 and on_the_wall.time() != time(0)


@lru_cache(maxsize=_CACHED_BLOCKS)
def _block(hours: OpeningHours, number: int) -> _Block:
    starts, totals = array("q"), array("q", [0])
    before: tuple[int, int] | None = None
    for day, opens, closes in _open_spans(hours, number * _BLOCK, (number + 1) * _BLOCK):
        # A clock change parts what is one interval of the day.
        if before == (day, opens):
            totals[-1] += closes - opens
        else:
            starts.append(opens)
            totals.append(totals[-1] + closes - opens)
        before = day, closes
    return _Block(starts=starts, totals=totals, total=totals[-1])


def _open_spans(hours: OpeningHours, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Return the day, the opening and the closing of all that is open between the two."""
    for begins, ends, offset in stretches(hours.zone or UTC_ZONE, start, end):
        days = range((begins + offset) // DAY, (ends - 1 + offset) // DAY + 1)
        for day, spans in zip(days, hours.spans(days), strict=True):
            midnight = day * DAY - offset
            for opens, closes in spans:
                first, last = max(midnight + opens, begins), min(midnight + closes, ends)
                if first < last:
                    yield day, first, last
