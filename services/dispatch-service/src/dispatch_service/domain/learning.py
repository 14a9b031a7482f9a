"""Learnt channel order: the channel that is answered most goes first, and doubt is explored.

Source: Thompson sampling over Bernoulli arms with a uniform prior (Thompson 1933; Agrawal and
Goyal 2012: regret grows with the logarithm of the number of questions).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from heardback.vocabulary import Channel

Beta = Callable[[float, float], float]
"""Draws from the beta distribution with these two parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How often customers of a segment were asked in a channel, and how often they answered."""

    asked: int = 0
    answered: int = 0

    @property
    def unanswered(self) -> int:
        """How often nothing came; an answer may be counted before its question is."""
        return max(0, self.asked - self.answered)


_UNKNOWN: Final = Record()


def learnt_order(
    channels: Sequence[Channel], records: Mapping[Channel, Record], *, beta: Beta
) -> list[Channel]:
    """Return the channels with the one first that a draw from what is known of each favours."""

    def draw(channel: Channel) -> float:
        record = records.get(channel, _UNKNOWN)
        return beta(record.answered + 1.0, record.unanswered + 1.0)

    return sorted(channels, key=draw, reverse=True)
