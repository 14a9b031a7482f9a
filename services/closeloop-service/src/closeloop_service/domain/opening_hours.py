"""Opening hours: on which days, and between which times on the wall, somebody works.

Units: a time of day is in microseconds into the local day; a day is the number of days since the
epoch. A `Spans` is in order and apart: what overlaps or touches was joined.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from holidays import country_holidays, list_supported_countries

from closeloop_service.domain.errors import CalendarInvalid
from heardback.zones import DAY, EPOCH, UTC_ZONE, zone_of

Spans = tuple[tuple[int, int], ...]

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIELDS: Final = ("tz", "week", "holidays", "breaks", "country", "subdivision")
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_END_OF_DAY: Final = "24:00"
_MINUTE: Final = DAY // (24 * 60)
_EPOCH_DAY: Final = EPOCH.toordinal()
_EPOCH_WEEKDAY: Final = EPOCH.weekday()
_FIRST_DAY: Final = date.min.toordinal() - _EPOCH_DAY
_LAST_DAY: Final = date.max.toordinal() - _EPOCH_DAY
_CACHED_YEARS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHours:
    """The hours of each weekday from Monday on, and the days that differ from them.

    `zone` None: times on a wall, no instants. `country`, and its `subdivision`: also closed on
    their public holidays.
    """

    zone: ZoneInfo | None
    week: tuple[Spans, ...]
    days: tuple[tuple[int, Spans], ...] = ()
    country: str | None = None
    subdivision: str | None = None
    # It is a key of caches, asked for millions of times; it may name hundreds of days.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = self.zone, self.week, self.days, self.country, self.subdivision
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash

    def spans(self, days: range) -> list[Spans]:
        """Return when it is open on each of the days, by the clock on the wall."""
        differs = dict(self.days)
        differs.update(dict.fromkeys(self._public_holidays(days), ()))
        week = self.week
        return [differs.get(day, week[(day + _EPOCH_WEEKDAY) % 7]) for day in days]

    def _public_holidays(self, days: range) -> Iterable[int]:
        if self.country is None:
            return ()
        years = range(_year(days[0]), _year(days[-1]) + 1)
        known = (_public_holidays(self.country, self.subdivision, year) for year in years)
        return frozenset().union(*known)


def read_opening_hours(document: Mapping[str, Any]) -> OpeningHours:
    """Return the opening hours that a document says; fields that mean nothing here are left alone.

    Shapes: `{"tz": "Europe/Berlin" or null, "week": {"mon": [["09:00", "17:00"]]}, "holidays":
    ["2026-12-24"], "breaks": {"2026-12-23": [["12:00", "24:00"]]}, "country": "DE",
    "subdivision": "BY"}`; all but `week` may be missing.
    Raises: CalendarInvalid with everything that is wrong.
    """
    reading = _Reading()
    reading.unknown_fields("", document, _FIELDS)
    zone = reading.zone(document.get("tz"))
    week = reading.week(document.get("week"))
    holidays = reading.holidays(document.get("holidays") or ())
    breaks = reading.breaks(document.get("breaks") or {})
    country, subdivision = document.get("country"), document.get("subdivision")
    reading.country(country, subdivision)
    if reading.faults:
        raise CalendarInvalid(reading.faults)
    days = {day: _without(week[(day + _EPOCH_WEEKDAY) % 7], spans) for day, spans in breaks.items()}
    days.update(dict.fromkeys(holidays, ()))
    return OpeningHours(
        zone=zone,
        week=week,
        days=tuple(sorted(days.items())),
        country=country or None,
        subdivision=subdivision or None,
    )


class _Reading:
    """Reads a document field by field, and notes what is wrong instead of stopping at it."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, str]] = []

    def unknown_fields(self, path: str, found: Iterable[Any], known: Sequence[str]) -> None:
        """Note what is almost a known field: nobody writes it to be left alone."""
        for name in found:
            meant = get_close_matches(str(name), known, n=1) if name not in known else ()
            for other in meant:
                self._fault(f"{path}{name}", f"there is no such field; did you mean `{other}`?")

    def zone(self, name: Any) -> ZoneInfo | None:
        if name is None:
            return None
        zone = zone_of(name, UTC_ZONE) if isinstance(name, str) else UTC_ZONE
        if zone.key != name:
            self._fault("tz", f'{name!r} is no time zone; write one such as "Europe/Berlin"')
        return zone

    def week(self, value: Any) -> tuple[Spans, ...]:
        if not isinstance(value, Mapping):
            self._fault("week", 'write the hours of each day, such as "mon": [["09:00", "17:00"]]')
            return ()
        for name in value:
            if name not in WEEKDAYS:
                self._fault(f"week.{name}", f"is no day; the days are {', '.join(WEEKDAYS)}")
        return tuple(self._spans(f"week.{name}", value.get(name) or ()) for name in WEEKDAYS)

    def holidays(self, value: Any) -> list[int]:
        if not isinstance(value, Sequence | frozenset | set) or isinstance(value, str):
            self._fault("holidays", 'write a list of dates, such as ["2026-12-24"]')
            return []
        return [self._day(f"holidays.{place}", day) for place, day in enumerate(value)]

    def breaks(self, value: Any) -> dict[int, Spans]:
        if not isinstance(value, Mapping):
            self._fault("breaks", 'write dates, such as "2026-12-24": [["12:00", "24:00"]]')
            return {}
        return {
            self._day(path := f"breaks.{day}", day): self._spans(path, spans or ())
            for day, spans in value.items()
        }

    def country(self, country: Any, subdivision: Any) -> None:
        countries = list_supported_countries()
        if country and not (isinstance(country, str) and country in countries):
            self._fault("country", f'{country!r} is not known; write an ISO code such as "DE"')
        elif subdivision and not country:
            self._fault("subdivision", "name the country too")
        elif subdivision and subdivision not in countries[country]:
            known = ", ".join(countries[country]) or "none; leave it out"
            self._fault("subdivision", f"{country} has no {subdivision!r}; it has {known}")

    def _spans(self, path: str, value: Any) -> Spans:
        if not isinstance(value, Sequence) or isinstance(value, str):
            self._fault(path, 'write a list of spans, such as [["09:00", "17:00"]]')
            return ()
        return _joined([self._span(f"{path}.{place}", span) for place, span in enumerate(value)])

    def _span(self, path: str, value: Any) -> tuple[int, int]:
        if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
            self._fault(path, 'write two times, such as ["09:00", "17:00"]')
            return 0, DAY
        opens, closes = (self._time(f"{path}.{place}", text) for place, text in enumerate(value))
        if opens is None or closes is None:
            return 0, DAY
        if opens >= closes:
            advice = "past midnight, end at 24:00 and go on at 00:00 on the next day"
            self._fault(path, f"ends before it begins, or then; {advice}")
        return opens, closes

    def _time(self, path: str, text: Any) -> int | None:
        if text == _END_OF_DAY and path.endswith(".1"):
            return DAY
        match = _TIME.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            self._fault(path, f'{text!r} is no time of day; write one such as "09:00", in quotes')
            return None
        return (int(match[1]) * 60 + int(match[2])) * _MINUTE

    def _day(self, path: str, value: Any) -> int:
        if isinstance(value, date) and not isinstance(value, datetime):
            return value.toordinal() - _EPOCH_DAY
        try:
            return date.fromisoformat(value).toordinal() - _EPOCH_DAY
        except (TypeError, ValueError):
            self._fault(path, f'{value!r} is no date; write one such as "2026-12-24"')
            return 0

    def _fault(self, path: str, message: str) -> None:
        self.faults.append((path, message))


def _joined(spans: Iterable[tuple[int, int]]) -> Spans:
    joined: list[tuple[int, int]] = []
    for opens, closes in sorted(spans):
        if joined and opens <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], closes)
        else:
            joined.append((opens, closes))
    return tuple(joined)


def _without(spans: Spans, breaks: Spans) -> Spans:
    """Return what `breaks` leave of `spans`."""
    for begins, ends in breaks:
        pieces = [
            piece
            for opens, closes in spans
            for piece in ((opens, min(closes, begins)), (max(opens, ends), closes))
        ]
        spans = tuple((opens, closes) for opens, closes in pieces if opens < closes)
    return spans


def _year(day: int) -> int:
    return date.fromordinal(min(max(day, _FIRST_DAY), _LAST_DAY) + _EPOCH_DAY).year


@lru_cache(maxsize=_CACHED_YEARS)
def _public_holidays(country: str, subdivision: str | None, year: int) -> frozenset[int]:
    """Return the days of the public holidays, moved ones included.

    Source: the `holidays` package, which knows no country's before 1901 or after 2100.
    """
    known = country_holidays(country, subdiv=subdivision, years=year, expand=False)
    return frozenset(day.toordinal() - _EPOCH_DAY for day in known)
