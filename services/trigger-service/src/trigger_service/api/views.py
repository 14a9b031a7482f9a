"""Programs and the governance, as whoever asks over HTTP sees them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Self

from fastapi import Path
from pydantic import BaseModel

from heardback.differences import Difference
from heardback.vocabulary import ProgramType
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.domain.duration import parse_window
from trigger_service.domain.ledger import SCHEDULED
from trigger_service.domain.program import Cadence, ProgramState
from trigger_service.faults import Fault, InvalidDocument
from trigger_service.program_store import KeptGovernance, KeptProgram, KeptVersion

ProgramId = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,62}$")]


class ProgramView(BaseModel):
    """A program as it is kept. `delay_min`, `delay_max`: its delay, in seconds."""

    program_id: str
    name: str
    state: ProgramState
    version: int
    touchpoint: str | None
    cadence: Cadence | None
    type: ProgramType
    delay_min: float
    delay_max: float
    changed_at: datetime | None
    document: ProgramDocument

    @classmethod
    def of(cls, kept: KeptProgram) -> Self:
        """Return the view of `kept`."""
        document = ProgramDocument.model_validate_json(kept.document)
        delay = parse_window(document.delay)
        return cls(
            program_id=kept.program_id,
            name=document.name,
            state=kept.state,
            version=kept.version,
            touchpoint=document.touchpoint,
            cadence=document.cadence,
            type=document.type,
            delay_min=delay.shortest.total_seconds(),
            delay_max=delay.longest.total_seconds(),
            changed_at=kept.changed_at,
            document=document,
        )


class ProgramList(BaseModel):
    """Every program, archived ones included."""

    programs: list[ProgramView]


class VersionView(BaseModel):
    """One version of a program; it never changes."""

    version: int
    created_at: datetime
    document: ProgramDocument

    @classmethod
    def of(cls, kept: KeptVersion) -> Self:
        """Return the view of `kept`."""
        document = ProgramDocument.model_validate_json(kept.document)
        return cls(version=kept.version, created_at=kept.created_at, document=document)


class VersionList(BaseModel):
    """The versions of a program, the newest first."""

    versions: list[VersionView]


class DifferenceList(BaseModel):
    """What differs between two versions; null: it is not written in that one."""

    differences: list[Difference]


class GovernanceView(BaseModel):
    """The governance in force. Version 0: none was ever written, and the defaults hold."""

    version: int
    document: GovernanceDocument

    @classmethod
    def of(cls, kept: KeptGovernance) -> Self:
        """Return the view of `kept`."""
        document = GovernanceDocument.model_validate_json(kept.document)
        return cls(version=kept.version, document=document)


class FaultView(BaseModel):
    """What is wrong with a document: the path of the field, and what to do."""

    field: str
    message: str

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """Return the view of `fault`."""
        return cls(field=fault.field, message=fault.message)


class Verdict(BaseModel):
    """Whether a document is valid, and everything that is wrong with it.

    `warnings`: what is valid and perhaps not what was meant.
    """

    valid: bool
    faults: list[FaultView]
    warnings: list[FaultView] = []

    @classmethod
    def of(cls, error: InvalidDocument | None, *, warnings: Iterable[Fault] = ()) -> Self:
        """Return what there is to say about a document that was refused, or was not."""
        faults = () if error is None else error.faults
        return cls(
            valid=error is None,
            faults=[FaultView.of(fault) for fault in faults],
            warnings=[FaultView.of(warning) for warning in warnings],
        )


class Counts(BaseModel):
    """How many touchpoints led to an invitation, and how many did not, by the first reason."""

    scheduled: int = 0
    suppressed: dict[str, int] = {}

    def add(self, verdict: str, count: int) -> None:
        """Count `count` more of `verdict`."""
        if verdict == SCHEDULED:
            self.scheduled += count
        else:
            self.suppressed[verdict] = self.suppressed.get(verdict, 0) + count


class DayView(Counts):
    """One day, in UTC."""

    day: date


class VolumeView(BaseModel):
    """What a program has decided on each day, the oldest first, and in all."""

    days: list[DayView]
    totals: Counts

    @classmethod
    def of(cls, counts: Iterable[Mapping[Any, Any]], *, since: date, until: date) -> Self:
        """Return the days from `since` to `until`; on one that is not in `counts` was nothing."""
        dates = [since + timedelta(days=n) for n in range((until - since).days + 1)]
        days = {day: DayView(day=day) for day in dates}
        totals = Counts()
        for row in counts:
            for view in (totals, days[row["day"]]):
                view.add(row["verdict"], row["count"])
        return cls(days=list(days.values()), totals=totals)
