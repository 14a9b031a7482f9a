"""What the console shows of programs: rows, charts and figures, made from documents and tallies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import inf
from typing import Any, Final

import orjson
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.console import charts
from heardback.differences import Difference, differences
from heardback.yaml_text import to_yaml
from trigger_service import program_store, queries
from trigger_service.compiling import governance_of
from trigger_service.console import reading, words
from trigger_service.console.volume import Volume
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.domain.due import EVERYTHING, day_of
from trigger_service.domain.program import ProgramState
from trigger_service.program_store import KeptGovernance, KeptProgram, KeptVersion

KINDS: Final = {"asked": "Asked", "would-ask": "Would ask (shadow)", "not-asked": "Not asked"}
_FEWEST_COLUMNS: Final = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """One reason against asking, how often it was decisive, and its share of all decisions."""

    said: words.Said
    count: int
    share: float
    bar: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One program in the list."""

    program: KeptProgram
    document: ProgramDocument
    occasion: str
    timing: str
    channels: str
    volume: Volume
    shape: Markup
    why_not: Sequence[WhyNot]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for all programs, as the strip shows it."""

    between: str
    between_hint: str
    quiet: str
    quiet_hint: str
    budget: str
    budget_hint: str
    is_used_up: bool


def row(program: KeptProgram, volume: Volume) -> Row:
    """Return what the list says of a program."""
    document = ProgramDocument.model_validate_json(program.document)
    return Row(
        program=program,
        document=document,
        occasion=reading.occasion(document),
        timing=reading.timing(document),
        channels=reading.channels(document),
        volume=volume,
        shape=charts.small_columns(_columns(volume), kinds=tuple(KINDS)),
        why_not=why_not(volume.reasons, of=volume.decisions),
    )


def why_not(counts: Mapping[str, int], *, of: int) -> list[WhyNot]:
    """Return the reasons, the most frequent first; `of`: how many decisions there were in all."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [
        WhyNot(
            said=words.reason(name), count=count, share=count / of, bar=charts.share_bar(count / of)
        )
        for name, count in ordered
    ]


def volume_chart(volume: Volume) -> Markup:
    """Return the decisions by day."""
    first, last = volume.days[0].on, volume.days[-1].on
    summary = (
        f"Decisions a day from {short(first)} to {short(last)}: "
        f"{volume.asked:,} to ask and {volume.not_asked:,} not to ask in all"
        f"{f', {volume.would_ask:,} to ask as a shadow' if volume.would_ask else ''}."
    )
    drawn = _columns(volume)
    if volume.would_ask:
        return charts.column_chart(drawn, kinds=KINDS, summary=summary)
    kinds = {kind: name for kind, name in KINDS.items() if kind != "would-ask"}
    pairs = [replace(column, counts=column.counts[::2]) for column in drawn]
    return charts.column_chart(pairs, kinds=kinds, summary=summary)


def sends_chart(per_day: Mapping[date, int]) -> Markup:
    """Return how many invitations go out on each day."""
    span = max(_FEWEST_COLUMNS, (max(per_day) - min(per_day)).days + 1)
    days = [min(per_day) + timedelta(days=number) for number in range(span)]
    columns = [charts.Column(label=short(day), counts=(per_day.get(day, 0),)) for day in days]
    busiest = max(per_day.values())
    summary = (
        f"Invitations a day from {short(days[0])} to {short(days[-1])}: "
        f"{sum(per_day.values()):,} in all, {busiest:,} at most."
    )
    return charts.column_chart(columns, kinds={"asked": "Invitations"}, summary=summary)


def short(day: date) -> str:
    """Return a day as a chart says it."""
    return f"{day.day} {day:%b}"


async def limits(connection: AsyncConnection, kept: KeptGovernance, *, now: datetime) -> Limits:
    """Return what holds for all programs, and how much of the daily budget is used."""
    document = GovernanceDocument.model_validate_json(kept.document)
    day = day_of(now, governance_of(kept.document))
    used = await queries.requested_on(connection, day, EVERYTHING) or 0
    cooldowns, quiet, most = document.cooldowns, document.quiet_hours, document.daily_budget
    spoken = reading.duration
    return Limits(
        between=spoken(cooldowns.any),
        between_hint=(
            f"between any two surveys of a customer; {spoken(cooldowns.transactional)} between "
            f"transactional, {spoken(cooldowns.relational)} between relational, "
            f"{spoken(cooldowns.recovery)} between recovery ones"
        ),
        quiet=f"{quiet.opens}–{quiet.closes}" if quiet else "none",
        quiet_hint=f"by the recipient's clock; {document.timezone} where theirs is not known",
        budget="no limit" if most is None else f"{used:,} of {most:,}",
        budget_hint=(
            "set daily_budget in the governance"
            if most is None
            else f"sent today, in {document.timezone}"
        ),
        is_used_up=most is not None and used >= most,
    )


def as_yaml(document: str) -> str:
    """Return a kept document as people write it."""
    return to_yaml(orjson.loads(document), width=inf)


def compare(versions: Iterable[KeptVersion], first: int, second: int) -> list[Difference] | None:
    """Return what differs from one version to another; None: one of them is not among these."""
    by_number = {version.version: version.document for version in versions}
    if first not in by_number or second not in by_number:
        return None
    return differences(orjson.loads(by_number[first]), orjson.loads(by_number[second]))


def written(value: Any) -> str:
    """Return a value of a document as it is written there."""
    return to_yaml(value, width=inf).removesuffix("...\n").rstrip("\n")


async def load(
    connection: AsyncConnection,
) -> tuple[list[KeptProgram], KeptGovernance]:
    """Return every program in the order of the list, archived ones last, and the governance."""
    programs = (await program_store.load_programs(connection)).values()
    ordered = sorted(programs, key=lambda p: (p.state is ProgramState.ARCHIVED, p.program_id))
    return ordered, await program_store.load_governance(connection)


def _columns(volume: Volume) -> list[charts.Column]:
    return [
        charts.Column(label=short(day.on), counts=(day.asked, day.would_ask, day.not_asked))
        for day in volume.days
    ]
