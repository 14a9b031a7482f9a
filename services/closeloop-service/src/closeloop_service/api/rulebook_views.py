"""Rulebooks as other systems read them, and what they send."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from closeloop_service.domain.matching import Facts
from closeloop_service.rulebook.documents.fields import Line, Money, Score
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.preview import PolicyPreview, RoutePreview
from closeloop_service.rulebook.reading import LONGEST
from closeloop_service.rulebook.trying import Question
from closeloop_service.store.rulebooks import KeptRulebook
from heardback.console.editing import LineFault
from heardback.differences import Difference
from heardback.vocabulary import Category

YEARS: Final = range(2000, 2101)


class View(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class RulebookView(View):
    """A version of a rulebook. Version 0 is the ready-made text, which nobody saved."""

    kind: Kind
    version: int
    saved_by: str
    note: str
    saved_at: datetime | None


class RulebookText(RulebookView):
    """The same with its text, comments included, and what the text says."""

    body: str
    document: dict[str, Any]


class RulebookSummary(RulebookView):
    """The same, and what it is about."""

    about: str

    @classmethod
    def of(cls, kept: KeptRulebook) -> Self:
        """Return the view of `kept`."""
        fields = RulebookView.model_validate(kept).model_dump()
        return cls(**fields, about=Kind(kept.kind).about)


class RulebookList(View):
    """Every rulebook in force; `version` is that of the rules which they make together."""

    version: int
    rulebooks: list[RulebookSummary]


class VersionList(View):
    """The versions of a rulebook, the newest first."""

    versions: list[RulebookView]


class DifferenceView(View):
    """A field that differs; null: it is not written there."""

    field: str
    before: Any
    after: Any


class DifferenceList(View):
    """Everything that differs between two versions."""

    differences: list[DifferenceView]

    @classmethod
    def of(cls, found: Iterable[Difference]) -> Self:
        """Return the view of what was found."""
        return cls(differences=[DifferenceView.model_validate(one) for one in found])


class FaultView(View):
    """Something about a text: its line, the path of the field, and what to do."""

    line: int
    field: str
    message: str


class Verdict(View):
    """Whether a text is valid, what is wrong with it, and what deserves a second look."""

    valid: bool
    faults: list[FaultView]
    advice: list[FaultView]

    @classmethod
    def of(cls, faults: Iterable[LineFault], advice: Iterable[LineFault]) -> Self:
        """Return the view of what was found."""
        wrong = [FaultView.model_validate(fault) for fault in faults]
        return cls(
            valid=not wrong,
            faults=wrong,
            advice=[FaultView.model_validate(fault) for fault in advice],
        )


class Form(BaseModel):
    """What is sent; a field that does not exist is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Text = Annotated[str, StringConstraints(max_length=LONGEST)]
Note = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


class SaveForm(Form):
    """A text to put in force. `based_on`: the version it was written upon; none: whichever."""

    body: Text
    saved_by: Line
    note: Note = ""
    based_on: Annotated[int, Field(ge=0, le=2**53)] | None = None


def _near(at: datetime) -> datetime:
    if at.year not in YEARS:
        msg = f"write a year from {YEARS[0]} to {YEARS[-1]}"
        raise ValueError(msg)
    return at


class TryForm(Form):
    """A task to try rules on. `at` without a zone is a time on the wall of its policy's calendar.

    `drafts`: texts, by their kind, as if they were in force.
    """

    at: Annotated[datetime, AfterValidator(_near)] = Field(examples=["2026-12-04T16:45"])
    category: Category = Category.DETRACTOR
    touchpoint: Line = "purchase"
    program: Line = "purchase"
    score: Annotated[Score, Field(strict=True)] = 2
    segment: Line | None = None
    language: Line | None = None
    value: Annotated[Money, Field(strict=True)] | None = None
    account_owner: Line | None = None
    drafts: Mapping[Kind, Text] = {}

    def question(self) -> Question:
        """Return what is asked."""
        return Question(
            at=self.at,
            account_owner=self.account_owner,
            facts=Facts(
                category=self.category,
                touchpoint=self.touchpoint,
                program_id=self.program,
                score=self.score,
                segment=self.segment,
                locale=self.language,
                value=self.value,
            ),
        )


POLICY_PREVIEW: Final = TypeAdapter(PolicyPreview)
ROUTE_PREVIEW: Final = TypeAdapter(RoutePreview)
