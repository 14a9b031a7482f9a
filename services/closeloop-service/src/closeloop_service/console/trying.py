"""The form that tries rules out on a task which does not exist."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from closeloop_service.domain.grouping import one_line
from closeloop_service.domain.matching import Facts
from closeloop_service.rulebook.documents.fields import Money, Score
from closeloop_service.rulebook.trying import Question
from heardback.vocabulary import Category

_FRIDAY: Final = 4
_LATE: Final = time(16, 45)
_DEFAULT: Final = "purchase"
_Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31))]
Word = Annotated[str, StringConstraints(max_length=200), AfterValidator(one_line)]


def _unless_empty(value: Any) -> Any:
    return None if value == "" else value


Empty: Final = BeforeValidator(_unless_empty)
"""Browsers send fields that nobody filled in."""


class TryFields(BaseModel):
    """The fields as a browser sends them; what is left empty is not known."""

    model_config = ConfigDict(frozen=True)

    on: Annotated[_Day | None, Empty] = None
    at: Annotated[time | None, Empty] = None
    category: Category = Category.DETRACTOR
    score: Annotated[Score | None, Empty] = None
    touchpoint: Word = ""
    program: Word = ""
    segment: Word = ""
    language: Word = ""
    value: Annotated[Money | None, Empty] = None
    account_owner: Word = ""

    def question(self, now: datetime) -> Question:
        """Return what is asked; without a date, of Friday, just before the week ends."""
        on, at = self.on or coming_friday(now), self.at or _LATE
        return Question(
            at=datetime.combine(on, at.replace(tzinfo=None)),
            account_owner=self.account_owner or None,
            facts=Facts(
                category=self.category,
                score=2 if self.score is None else self.score,
                touchpoint=self.touchpoint or _DEFAULT,
                program_id=self.program or _DEFAULT,
                segment=self.segment or None,
                locale=self.language or None,
                value=self.value,
            ),
        )

    def shown(self, now: datetime) -> dict[str, Any]:
        """Return what stands in the fields."""
        asked = self.question(now)
        return {
            "on": asked.at.date().isoformat(),
            "at": f"{asked.at:%H:%M}",
            "category": asked.facts.category,
            "categories": [*Category],
            "score": asked.facts.score,
            "touchpoint": asked.facts.touchpoint,
            "program": asked.facts.program_id,
            "segment": self.segment,
            "language": self.language,
            "value": "" if self.value is None else f"{self.value:g}",
            "account_owner": self.account_owner,
        }


def coming_friday(now: datetime) -> date:
    """Return the next Friday, today if it is one."""
    return now.date() + timedelta(days=(_FRIDAY - now.weekday()) % 7)
