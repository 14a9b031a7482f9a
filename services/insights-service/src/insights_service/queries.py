"""The read side: figures come from the rollups, durations from the facts of tasks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, FromClause, case, cast, false, func, not_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.vocabulary import TASK_RESOLVED, Category, Scale
from insights_service.domain.counts import Counts, Duration
from insights_service.domain.facts import Measure
from insights_service.domain.nps import Tally
from insights_service.domain.scope import Scope
from insights_service.domain.variants import Experiment, Variant
from insights_service.tables import INVITATION_STEP, RESPONSE, ROLLUP, TASK_STEP

MOST_CHOICES: Final = 200
"""How many values of a filter are listed."""

_SCORES: Final = (Measure.DETRACTOR, Measure.PASSIVE, Measure.PROMOTER)
_RECOVERY: Final = "recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What there is to filter by, in order."""

    programs: Sequence[str]
    touchpoints: Sequence[str]
    segments: Sequence[str]


async def counts(connection: AsyncConnection, scope: Scope) -> Counts:
    """Return how often each thing happened within `scope`."""
    detail = case((_asked_again(scope), _RECOVERY), else_=ROLLUP.c.detail).label("detail")
    rows = await connection.execute(
        select(ROLLUP.c.measure, detail, func.sum(ROLLUP.c.count).label("total"))
        .where(*_about(ROLLUP, scope), *_days(scope))
        .group_by(ROLLUP.c.measure, detail)
    )
    return Counts(cells={(Measure(row.measure), row.detail): int(row.total) for row in rows})


async def scores_by_day(connection: AsyncConnection, scope: Scope) -> Mapping[date, Tally]:
    """Return the responses on the NPS's scale of each day within `scope` that has any."""
    rows = await connection.execute(
        select(ROLLUP.c.day, ROLLUP.c.measure, func.sum(ROLLUP.c.count).label("total"))
        .where(
            ROLLUP.c.measure.in_(_SCORES),
            ROLLUP.c.detail == "",
            not_(_asked_again(scope)),
            *_about(ROLLUP, scope),
            *_days(scope),
        )
        .group_by(ROLLUP.c.day, ROLLUP.c.measure)
    )
    days: dict[date, dict[str, int]] = defaultdict(dict)
    for row in rows:
        days[row.day][f"{row.measure}s"] = int(row.total)
    return {day: Tally(**groups) for day, groups in days.items()}


def _asked_again(scope: Scope) -> ColumnElement[bool]:
    """Tell scores apart that answer a recovery question: the NPS has that customer's score already.

    Who looks at a program or a touchpoint sees its scores, this one's too.
    """
    if scope.program is not None or scope.touchpoint is not None:
        return false()
    return ROLLUP.c.measure.in_(_SCORES) & (ROLLUP.c.touchpoint == TASK_RESOLVED)


async def durations(connection: AsyncConnection, scope: Scope) -> Mapping[Measure, Duration]:
    """Return how long first responses and resolutions took, of those within `scope`."""
    shares = cast([0.5, 0.9, 0.99], ARRAY(Float))
    marks = func.percentile_cont(shares).within_group(TASK_STEP.c.seconds)
    rows = await connection.execute(
        select(TASK_STEP.c.step, func.count().label("tasks"), marks.label("marks"))
        .where(
            TASK_STEP.c.step.in_((Measure.CONTACTED, Measure.RESOLVED)),
            *_about(TASK_STEP, scope),
            *_instants(TASK_STEP, scope),
        )
        .group_by(TASK_STEP.c.step)
    )
    return {Measure(row.step): _duration(row.tasks, row.marks) for row in rows}


async def experiments(connection: AsyncConnection, scope: Scope) -> Sequence[Experiment]:
    """Return the programs within `scope` that compare variants, by name.

    An answer counts with its invitation, whenever it came; only what was sent can be answered.
    """
    asked, sent = INVITATION_STEP, INVITATION_STEP.alias()
    groups = [
        func.count().filter(RESPONSE.c.scale == Scale.NPS, RESPONSE.c.category == group)
        for group in (Category.DETRACTOR, Category.PASSIVE, Category.PROMOTER)
    ]
    rows = await connection.execute(
        select(
            asked.c.program_id, asked.c.variant, func.count(), func.count(RESPONSE.c.score), *groups
        )
        .join(sent, (sent.c.invitation_id == asked.c.invitation_id) & (sent.c.step == Measure.SENT))
        .join(
            RESPONSE,
            (RESPONSE.c.invitation_id == asked.c.invitation_id) & RESPONSE.c.score.is_not(None),
            isouter=True,
        )
        .where(
            asked.c.step == Measure.REQUESTED,
            asked.c.variant.is_not(None),
            *_about(asked, scope),
            *_instants(asked, scope),
        )
        .group_by(asked.c.program_id, asked.c.variant)
        .order_by(asked.c.program_id, asked.c.variant)
    )
    found: dict[str, list[Variant]] = defaultdict(list)
    for program, name, sent_out, scored, *tally in rows:
        found[program].append(_variant(name, sent_out, scored, tally))
    return [Experiment(program=p, variants=v) for p, v in found.items() if len(v) > 1]


async def choices(connection: AsyncConnection) -> Choices:
    """Return the programs, touchpoints and segments that the figures know."""
    return Choices(
        programs=await _values(connection, ROLLUP.c.program_id),
        touchpoints=await _values(connection, ROLLUP.c.touchpoint),
        segments=await _values(connection, ROLLUP.c.segment),
    )


async def _values(connection: AsyncConnection, column: ColumnElement[str]) -> list[str]:
    found = select(column).where(column != "").distinct().order_by(column).limit(MOST_CHOICES)
    return list((await connection.execute(found)).scalars())


def _variant(name: str, sent: int, scored: int, tally: Sequence[int]) -> Variant:
    detractors, passives, promoters = tally
    groups = Tally(detractors=detractors, passives=passives, promoters=promoters)
    return Variant(name=name, sent=sent, scored=scored, tally=groups)


def _duration(tasks: int, marks: Sequence[float]) -> Duration:
    p50, p90, p99 = marks
    return Duration(count=tasks, p50_seconds=p50, p90_seconds=p90, p99_seconds=p99)


def _about(table: FromClause, scope: Scope) -> list[ColumnElement[bool]]:
    wanted = {
        table.c.program_id: scope.program,
        table.c.touchpoint: scope.touchpoint,
        table.c.segment: scope.segment,
    }
    return [column == value for column, value in wanted.items() if value is not None]


def _days(scope: Scope) -> list[ColumnElement[bool]]:
    return _between(ROLLUP.c.day, scope.first_day, scope.last_day)


def _instants(table: FromClause, scope: Scope) -> list[ColumnElement[bool]]:
    """The same days as instants: from the first one's midnight to the last one's end, in UTC."""
    day_end = timedelta(days=1) - timedelta(microseconds=1)
    first = scope.first_day and datetime.combine(scope.first_day, time(), UTC)
    last = scope.last_day and datetime.combine(scope.last_day, time(), UTC) + day_end
    return _between(table.c.occurred_at, first, last)


def _between(column: ColumnElement[Any], first: Any, last: Any) -> list[ColumnElement[bool]]:
    lower = [] if first is None else [column >= first]
    return lower if last is None else [*lower, column <= last]
