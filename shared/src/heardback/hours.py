"""Hours: when a message may reach somebody, by the clock on their wall.

An instant is permitted when the clock in its zone shows a permitted time of a permitted weekday at
it. So a span inside the hour that spring skips is missing that day, the hour that autumn repeats
counts twice, and a result never lies outside the hours by the recipient's own clock.

Permitted time is worked out for a block of days at once and kept: where its intervals start, and
how much of it there was before each. Then one bisection leads from an instant to the amount of
permitted time before it, and one leads back, whatever the zone does inside the block.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from heardback.contracts.payloads import DailyHours, PermittedHours
from heardback.vocabulary import Channel
from heardback.zones import (
    DAY,
    EPOCH,
    UTC_ZONE,
    instant_of,
    microseconds,
    stretches,
    zone_of,
)

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_END_OF_DAY: Final = "24:00"
_EPOCH_WEEKDAY: Final = EPOCH.weekday()
_HOUR: Final = timedelta(hours=1)
_BLOCK: Final = 32 * DAY
_CACHED_BLOCKS: Final = 4096
_CACHED_HOURS: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `opens` until just before `closes`, every local day; past midnight if that is earlier.

    Raises: ValueError when the two are equal, as that could mean never or always.
    """

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.opens == self.closes:
            msg = (
                f"a span cannot open and close at the same time, {self.opens:%H:%M}; "
                "write two different times, or leave both out to mean the whole day"
            )
            raise ValueError(msg)

    def __contains__(self, at: time) -> bool:
        if self.opens < self.closes:
            return self.opens <= at < self.closes
        return at >= self.opens or at < self.closes

    def inverse(self) -> "Span":
        """Return the rest of the day: what quiet hours leave."""
        return Span(opens=self.closes, closes=self.opens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When a message may reach somebody: inside every one of `spans`, on one of `weekdays`.

    Units: 0 is Monday; it is the weekday of the local date, also after midnight in a span that
    goes past it.
    """

    spans: tuple[Span, ...] = ()
    weekdays: frozenset[int] = frozenset(range(7))


ALWAYS: Final = Hours()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """The permitted intervals of some days, in order.

    Units: microseconds; `starts` since the epoch. `totals[i]`: permitted time before interval i,
    and last of all the whole.
    """

    starts: tuple[int, ...]
    totals: tuple[int, ...]

    def before(self, at: int) -> int:
        """Return how much permitted time of the block lies before `at`."""
        after = bisect_right(self.starts, at)
        if not after:
            return 0
        return min(self.totals[after - 1] + at - self.starts[after - 1], self.totals[after])

    def instant(self, permitted: int) -> int:
        """Return the permitted instant that has `permitted` before it, less than the whole."""
        interval = bisect_right(self.totals, permitted) - 1
        return self.starts[interval] + permitted - self.totals[interval]


def parse_span(opens: str, closes: str) -> Span:
    """Return the span between two times of day.

    Shapes: `09:00`; `24:00` only as the end.
    Raises: ValueError that says what to write instead.
    """
    return Span(
        opens=_parse_time(opens),
        closes=time(0) if closes == _END_OF_DAY else _parse_time(closes),
    )


def is_permitted(at: datetime, hours: Hours, zone: ZoneInfo) -> bool:
    """Tell whether a message may reach somebody in `zone` at that instant."""
    instant = microseconds(at)
    block = _block(hours, zone, instant // _BLOCK)
    return block.before(instant + 1) > block.before(instant)


def next_permitted(
    at: datetime, hours: Hours, zone: ZoneInfo, *, fraction: float = 0.0
) -> datetime | None:
    """Return `at` when it is permitted, else a time soon after the hours open next.

    `fraction`, in [0, 1), spreads that over the permitted time of the first hour from the opening
    on, so that an opening is no burst. None: it never opens.
    """
    if hours == ALWAYS:
        return at
    instant = microseconds(at)
    first = instant // _BLOCK
    # A clock change swallows a day at most: what comes weekly comes in this block or the next.
    for number in range(first, first + 2):
        block = _block(hours, zone, number)
        passed = block.before(instant)
        if passed < block.totals[-1]:
            opening = block.instant(passed)
            if opening == instant:
                return at
            start = instant_of(opening)
            return at_fraction(fraction, start=start, end=start + _HOUR, hours=hours, zone=zone)
    return None


def at_fraction(
    fraction: float, *, start: datetime, end: datetime, hours: Hours, zone: ZoneInfo
) -> datetime | None:
    """Return the instant at `fraction`, in [0, 1), of the permitted time from `start` to `end`.

    Both ends belong to it. None: it has no permitted time.
    """
    if start > end:
        return None
    if hours == ALWAYS:
        return start + (end - start) * fraction
    first, last = microseconds(start), microseconds(end)
    numbers = range(first // _BLOCK, last // _BLOCK + 1)
    blocks = [_block(hours, zone, number) for number in numbers]
    passed = blocks[0].before(first)
    permitted = sum(block.totals[-1] for block in blocks[:-1]) + blocks[-1].before(last) - passed
    if not permitted:
        return end if is_permitted(end, hours, zone) else None
    wanted = passed + min(int(permitted * fraction), permitted - 1)
    for block in blocks:
        if wanted < block.totals[-1]:
            return instant_of(block.instant(wanted))
        wanted -= block.totals[-1]
    return None


def permits_anything(hours: Hours) -> bool:
    """Tell whether `hours` ever permit anything, as they do not where quiet hours cover them."""
    return bool(hours.weekdays) and any(_daily(hours.spans))


def hours_of(
    permitted: PermittedHours | Mapping[str, Any] | None, channel: Channel
) -> tuple[Hours, ZoneInfo]:
    """Return when `channel` may reach a recipient, and by which clock, as a message says it.

    None: always. A time zone that there is not is read as UTC.
    Raises: ValueError when a span is none.
    """
    if permitted is None:
        return ALWAYS, UTC_ZONE
    permitted = PermittedHours.model_validate(permitted)
    daily = permitted.channels.get(channel)
    zone = zone_of(permitted.timezone, UTC_ZONE)
    return ALWAYS if daily is None else _read(daily.spans, daily.weekdays), zone


def permitted_hours(hours: Mapping[Channel, Hours], zone: ZoneInfo) -> PermittedHours:
    """Return what `hours_of` reads: when each channel may reach somebody whose zone is `zone`."""
    channels = {channel: _written(of) for channel, of in hours.items() if of != ALWAYS}
    return PermittedHours(timezone=zone.key, channels=channels)


def _parse_time(text: object) -> time:
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        msg = f'{text!r} is not a time of day; write one such as "09:00" or "18:30", in quotes'
        if text == _END_OF_DAY:
            msg = f'{_END_OF_DAY} is only an end; to open at midnight write "00:00"'
        raise ValueError(msg)
    return time(int(match[1]), int(match[2]))


@lru_cache(maxsize=_CACHED_HOURS)
def _read(spans: tuple[tuple[str, str], ...], weekdays: tuple[int, ...]) -> Hours:
    return Hours(spans=tuple(parse_span(*span) for span in spans), weekdays=frozenset(weekdays))


@lru_cache(maxsize=_CACHED_HOURS)
def _written(hours: Hours) -> DailyHours:
    return DailyHours(
        spans=tuple((f"{span.opens:%H:%M}", f"{span.closes:%H:%M}") for span in hours.spans),
        weekdays=tuple(sorted(hours.weekdays)),
    )


@lru_cache(maxsize=_CACHED_BLOCKS)
def _block(hours: Hours, zone: ZoneInfo, number: int) -> _Block:
    start, daily = number * _BLOCK, tuple(_daily(hours.spans))
    intervals = [
        interval
        for stretch in stretches(zone, start, start + _BLOCK)
        for interval in _intervals(hours.weekdays, daily, *stretch)
    ]
    return _Block(
        starts=tuple(opens for opens, _ in intervals),
        totals=tuple(accumulate((closes - opens for opens, closes in intervals), initial=0)),
    )


def _daily(spans: tuple[Span, ...]) -> Iterator[tuple[int, int]]:
    """Return what all spans have in common, from and until how far into the local day."""
    edges = sorted({time(0), *(edge for span in spans for edge in (span.opens, span.closes))})
    moments = (*map(_into_day, edges), DAY)
    for at, interval in zip(edges, pairwise(moments), strict=True):
        if all(at in span for span in spans):
            yield interval


def _intervals(
    weekdays: frozenset[int], daily: tuple[tuple[int, int], ...], start: int, end: int, offset: int
) -> Iterator[tuple[int, int]]:
    """Return the permitted intervals of a stretch: its local days, moved to UTC and cut to it."""
    for day in range((start + offset) // DAY, (end + offset) // DAY + 1):
        if (day + _EPOCH_WEEKDAY) % 7 in weekdays:
            midnight = day * DAY - offset
            for opens, closes in daily:
                interval = max(midnight + opens, start), min(midnight + closes, end)
                if interval[0] < interval[1]:
                    yield interval


def _into_day(at: time) -> int:
    return ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond
