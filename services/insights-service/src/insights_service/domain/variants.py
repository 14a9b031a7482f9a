"""Variants of a survey compared: how many answer, what they say, and how sure the difference is."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import comb, hypot
from statistics import NormalDist
from typing import Final

from heardback.shares import Interval, share
from insights_service.domain.nps import CONFIDENCE, ENOUGH_RESPONSES, Tally, estimate

ENOUGH_SENT: Final = 30
"""Fewer invitations to a variant are too few to compare how many of them were answered."""


class Compared(StrEnum):
    """What variants are compared by."""

    NPS = "nps"
    RESPONSE_RATE = "response_rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What became of the invitations that were sent with one wording.

    `scored`: how many of the `sent` were answered; `tally`: those on the scale of the NPS.
    """

    name: str
    sent: int
    scored: int
    tally: Tally

    def interval(self, by: Compared, *, confidence: float = CONFIDENCE) -> Interval | None:
        """Return a figure of the variant; None: it has none yet."""
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        if by is Compared.RESPONSE_RATE:
            return share(self.scored, self.sent, z=z)
        found = estimate(self.tally, z=z)
        return None if found is None else Interval(value=found.nps, low=found.low, high=found.high)

    def has_enough(self, by: Compared) -> bool:
        """Tell whether there is enough to compare the variant by that."""
        if by is Compared.RESPONSE_RATE:
            return self.sent >= ENOUGH_SENT
        return self.tally.responses >= ENOUGH_RESPONSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """By how much the leading variant is ahead of another one, between `low` and `high`.

    `enough`: both have enough to be compared. Units: points of NPS; shares from 0 to 1.
    """

    compared: Compared
    ahead: str
    behind: str
    by: Interval
    enough: bool

    @property
    def told_apart(self) -> bool:
        """Whether chance alone would seldom show such a difference."""
        return self.enough and self.by.low > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """The variants of a program, by name, that invitations were sent with."""

    program: str
    variants: Sequence[Variant]

    def differences(self, compared: Compared) -> list[Difference]:
        """Return how far the leading variant is ahead of each of the others.

        The leader is picked by what is compared, and the more variants there are, the further
        ahead one is by chance. So each pair is held to a confidence at which all pairs together
        keep the usual one (Bonferroni).
        """
        pairs = comb(len(self.variants), 2)
        confidence = 1 - (1 - CONFIDENCE) / max(pairs, 1)
        ranked = sorted(
            (
                (found, variant)
                for variant in self.variants
                if (found := variant.interval(compared, confidence=confidence)) is not None
            ),
            key=lambda each: (-each[0].value, each[1].name),
        )
        return [
            Difference(
                compared=compared,
                ahead=ranked[0][1].name,
                behind=other.name,
                by=difference(ranked[0][0], found),
                enough=ranked[0][1].has_enough(compared) and other.has_enough(compared),
            )
            for found, other in ranked[1:]
        ]


def difference(one: Interval, other: Interval) -> Interval:
    """Return `one` less `other`, of two groups of customers that share nobody.

    Source: G. Y. Zou and A. Donner, Construction of confidence limits about effect measures,
    Statistics in Medicine 27(10), 2008; of two shares, R. G. Newcombe's method 10, Statistics in
    Medicine 17(8), 1998.
    """
    by = one.value - other.value
    # A score at the end of its scale lies outside its interval, whose centre is nearer to 0.
    below = max(0.0, one.value - one.low), max(0.0, other.high - other.value)
    above = max(0.0, one.high - one.value), max(0.0, other.value - other.low)
    return Interval(value=by, low=by - hypot(*below), high=by + hypot(*above))
