"""The figures over HTTP. Days are UTC, `from` and `to` included, as 2026-03-31."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from heardback.http import DatabaseOf
from heardback.shares import Interval
from heardback.vocabulary import Outcome, SlaClock
from insights_service import queries
from insights_service.domain.counts import Funnel, funnel_of, sla_of
from insights_service.domain.nps import CONFIDENCE, Estimate, estimate
from insights_service.domain.scope import Grain, Scope, parse_day
from insights_service.domain.series import series
from insights_service.domain.variants import Compared, Experiment

router = APIRouter(tags=["figures"])


def _scope(
    *,
    program: str | None = None,
    touchpoint: str | None = None,
    segment: str | None = None,
    first: Annotated[str | None, Query(alias="from", description="2026-03-01")] = None,
    last: Annotated[str | None, Query(alias="to", description="2026-03-31")] = None,
) -> Scope:
    return Scope(
        program=program or None,
        touchpoint=touchpoint or None,
        segment=segment or None,
        first_day=parse_day("from", first),
        last_day=parse_day("to", last),
    )


ScopeOf = Annotated[Scope, Depends(_scope)]
"""The filters of a request."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class NpsAnswer(_Model):
    """A score from −100 to 100 with its interval; no responses: null.

    `enough`: false where there are too few responses to go by the score.
    """

    nps: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = CONFIDENCE
    responses: int = 0
    detractors: int = 0
    passives: int = 0
    promoters: int = 0
    enough: bool = False


class PointAnswer(NpsAnswer):
    """The score of the day, week or month that begins on `first_day`."""

    first_day: date


class SeriesAnswer(_Model):
    """The score over time; what has no responses has no point."""

    by: Grain
    points: Sequence[PointAnswer]


class FunnelAnswer(_Model):
    """From the decision to ask to the comment, each step on the day it happened.

    `response_rate` is scored ÷ sent, without those who were not asked, since it is not known what
    was delivered. `scored` is on whichever scale; `reminded` counts reminders.
    """

    scheduled: int
    suppressed: int
    suppressed_by_reason: Mapping[str, int]
    cancelled: int
    requested: int
    sent: int
    opened: int
    reminded: int
    bounced: int
    dropped: int
    scored: int
    unasked: int
    commented: int
    response_rate: float | None


class IntervalAnswer(_Model):
    """A figure, and between what it lies at 95 %."""

    value: float
    low: float
    high: float


class VariantAnswer(_Model):
    """What became of the invitations of the period that were sent with one wording."""

    variant: str
    sent: int
    scored: int
    response_rate: IntervalAnswer | None
    nps: NpsAnswer


class DifferenceAnswer(_Model):
    """How far the leading variant is ahead of another: points of NPS, or shares from 0 to 1.

    `told_apart`: chance alone would seldom show it. `enough`: false where too few were sent or
    answered to say anything.
    """

    compared: Compared
    ahead: str
    behind: str
    by: IntervalAnswer
    confidence: float = CONFIDENCE
    enough: bool
    told_apart: bool


class ExperimentAnswer(_Model):
    """The variants of one program. All differences together hold at `confidence`."""

    program: str
    variants: Sequence[VariantAnswer]
    differences: Sequence[DifferenceAnswer]


class VariantsAnswer(_Model):
    """The programs that compare variants."""

    programs: Sequence[ExperimentAnswer]


class DurationAnswer(_Model):
    """How long it took, in seconds, of those that happened within the period."""

    count: int
    p50_seconds: float | None
    p90_seconds: float | None
    p99_seconds: float | None


class SlaAnswer(_Model):
    """What became of owner tasks. `open`: now, whatever the period; rates are of those opened.

    `outcomes`: what came of those whose customers answered once more, left, or said nothing.
    """

    opened: int
    acknowledged: int
    contacted: int
    resolved: int
    reopened: int
    cancelled: int
    open: int
    outcomes: Mapping[Outcome, int]
    warned: Mapping[SlaClock, int]
    breached: Mapping[SlaClock, int]
    breach_rate: Mapping[SlaClock, float | None]
    first_response: DurationAnswer
    resolution: DurationAnswer


class ChoicesAnswer(_Model):
    """What there is to filter by."""

    programs: Sequence[str]
    touchpoints: Sequence[str]
    segments: Sequence[str]


@router.get("/nps")
async def nps(database: DatabaseOf, scope: ScopeOf) -> NpsAnswer:
    """Return the Net Promoter Score with its 95 % interval (adjusted Wald)."""
    async with database.read() as connection:
        counts = await queries.counts(connection, scope)
    return NpsAnswer(**_figures(estimate(counts.tally)))


@router.get("/nps/series")
async def nps_series(database: DatabaseOf, scope: ScopeOf, by: Grain = Grain.DAY) -> SeriesAnswer:
    """Return the score by day, week or month."""
    async with database.read() as connection:
        days = await queries.scores_by_day(connection, scope)
    points = [
        PointAnswer(first_day=point.first_day, **_figures(point.estimate))
        for point in series(days, by)
    ]
    return SeriesAnswer(by=by, points=points)


@router.get("/funnel")
async def funnel(database: DatabaseOf, scope: ScopeOf) -> FunnelAnswer:
    """Return how many were asked, reached and heard, and why others were not asked."""
    async with database.read() as connection:
        found: Funnel = funnel_of(await queries.counts(connection, scope))
    return FunnelAnswer.model_validate(found)


@router.get("/variants")
async def variants(database: DatabaseOf, scope: ScopeOf) -> VariantsAnswer:
    """Compare the variants of each program, of the invitations that were requested in the period.

    An answer counts with its invitation, whenever it came. Differences of more than two variants
    are held to a stricter measure, so that the leader is not ahead by chance.
    """
    async with database.read() as connection:
        found = await queries.experiments(connection, scope)
    return VariantsAnswer(programs=[_experiment(each) for each in found])


@router.get("/sla")
async def sla(database: DatabaseOf, scope: ScopeOf) -> SlaAnswer:
    """Return how fast detractors were heard back, and how often a clock ran out."""
    always = replace(scope, first_day=None, last_day=None)
    async with database.read() as connection:
        figures = sla_of(
            await queries.counts(connection, scope),
            always=await queries.counts(connection, always),
            durations=await queries.durations(connection, scope),
        )
    return SlaAnswer.model_validate(figures)


@router.get("/filters")
async def filters(database: DatabaseOf) -> ChoicesAnswer:
    """Return the programs, touchpoints and segments that the figures know."""
    async with database.read() as connection:
        return ChoicesAnswer.model_validate(await queries.choices(connection))


def _experiment(found: Experiment) -> ExperimentAnswer:
    return ExperimentAnswer(
        program=found.program,
        variants=[
            VariantAnswer(
                variant=each.name,
                sent=each.sent,
                scored=each.scored,
                response_rate=_interval(each.interval(Compared.RESPONSE_RATE)),
                nps=NpsAnswer(**_figures(estimate(each.tally))),
            )
            for each in found.variants
        ],
        differences=[
            DifferenceAnswer.model_validate(each)
            for compared in Compared
            for each in found.differences(compared)
        ],
    )


def _interval(found: Interval | None) -> IntervalAnswer | None:
    return None if found is None else IntervalAnswer.model_validate(found)


def _figures(found: Estimate | None) -> dict[str, Any]:
    if found is None:
        return {}
    tally = found.tally
    return {
        "nps": found.nps,
        "low": found.low,
        "high": found.high,
        "responses": tally.responses,
        "detractors": tally.detractors,
        "passives": tally.passives,
        "promoters": tally.promoters,
        "enough": found.enough,
    }
