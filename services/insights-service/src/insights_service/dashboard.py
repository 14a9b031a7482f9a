"""The dashboard: the figures on one live page, whose filters stand in its address."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.clock import Clock, wait_any
from heardback.console import charts
from heardback.console.pages import Console
from heardback.console.sse import Hub, stream
from heardback.http import DatabaseOf
from heardback.service import Run
from heardback.vocabulary import SlaClock
from insights_service import queries, words
from insights_service.domain.counts import Counts, Duration, Funnel, Sla, funnel_of, sla_of
from insights_service.domain.nps import Estimate, Tally, estimate
from insights_service.domain.scope import Grain, Scope
from insights_service.domain.series import series, telling_grain
from insights_service.domain.variants import Compared, Experiment

_THROTTLE_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 60.0


class Period(StrEnum):
    """How far the page looks back, today included."""

    WEEK = "7"
    MONTH = "30"
    QUARTER = "90"
    YEAR = "365"
    ALWAYS = "all"

    def first_day(self, today: date) -> date | None:
        """Return the period's first day."""
        return None if self is Period.ALWAYS else today - timedelta(days=int(self) - 1)

    @property
    def finest(self) -> Grain:
        """The narrowest points of the trend that can still be told apart."""
        return Grain.WEEK if self in (Period.YEAR, Period.ALWAYS) else Grain.DAY

    @property
    def label(self) -> str:
        """What the page calls it."""
        return "All time" if self is Period.ALWAYS else f"Last {self.value} days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The page's filters; the empty text: all."""

    period: Period = Period.MONTH
    program: str = ""
    touchpoint: str = ""
    segment: str = ""

    def scope(self, today: date) -> Scope:
        """Return what to ask about."""
        return Scope(
            program=self.program or None,
            touchpoint=self.touchpoint or None,
            segment=self.segment or None,
            first_day=self.period.first_day(today),
        )


SelectedOf = Annotated[Selected, Depends()]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    counts: Counts
    sla: Sla
    days: Mapping[date, Tally]
    experiments: Sequence[Experiment]
    choices: queries.Choices


def routes(console: Console, hub: Hub) -> APIRouter:
    """Return the routes of the page and of its changes."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def dashboard(request: Request, database: DatabaseOf, selected: SelectedOf) -> Response:
        position = hub.position
        scope = selected.scope(database.clock.now().date())
        async with database.read() as connection:
            figures = await _figures(connection, scope)
        context = _context(figures, selected)
        return console.page(request, "dashboard.html", position=position, **context)

    @router.get("/live")
    async def live(request: Request) -> Response:
        return stream(request, hub)

    return router


def refresher(hub: Hub, bell: asyncio.Event, clock: Clock) -> Run:
    """Return the loop that lets open pages fetch themselves again, at most once a second."""

    async def run(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await wait_any(bell, stop, clock=clock, seconds=_IDLE_SECONDS)
            if bell.is_set():
                bell.clear()
                hub.reset()
                await wait_any(stop, clock=clock, seconds=_THROTTLE_SECONDS)

    return run


async def _figures(connection: AsyncConnection, scope: Scope) -> _Figures:
    always = replace(scope, first_day=None, last_day=None)
    counts = await queries.counts(connection, scope)
    return _Figures(
        counts=counts,
        sla=sla_of(
            counts,
            always=await queries.counts(connection, always),
            durations=await queries.durations(connection, scope),
        ),
        days=await queries.scores_by_day(connection, scope),
        experiments=await queries.experiments(connection, scope),
        choices=await queries.choices(connection),
    )


def _context(figures: _Figures, selected: Selected) -> dict[str, Any]:
    """Return what the template shows."""
    tally, funnel = figures.counts.tally, funnel_of(figures.counts)
    return {
        "words": words,
        "selected": selected,
        "nothing": _nothing(figures),
        "score": estimate(tally),
        "nps_responses": tally.responses,
        "funnel": funnel,
        "sla": figures.sla,
        "clocks": _clocks(figures.sla),
        "groups": charts.category_bar(
            detractors=tally.detractors, passives=tally.passives, promoters=tally.promoters
        ),
        "experiments": [_compared(each) for each in figures.experiments],
        "steps": charts.funnel_bars(_steps(funnel)),
        **_trend(figures.days, telling_grain(figures.days, selected.period.finest)),
        **_choices(figures.choices, selected),
    }


def _compared(found: Experiment) -> dict[str, Any]:
    """Return what the card says of a program's variants."""
    return {
        "program": found.program,
        "variants": [
            (each, words.rate(each.interval(Compared.RESPONSE_RATE)), estimate(each.tally))
            for each in found.variants
        ],
        "findings": [
            words.difference(each)
            for compared in (Compared.RESPONSE_RATE, Compared.NPS)
            for each in found.differences(compared)
        ],
    }


def _clocks(sla: Sla) -> list[tuple[str, SlaClock, Duration]]:
    return [
        ("First\N{NO-BREAK SPACE}response", SlaClock.FIRST_RESPONSE, sla.first_response),
        ("Resolution", SlaClock.RESOLUTION, sla.resolution),
    ]


def _choices(known: queries.Choices, selected: Selected) -> dict[str, Sequence[tuple[str, str]]]:
    return {
        "periods": [(period.value, period.label) for period in Period],
        "programs": _options(known.programs, selected.program),
        "touchpoints": _options(known.touchpoints, selected.touchpoint),
        "segments": _options(known.segments, selected.segment),
    }


def _nothing(figures: _Figures) -> str | None:
    """Tell whether there is nothing to show: `ever`, or `here` within these filters."""
    if not figures.choices.touchpoints:
        return "ever"
    return "here" if figures.counts.empty and not figures.sla.open else None


def _options(values: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    """Return what can be chosen, and what is chosen although it is not known (any more)."""
    known = values if not chosen or chosen in values else [chosen, *values]
    return [(value, value) for value in known]


def _steps(funnel: Funnel) -> list[charts.Step]:
    return [
        charts.Step(label="Scheduled", count=funnel.scheduled, hint="a program decided to ask"),
        charts.Step(label="Requested", count=funnel.requested, hint="the invitation was due"),
        charts.Step(label="Sent", count=funnel.sent, hint="a provider took it"),
        charts.Step(label="Opened", count=funnel.opened, hint="a person looked at the survey"),
        charts.Step(label="Scored", count=funnel.scored, hint="the customer gave a score"),
        charts.Step(label="Commented", count=funnel.commented, hint="and said why"),
    ]


def _trend(days: Mapping[date, Tally], grain: Grain) -> dict[str, str | None]:
    """Return the chart and what it stands on; what has too few responses is a gap in its line."""
    points = series(days, grain)
    drawn = [point for point in points if point.estimate.enough]
    if len(drawn) < 2:
        return {"trend": None, "basis": words.no_trend()}
    by_day = {point.first_day: point.estimate for point in drawn}
    line = [
        _chart_point(words.moment(day, grain), by_day.get(day))
        for day in grain.days(drawn[0].first_day, drawn[-1].first_day)
    ]
    return {
        "trend": charts.line_chart(line, summary=words.trend(drawn, grain), value_name="NPS"),
        "basis": words.basis(drawn, grain, left_out=len(points) - len(drawn)),
    }


def _chart_point(label: str, found: Estimate | None) -> charts.Point:
    if found is None:
        return charts.Point(label=label, value=None)
    return charts.Point(label=label, value=found.nps, low=found.low, high=found.high)
