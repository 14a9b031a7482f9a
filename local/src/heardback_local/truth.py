"""What a simulation planted, and whether the system measured the same."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from heardback.vocabulary import Category
from heardback_local.customers import Play

Figures = Mapping[str, float | None]
"""Named figures; None says that there is none (an NPS without answers)."""

_NPS_ROUNDING: Final = 0.051


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure, as it was planted and as it was measured."""

    name: str
    planted: float | None
    measured: float | None

    @property
    def equal(self) -> bool:
        if self.planted is None or self.measured is None:
            return self.planted is self.measured
        return abs(self.planted - self.measured) < _NPS_ROUNDING


class Truth:
    """Adds up what should come of the events that were published, by the rules of the product.

    One invitation for each customer to whom something happened that asks; none for a repeat within
    the cooldown, none for a ticket that automation closed. By the ready-made playbooks a task for
    each detractor, and for each passive who left words.
    """

    def __init__(self) -> None:
        self.published = 0
        self._suppressed: Counter[str] = Counter()
        self._invited: Counter[str] = Counter()

    @property
    def invited(self) -> int:
        """How many customers are asked."""
        return self._invited["invited"]

    def add(self, play: Play) -> None:
        """Take one published event into account."""
        self.published += 1
        customer = play.customer
        if not customer.happening.asks:
            self._suppressed["automation"] += 1
        elif play.is_repeat:
            self._suppressed["cooldown"] += 1
        else:
            self._invited["invited"] += 1
            if customer.answer is not None:
                category, commented = customer.answer.category, customer.answer.comment is not None
                self._invited[category] += 1
                self._invited["commented"] += commented
                self._invited["advice"] += commented and category is Category.PASSIVE

    def figures(self) -> dict[str, float | None]:
        """Return every figure that the system must measure, by name."""
        groups = {category: self._invited[category] for category in Category}
        answered, invited = sum(groups.values()), self.invited
        suppressed = self._suppressed.total()
        return {
            "trigger: touchpoints": self.published,
            "trigger: scheduled": invited,
            "trigger: suppressed by cooldown": self._suppressed["cooldown"],
            "trigger: suppressed, closed by automation": self._suppressed["automation"],
            "trigger: suppressed for other reasons": 0,
            "mailbox: customers with a mail": invited,
            "mailbox: mails too many": 0,
            "insights: scheduled": invited,
            "insights: suppressed": suppressed,
            "insights: requested": invited,
            "insights: sent": invited,
            "insights: scored": answered,
            "insights: commented": self._invited["commented"],
            "insights: detractors": groups[Category.DETRACTOR],
            "insights: passives": groups[Category.PASSIVE],
            "insights: promoters": groups[Category.PROMOTER],
            "insights: NPS": nps(groups),
            "closeloop: detractors' tasks": groups[Category.DETRACTOR],
            "closeloop: passives' tasks": self._invited["advice"],
            "closeloop: promoters' tasks": 0,
            "closeloop: customers with two tasks": 0,
        }


def nps(groups: Mapping[Category, int]) -> float | None:
    """Return the Net Promoter Score, −100 to 100; None without answers.

    Source: Reichheld, "The One Number You Need to Grow", 2003.
    """
    answered = sum(groups.get(category, 0) for category in Category)
    if not answered:
        return None
    balance = groups.get(Category.PROMOTER, 0) - groups.get(Category.DETRACTOR, 0)
    return 100 * balance / answered


def nps_text(score: float | None) -> str:
    """Return the score as people write it."""
    return "–" if score is None else f"{round(score):+d}".replace("-", "−")


def compare(planted: Figures, measured: Figures) -> list[Comparison]:
    """Return each planted figure beside the measured one."""
    return [
        Comparison(name=name, planted=figure, measured=measured.get(name))
        for name, figure in planted.items()
    ]


def all_equal(comparisons: Iterable[Comparison]) -> bool:
    """Whether the system measured what was planted, in every figure."""
    return all(comparison.equal for comparison in comparisons)
