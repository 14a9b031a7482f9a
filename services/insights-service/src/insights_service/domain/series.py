"""The score over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from insights_service.domain.nps import ENOUGH_RESPONSES, Estimate, Tally, estimate
from insights_service.domain.scope import Grain


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The score of the days from `first_day` on, up to the next point's or the grain's end."""

    first_day: date
    estimate: Estimate


def series(days: Mapping[date, Tally], grain: Grain) -> Sequence[Point]:
    """Return a point for each day, week or month that has responses, in order."""
    tallies: dict[date, Tally] = {}
    for day, tally in days.items():
        first_day = grain.first_day(day)
        tallies[first_day] = tallies.get(first_day, Tally()) + tally
    found = [(day, estimate(tallies[day])) for day in sorted(tallies)]
    return [Point(first_day=day, estimate=each) for day, each in found if each is not None]


def telling_grain(days: Mapping[date, Tally], finest: Grain) -> Grain:
    """Return the finest grain, from `finest` on, at which a usual point has enough responses.

    Finer points would be mostly noise. Where none has enough, it is the coarsest.
    """
    grains = list(Grain)
    for grain in grains[grains.index(finest) :]:
        sizes = [point.estimate.tally.responses for point in series(days, grain)]
        if sizes and median(sizes) >= ENOUGH_RESPONSES:
            return grain
    return grains[-1]
