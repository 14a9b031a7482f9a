"""How sure a share of a whole is."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Final

Z95: Final = NormalDist().inv_cdf(0.975)
"""The reach of an interval of 95 %, in standard errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and between what it lies, at the confidence it was asked for."""

    value: float
    low: float
    high: float


def share(part: int, whole: int, *, z: float = Z95) -> Interval | None:
    """Return a share, from 0 to 1, with its score interval; of nothing: None.

    It holds for small numbers too. Source: E. B. Wilson, Probable inference, the law of succession,
    and statistical inference, Journal of the American Statistical Association 22(158), 1927.
    """
    if whole == 0:
        return None
    value = part / whole
    centre = (value + z**2 / (2 * whole)) / (1 + z**2 / whole)
    reach = z * sqrt(value * (1 - value) / whole + z**2 / (4 * whole**2)) / (1 + z**2 / whole)
    return Interval(value=value, low=max(0.0, centre - reach), high=min(1.0, centre + reach))
