"""What came of customers once their tasks were resolved, and how sure a share of them is.

A recovery question goes out some days after (trigger's program `recovery`). Who then scores in a
better group is recovered; who does not is unchanged; who leaves is lost; who says nothing within a
month is unanswered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from heardback.shares import share
from heardback.vocabulary import Category, Outcome

ANSWERS_WITHIN: Final = timedelta(days=30)
"""After it nobody answers any more: the question goes out within a week, and expires after it."""

_RANK: Final = {Category.DETRACTOR: 0, Category.PASSIVE: 1, Category.PROMOTER: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of a whole, with its 95 % interval. Units: from 0 to 1; of nothing: None."""

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None


def outcome_of(before: Category, after: Category) -> Outcome:
    """Return what an answer to the recovery question says of a customer of the group `before`."""
    return Outcome.RECOVERED if _RANK[after] > _RANK[before] else Outcome.UNCHANGED


def share_of(count: int, of: int) -> Share:
    """Return `count` of `of`, with its interval."""
    found = share(count, of)
    if found is None:
        return Share(count=count, of=of, share=None, low=None, high=None)
    return Share(count=count, of=of, share=found.value, low=found.low, high=found.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What came of the tasks of one group that were resolved in a period, each time it was.

    `left`: of their customers, those who have gone since the task was opened, whatever else.
    """

    category: Category
    resolved: int
    outcomes: Mapping[Outcome, int]
    left: int

    @property
    def open(self) -> int:
        """How many of them nothing is known of yet."""
        return self.resolved - sum(self.outcomes.values())

    @property
    def recovered(self) -> Share:
        """The part that scores better now, of those who answered."""
        count = self.outcomes.get(Outcome.RECOVERED, 0)
        return share_of(count, count + self.outcomes.get(Outcome.UNCHANGED, 0))

    @property
    def lost(self) -> Share:
        """The part that has gone, of all."""
        return share_of(self.left, self.resolved)

    @property
    def saved(self) -> Share:
        """The part that is still there, of all."""
        return share_of(self.resolved - self.left, self.resolved)
