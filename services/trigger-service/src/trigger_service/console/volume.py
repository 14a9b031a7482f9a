"""How much a program asks: its decisions by day, and why not, from the daily tallies."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from trigger_service.domain.ledger import SCHEDULED
from trigger_service.domain.reason import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What a program decided on one day in UTC. `would_ask`: as a shadow."""

    on: date
    asked: int
    would_ask: int
    not_asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """What a program decided on some days in a row. `reasons`: why not, the most frequent first."""

    days: Sequence[Day]
    reasons: Mapping[str, int]

    @property
    def asked(self) -> int:
        """How many decisions were to ask."""
        return sum(day.asked for day in self.days)

    @property
    def would_ask(self) -> int:
        """How many decisions were a shadow's, to ask."""
        return sum(day.would_ask for day in self.days)

    @property
    def not_asked(self) -> int:
        """How many decisions were not to ask."""
        return sum(day.not_asked for day in self.days)

    @property
    def decisions(self) -> int:
        """How many decisions there were."""
        return self.asked + self.would_ask + self.not_asked

    def last(self, days: int) -> "Volume":
        """Return what there was on the last so many days; the reasons are those of all."""
        return replace(self, days=self.days[-days:])


def first_day(today: date, days: int) -> date:
    """Return where a span of so many days begins that ends with `today`."""
    return today - timedelta(days=days - 1)


def volumes(
    rows: Iterable[Mapping[Any, Any]], *, today: date, days: int
) -> defaultdict[str, Volume]:
    """Return the volume of each program over the `days` that end with `today`; without any: zeros.

    `rows`: day, program_id, verdict and count; under the empty id, what no program listens to.
    """
    counted: defaultdict[str, Counter[tuple[date, str]]] = defaultdict(Counter)
    for row in rows:
        counted[row["program_id"]][row["day"], row["verdict"]] += row["count"]
    span = [first_day(today, days) + timedelta(days=number) for number in range(days)]
    nothing = Counter[tuple[date, str]]()
    found = defaultdict[str, Volume](lambda: _volume(nothing, span))
    found.update({program_id: _volume(counts, span) for program_id, counts in counted.items()})
    return found


def _volume(counts: Mapping[tuple[date, str], int], span: Sequence[date]) -> Volume:
    reasons, by_day = Counter[str](), Counter[date]()
    for (day, verdict), count in counts.items():
        if verdict not in (SCHEDULED, Reason.SHADOW):
            reasons[verdict] += count
            by_day[day] += count
    days = [
        Day(
            on=day,
            asked=counts.get((day, SCHEDULED), 0),
            would_ask=counts.get((day, Reason.SHADOW), 0),
            not_asked=by_day[day],
        )
        for day in span
    ]
    return Volume(days=days, reasons=dict(reasons.most_common()))
