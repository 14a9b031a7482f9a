"""Facts: what happened, once each, under the key that nature gave it.

A program or a segment that an event does not name is the empty text, so that it can be in a key.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from heardback.vocabulary import Category, Channel, Scale


class Measure(StrEnum):
    """What is counted."""

    SCHEDULED = "scheduled"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    REQUESTED = "requested"
    SENT = "sent"
    INVITATION_OPENED = "invitation_opened"
    REMINDED = "reminded"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    UNSUBSCRIBED = "unsubscribed"
    DETRACTOR = "detractor"
    PASSIVE = "passive"
    PROMOTER = "promoter"
    COMMENTED = "commented"
    UNASKED = "unasked"
    ALERTED = "alerted"
    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    CONTACTED = "contacted"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    TASK_CANCELLED = "task_cancelled"
    VERIFIED = "verified"
    WARNED = "warned"
    BREACHED = "breached"


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One place in the rollups.

    `detail`: the reason of a suppression, the clock of a breach, the outcome of a task, the scale
    of a score that is not on that of the NPS.
    """

    measure: Measure
    detail: str
    day: date
    program_id: str
    touchpoint: str
    segment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened to a customer; `cells` says where it counts, one in each."""

    customer_id: str
    program_id: str
    touchpoint: str
    segment: str
    occurred_at: datetime

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Where this counts."""
        raise NotImplementedError

    def cell(self, measure: Measure, detail: str = "") -> Cell:
        """Return the place of `measure` on this fact's UTC day."""
        day = self.occurred_at.astimezone(UTC).date()
        return Cell(measure, detail, day, self.program_id, self.touchpoint, self.segment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision(Fact):
    """A program asked or not. `reason`: the first one not to, empty where it asked."""

    decision_id: str
    touchpoint_id: str
    invitation_id: str | None
    outcome: Measure
    reason: str

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Where this counts: suppressions by their first reason, so that reasons add up."""
        return (self.cell(self.outcome, self.reason),)


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationStep(Fact):
    """An invitation went on a step; each step happens to it once, reminders by their number."""

    invitation_id: str
    step: Measure
    number: int
    reason: str
    variant: str | None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Where this counts."""
        return (self.cell(self.step, self.reason),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Fact):
    """An answer as it stands after `revision`; only the highest revision counts, on its day.

    One that is in quarantine does not count, and nothing of it is kept: `score` is None then.
    """

    response_id: str
    revision: int
    invitation_id: str
    channel: str
    scale: Scale
    score: int | None
    category: Category
    commented: bool

    @property
    def standing(self) -> tuple[int, bool]:
        """What tells which of two says more: a quarantine comes after the revision it is about."""
        return self.revision, self.score is None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Where this counts: its group, that it has a comment, and that nobody was asked."""
        if self.score is None:
            return ()
        scale = "" if self.scale is Scale.NPS else self.scale.value
        cells = [self.cell(Measure(self.category.value), scale)]
        if self.commented:
            cells.append(self.cell(Measure.COMMENTED))
        if self.channel == Channel.DIRECT:
            cells.append(self.cell(Measure.UNASKED))
        return tuple(cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert(Fact):
    """A detractor waits to be heard back."""

    alert_id: str
    response_id: str
    score: int

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Where this counts."""
        return (self.cell(Measure.ALERTED),)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep(Fact):
    """An owner task went on a step, or a clock of it ran on.

    `clock`: of the clock, or else of what came of it: the detail. `occurrence` tells the times
    apart that a step can happen more than once.
    Units: `seconds` is how long it took, of the first contact and of the resolution.
    """

    task_id: str
    step: Measure
    clock: str
    occurrence: int
    seconds: float | None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Where this counts."""
        return (self.cell(self.step, self.clock),)
