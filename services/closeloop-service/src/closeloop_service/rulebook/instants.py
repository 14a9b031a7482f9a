"""Instants and durations in words, by the clock on somebody's wall."""

from datetime import datetime, timedelta
from typing import Final

from closeloop_service.domain.business_time import Calendar
from heardback.zones import UTC_ZONE

_UNITS: Final = (
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
    (timedelta(seconds=1), "second"),
)


def say_instant(at: datetime, calendar: Calendar) -> str:
    """Return an instant by the calendar's clock: Friday 4 December 2026, 16:45."""
    local = at.astimezone(calendar.hours.zone or UTC_ZONE)
    return f"{local:%A} {local.day} {local:%B %Y, %H:%M}"


def zone_name(calendar: Calendar) -> str:
    """Return the name of the calendar's time zone."""
    return (calendar.hours.zone or UTC_ZONE).key


def say_duration(duration: timedelta) -> str:
    """Return a duration in words, by its two largest units: 1 day 4 hours."""
    parts, left = [], duration
    for unit, name in _UNITS:
        count, left = left // unit, left % unit
        if count:
            parts.append(f"{count} {name}" if count == 1 else f"{count} {name}s")
    return " ".join(parts[:2]) or "no time"
