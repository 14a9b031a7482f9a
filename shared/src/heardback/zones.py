"""Time zones by their names. Standard library only."""

from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

UTC_ZONE: Final = ZoneInfo("UTC")


def zone_of(name: str | None, default: ZoneInfo) -> ZoneInfo:
    """Return the time zone of that name; `default` when there is none, whatever the name is."""
    return _zone(name) if name in _zone_names() else default


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _zone(name: str) -> ZoneInfo:
    # Asked only for names that there are: kept for good, and nothing a stranger sends fills it.
    return ZoneInfo(name)
