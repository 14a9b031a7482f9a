"""Improvements as other systems read and write them. Fields are added, none is renamed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from closeloop_service.api.views import View
from closeloop_service.domain.improvement import ImprovementState, allowed_moves
from closeloop_service.domain.rules import TrackerKind
from closeloop_service.queries.history import HistoryLine
from closeloop_service.queries.improvements import ImprovementLine

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"
    ),
]
Prose = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2_000, pattern=r"^[^\x00]*$")
]


class QuoteView(View):
    """What a customer said. Without `consent` it is shown here only, and in no ticket."""

    response_id: str
    customer_id: str
    text: str
    score: int | None
    consent: bool


class TicketView(View):
    """The ticket. No name: it is not made yet. `fault`: what to see to."""

    tracker_id: str
    name: str | None
    url: str | None
    status: str | None
    read_at: datetime | None
    fault: str | None


class ImprovementView(View):
    """An improvement. `reporters` are told when it ships; `told`, `sent`, `failed`: how far.

    `revenue_at_risk` is in `currency` a year.
    """

    improvement_id: str
    theme_id: str
    title: str
    state: ImprovementState
    allowed_moves: list[str]
    owner: str | None
    responses: int
    detractors: int
    customers: int
    revenue_at_risk: float | None
    currency: str | None
    quotes: list[QuoteView]
    since: datetime
    heard_at: datetime
    opened_at: datetime
    due_at: datetime
    overdue: bool
    closed_at: datetime | None
    ticket: TicketView | None
    reporters: int
    told: int
    sent: int
    failed: int
    version: int

    @classmethod
    def of(cls, line: ImprovementLine) -> Self:
        """Return the view of an improvement."""
        return cls(**_members(line))


class ImprovementHistoryView(View):
    """One line of an improvement's history. No actor: Heardback itself, or the tracker."""

    occurred_at: datetime
    what: str
    actor: str | None
    note: str
    details: Mapping[str, Any]


class ImprovementWithHistory(ImprovementView):
    """An improvement and everything that happened to it, the newest first."""

    history: list[ImprovementHistoryView]

    @classmethod
    def with_history(cls, line: ImprovementLine, history: Sequence[HistoryLine]) -> Self:
        """Return the view of an improvement with its history."""
        lines = [ImprovementHistoryView.model_validate(one) for one in history]
        return cls(**_members(line), history=lines)


class ImprovementPage(View):
    """One page, the newest first. `next` is the cursor of the page after it, if any."""

    improvements: list[ImprovementView]
    next: str | None


class ReporterView(View):
    """A customer who spoke of it. `outcome`: sent or failed, once that is known."""

    customer_id: str
    invitation_id: str
    program_id: str
    responses: list[str]
    told_at: datetime | None
    outcome: str | None


class ReporterPage(View):
    """One page, by customer id. `next` is the cursor of the page after it, if any."""

    reporters: list[ReporterView]
    next: str | None


class TrackerView(View):
    """A tracker of the rules. `fault`: what to see to; it is tried again at `try_at`."""

    tracker_id: str
    kind: TrackerKind
    project: str | None
    new_tickets: bool
    fault: str | None
    failing_since: datetime | None
    try_at: datetime | None


class TrackerList(View):
    """Every tracker of the rules."""

    trackers: list[TrackerView]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ImprovementForm(_Form):
    """An improvement that somebody opens by hand. Without a theme it is its own."""

    actor: Name
    title: Name
    theme_id: Name | None = None
    owner: Name | None = None
    note: Prose = ""


class ChangeForm(_Form):
    """Something done with an improvement. `version`: the one that it was decided on."""

    actor: Name
    note: Prose = ""
    version: int | None = None


class DeclineForm(ChangeForm):
    """It will not be mended; `note` says why."""

    note: Annotated[Prose, Field(min_length=1)]


class NoteForm(ChangeForm):
    """Something to remember."""

    note: Annotated[Prose, Field(min_length=1)]


class OwnerForm(ChangeForm):
    """Who is to see to it; null: nobody."""

    owner: Name | None


class TicketForm(_Form):
    """Who wants another ticket."""

    actor: Name


def _members(line: ImprovementLine) -> dict[str, Any]:
    improvement = line.improvement
    members = {name: getattr(improvement, name) for name in _SAME}
    return {
        **members,
        **asdict(line.telling),
        "quotes": [QuoteView.model_validate(quote) for quote in improvement.quotes],
        "allowed_moves": [str(move) for move in allowed_moves(improvement.state)],
        "overdue": improvement.overdue_at is not None and improvement.active,
        "ticket": None if line.ticket is None else TicketView.model_validate(line.ticket),
    }


_SAME: Final = (
    "improvement_id",
    "theme_id",
    "title",
    "state",
    "owner",
    "responses",
    "detractors",
    "customers",
    "reporters",
    "revenue_at_risk",
    "currency",
    "since",
    "heard_at",
    "opened_at",
    "due_at",
    "closed_at",
    "version",
)
