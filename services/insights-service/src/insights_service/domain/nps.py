"""The Net Promoter Score and how sure it is."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

CONFIDENCE: Final = 0.95
ENOUGH_RESPONSES: Final = 30
"""Fewer are too few to go by: at 30 the interval still reaches ±26 points for a usual mix of
answers and ±33 where everyone is a promoter or a detractor, which hides most real differences.
"""

_Z: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile."""
_ADDED_AT_EACH_END: Final = 0.75
_ADDED: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many answered in each group."""

    detractors: int = 0
    passives: int = 0
    promoters: int = 0

    @property
    def responses(self) -> int:
        """How many answered."""
        return self.detractors + self.passives + self.promoters

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            detractors=self.detractors + other.detractors,
            passives=self.passives + other.passives,
            promoters=self.promoters + other.promoters,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A score with its 95 % interval, in points from −100 to 100."""

    tally: Tally
    nps: float
    low: float
    high: float

    @property
    def margin(self) -> float:
        """Half of the interval's width, in points."""
        return (self.high - self.low) / 2

    @property
    def enough(self) -> bool:
        """Whether there are responses enough to go by the score."""
        return self.tally.responses >= ENOUGH_RESPONSES


def estimate(tally: Tally, *, z: float = _Z) -> Estimate | None:
    """Return the score of `tally` and its adjusted Wald interval, clipped at ±100.

    The score is the plain one; the interval's centre lies a little nearer to 0. No responses: None.
    `z`: how many standard errors the interval reaches to each side; by default it is the 95 % one.
    Source: B. Rocks, Interval Estimation for the Net Promoter Score, The American Statistician
    70(4), 2016: add ¾ promoters and ¾ detractors, 3 responses in all.
    """
    if tally.responses == 0:
        return None
    responses = tally.responses + _ADDED
    promoters = (tally.promoters + _ADDED_AT_EACH_END) / responses
    detractors = (tally.detractors + _ADDED_AT_EACH_END) / responses
    centre = promoters - detractors
    reach = z * sqrt((promoters + detractors - centre**2) / responses)
    return Estimate(
        tally=tally,
        nps=100 * (tally.promoters - tally.detractors) / tally.responses,
        low=max(-100.0, 100 * (centre - reach)),
        high=min(100.0, 100 * (centre + reach)),
    )
