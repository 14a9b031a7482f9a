"""Time zones by their names, and the stretches of time in which one keeps its UTC offset.

Standard library only. Units: whole microseconds; instants are counted from the epoch.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

UTC_ZONE: Final = ZoneInfo("UTC")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
DAY: Final = timedelta(days=1) // _MICROSECOND
_STRIDE: Final = 2 * DAY
# Local time is at most a day from UTC: between these it is a year that `datetime` can say.
_FIRST: Final = (datetime(1, 1, 2, tzinfo=UTC) - EPOCH) // _MICROSECOND
_LAST: Final = (datetime(9999, 12, 30, tzinfo=UTC) - EPOCH) // _MICROSECOND


def zone_of(name: str | None, default: ZoneInfo) -> ZoneInfo:
    """Return the time zone of that name; `default` when there is none, whatever the name is."""
    return _zone(name) if name in _zone_names() else default


def microseconds(at: datetime) -> int:
    """Return the instant as a number, exactly."""
    since = at - EPOCH
    return since.days * DAY + since.seconds * 1_000_000 + since.microseconds


def instant_of(at: int) -> datetime:
    """Return the instant that the number means, in UTC.

    Raises: OverflowError outside the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=at)


def stretches(zone: ZoneInfo, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Return the stretches of one UTC offset between `start` and `end`, each with that offset.

    Source: no zone in the tz database changes its offset twice within three days.
    """
    offset = _offset(start, zone)
    for begins in range(start, end, _STRIDE):
        ends = min(begins + _STRIDE, end)
        if _offset(ends, zone) != offset:
            change = _change(offset, zone, range(begins, ends))
            yield start, change, offset
            start, offset = change, _offset(change, zone)
    yield start, end, offset


def _change(offset: int, zone: ZoneInfo, instants: range) -> int:
    changed = bisect_left(instants, True, key=lambda at: _offset(at, zone) != offset)
    return instants.start + changed


def _offset(at: int, zone: ZoneInfo) -> int:
    local = instant_of(min(max(at, _FIRST), _LAST)).astimezone(zone)
    return (local.utcoffset() or timedelta(0)) // _MICROSECOND


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _zone(name: str) -> ZoneInfo:
    # Asked only for names that there are: kept for good, and nothing a stranger sends fills it.
    return ZoneInfo(name)
