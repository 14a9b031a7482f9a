"""What came of the customers who were heard back, over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Self

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from closeloop_service.domain.recovery import Recovery, Share
from closeloop_service.queries.recovery import recoveries
from heardback.contracts.payloads import LATEST
from heardback.http import DatabaseOf
from heardback.vocabulary import Category, Outcome

_SAFE: Final = r"^[^\x00-\x1f\x7f]*$"
_A_QUARTER: Final = timedelta(days=91)
Instant = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=LATEST)]
router = APIRouter(tags=["recovery"])


class ShareView(BaseModel):
    """A part of a whole, from 0 to 1, with its 95 % interval (Wilson); of nothing: null."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    count: int
    of: int
    share: float | None
    low: float | None
    high: float | None

    @classmethod
    def of_share(cls, share: Share) -> Self:
        """Return the view of `share`."""
        return cls.model_validate(share)


class RecoveryView(BaseModel):
    """One group. `recovered`: of those who answered again; `lost` and `saved`: of all."""

    model_config = ConfigDict(frozen=True)

    category: Category
    resolved: int
    open: int
    outcomes: dict[Outcome, int]
    recovered: ShareView
    lost: ShareView
    saved: ShareView

    @classmethod
    def of(cls, recovery: Recovery) -> Self:
        """Return the view of `recovery`."""
        return cls(
            category=recovery.category,
            resolved=recovery.resolved,
            open=recovery.open,
            outcomes=dict(recovery.outcomes),
            recovered=ShareView.of_share(recovery.recovered),
            lost=ShareView.of_share(recovery.lost),
            saved=ShareView.of_share(recovery.saved),
        )


class RecoveryAnswer(BaseModel):
    """What came of tasks that were resolved in [since, until). Of passives: who became promoters.

    Source: the history of the tasks; one that was reopened and resolved again counts twice.
    """

    model_config = ConfigDict(frozen=True)

    since: datetime
    until: datetime
    groups: list[RecoveryView]


class RecoveryQuery(BaseModel):
    """Which tasks are looked at; by default those of the last 91 days."""

    model_config = ConfigDict(extra="forbid")

    since: Instant | None = None
    until: Instant | None = None
    segment: Annotated[str, Field(max_length=200, pattern=_SAFE)] | None = None
    touchpoint: Annotated[str, Field(max_length=200, pattern=_SAFE)] | None = None


@router.get("/recovery")
async def recovery(
    database: DatabaseOf, query: Annotated[RecoveryQuery, Query()]
) -> RecoveryAnswer:
    """Return who was won back, who was not, and who left, by group."""
    until = query.until or database.clock.now()
    since = query.since or until - _A_QUARTER
    async with database.read() as connection:
        groups = await recoveries(
            connection,
            since=since,
            until=until,
            segment=query.segment,
            touchpoint=query.touchpoint,
        )
    views = [RecoveryView.of(group) for group in groups]
    return RecoveryAnswer(since=since, until=until, groups=views)
