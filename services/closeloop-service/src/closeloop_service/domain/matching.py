"""Which tasks a rule is for."""

from dataclasses import dataclass

from heardback.locales import chain
from heardback.vocabulary import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What rules look at: of the answer, and of the customer who gave it. None: not known.

    Units: `value` is what the customer brings in a year; `score` is on the survey's own scale.
    """

    category: Category
    touchpoint: str
    program_id: str
    score: int
    segment: str | None = None
    locale: str | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which tasks a rule is for: all that is given must fit; nothing given fits every task.

    Units: `min_value` and `max_value` are what a customer brings in a year, both inclusive; a
    customer whose value is not known fits neither. Scores are on the survey's own scale.
    A language fits its regions too: `de` fits `de-AT`.
    """

    categories: frozenset[Category] = frozenset()
    segments: frozenset[str] = frozenset()
    touchpoints: frozenset[str] = frozenset()
    programs: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    min_value: float | None = None
    max_value: float | None = None
    min_score: int | None = None
    max_score: int | None = None

    def fits(self, facts: Facts) -> bool:
        """Tell whether the rule is for such a task."""
        return self.misfit(facts) is None

    def misfit(self, facts: Facts) -> str | None:
        """Return the name of the first field that does not fit; None: the rule is for the task."""
        fitting = {
            "categories": not self.categories or facts.category in self.categories,
            "segments": not self.segments or facts.segment in self.segments,
            "touchpoints": not self.touchpoints or facts.touchpoint in self.touchpoints,
            "programs": not self.programs or facts.program_id in self.programs,
            "languages": not self.languages or speaks(self.languages, facts.locale),
            "min_value": _within(self.min_value, facts.value, None),
            "max_value": _within(None, facts.value, self.max_value),
            "min_score": _within(self.min_score, facts.score, None),
            "max_score": _within(None, facts.score, self.max_score),
        }
        return next((field for field, fits in fitting.items() if not fits), None)


def speaks(languages: frozenset[str], locale: str | None) -> bool:
    """Tell whether somebody who speaks these understands a customer of that locale."""
    return not languages.isdisjoint(chain(locale))


def _within(least: float | None, value: float | None, most: float | None) -> bool:
    if least is None and most is None:
        return True
    if value is None:
        return False
    return (least is None or value >= least) and (most is None or value <= most)
