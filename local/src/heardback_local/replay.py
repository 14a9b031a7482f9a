"""`heardback replay FILE`: a real purchase log as a stream of events, every line accounted for."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx2
import typer
from rich.console import Console

from heardback.errors import Invalid
from heardback_local import replay_options as options
from heardback_local.bar import Bar
from heardback_local.complaints import complaints
from heardback_local.options import KafkaOption, StateOption
from heardback_local.places import Places, find_places
from heardback_local.publisher import Publisher
from heardback_local.purchase_log import WHITESPACE, Columns, Layout, detect_layout
from heardback_local.rejects import Rejects
from heardback_local.replay_outcome import Outcome, outcome_table, wait_for_decisions
from heardback_local.replay_position import Position, PositionFile
from heardback_local.replaying import (
    Plan,
    Times,
    file_hash,
    latest_time,
    numbered_lines,
    publish_log,
)
from heardback_local.state import DEFAULT_FOLDER, State
from heardback_local.time_map import TimeMap

_DELIMITERS: Final = {"comma": ",", "semicolon": ";", "tab": "\t", WHITESPACE: WHITESPACE}


class BadOption(Invalid):
    """The value of an option is not understood."""

    option: str
    value: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wishes:
    """What the command line asks for, beyond how the file is read."""

    source: str | None
    shift_to: str | None
    compress: float
    rate: float
    resume: bool
    limit: int | None
    email_pattern: str
    patience_seconds: float
    rejects: Path | None


def replay(
    file: options.LogArgument,
    state: StateOption = DEFAULT_FOLDER,
    delimiter: options.Delimiter = None,
    header: options.Header = None,
    customer: options.CustomerColumn = None,
    date: options.DateColumn = None,
    amount: options.AmountColumn = None,
    order: options.OrderColumn = None,
    date_format: options.DateFormat = None,
    timezone: options.Timezone = "UTC",
    shift_to: options.ShiftTo = None,
    compress: options.Compress = 1,
    rate: options.Rate = 0,
    resume: options.Resume = False,
    limit: options.Limit = None,
    email_pattern: options.EmailPattern = "{customer}@example.com",
    source: options.Source = None,
    rejects: options.RejectsFile = None,
    patience: options.Patience = 60,
    kafka_bootstrap: KafkaOption = None,
) -> None:
    """Publish a purchase log and wait until each line is decided on; exit code 1 if one is not."""
    wishes = _Wishes(
        source=source,
        shift_to=shift_to,
        compress=compress,
        rate=rate,
        resume=resume,
        limit=limit,
        email_pattern=email_pattern,
        patience_seconds=patience,
        rejects=rejects,
    )
    columns = Columns(customer=customer, date=date, amount=amount, order=order)
    with complaints(State(state)):
        places = find_places(state, kafka=kafka_bootstrap)
        layout = detect_layout(
            next((line for _, line in numbered_lines(file)), ""),
            columns,
            delimiter=_delimiter(delimiter),
            has_header=header,
            date_format=date_format,
            timezone=_zone(timezone),
        )
        _run_to_end(_Replay(file, layout, wishes, places, state))


def _run_to_end(replay: "_Replay") -> None:
    try:
        complete = asyncio.run(replay.run())
    except KeyboardInterrupt:
        print("Stopped. Go on with --resume.")
        raise typer.Exit(130) from None
    if not complete:
        raise typer.Exit(1)


class _Replay:
    """One replay, from the file's hash to the table."""

    def __init__(
        self, path: Path, layout: Layout, wishes: _Wishes, places: Places, state: Path
    ) -> None:
        digest = file_hash(path)
        self._wishes = wishes
        self._places = places
        self._console = Console(highlight=False)
        self._source = wishes.source or f"/replay/{digest[:12]}"
        self._file = PositionFile(state, file_hash=digest, source=self._source)
        self._start = self._file.load() if wishes.resume else Position()
        self._plan = self._make_plan(path, layout)

    async def run(self) -> bool:
        """Publish and wait; tell whether every line is accounted for."""
        plan, began = self._plan, monotonic()
        self._console.print(_reading(plan.path, plan.layout), markup=False, soft_wrap=True)
        async with Publisher(self._places.kafka) as publisher:
            reached = await self._publish(publisher)
        published, seconds = publisher.acknowledged, monotonic() - began
        summary = await self._decisions(expected=reached.accepted)
        outcome = Outcome(
            reached=reached,
            published=published,
            publishing_seconds=seconds,
            total_seconds=monotonic() - began,
            touchpoints=summary["touchpoints"],
            scheduled=summary["scheduled"],
            suppressed=summary["suppressed"],
        )
        self._console.print(outcome_table(outcome))
        return outcome.complete

    async def _publish(self, publisher: Publisher) -> Position:
        plan, wishes = self._plan, self._wishes
        total = sum(1 for _ in numbered_lines(plan.path, first=plan.first_line))
        if plan.last_line is not None:
            total = min(total, plan.last_line - plan.first_line + 1)
        with (
            Rejects(self._console, wishes.rejects, append=wishes.resume) as rejects,
            Bar(self._console, "Published", total=total) as bar,
        ):
            return await publish_log(
                plan,
                publisher,
                start=self._start,
                file=self._file,
                on_line=lambda number: bar.show(number - plan.first_line + 1),
                on_rejected=rejects.add,
            )

    async def _decisions(self, *, expected: int) -> Mapping[str, Any]:
        async with httpx2.AsyncClient(timeout=30) as client:
            with Bar(self._console, "Decided", total=expected) as bar:
                return await wait_for_decisions(
                    self._places,
                    client,
                    self._source,
                    expected=expected,
                    patience_seconds=self._wishes.patience_seconds,
                    on_progress=bar.show,
                )

    def _make_plan(self, path: Path, layout: Layout) -> Plan:
        wishes, pattern = self._wishes, self._wishes.email_pattern
        if "{customer}" not in pattern:
            raise BadOption(option="--email-pattern", value=pattern, expected="{customer} in it")
        first = self._start.last_line + 1
        header_lines = int(layout.has_header and first == 1)
        return Plan(
            path=path,
            layout=layout,
            source=self._source,
            times=_times(path, layout, wishes),
            email_pattern=pattern,
            first_line=first,
            last_line=wishes.limit and self._start.last_line + header_lines + wishes.limit,
            per_second=wishes.rate,
        )


def _times(path: Path, layout: Layout, wishes: _Wishes) -> Times:
    """Return how times are moved; the log is read once for it where that needs its latest time."""
    if wishes.shift_to is None and wishes.compress == 1:
        return lambda time: time
    latest = latest_time(path, layout) or datetime.now(UTC)
    becomes = latest if wishes.shift_to is None else _instant(wishes.shift_to)
    return TimeMap(anchor=latest, becomes=becomes, factor=wishes.compress)


def _instant(text: str) -> datetime:
    if text == "now":
        return datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadOption(option="--shift-to", value=text, expected="now, or ISO 8601") from error
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadOption(option="--timezone", value=name, expected="as Europe/Berlin") from error


def _delimiter(name: str | None) -> str | None:
    if name is None or name in _DELIMITERS.values():
        return name
    if name not in _DELIMITERS:
        raise BadOption(option="--delimiter", value=name, expected=", ".join(_DELIMITERS))
    return _DELIMITERS[name]


def _reading(path: Path, layout: Layout) -> str:
    """Say how the file is read, so that a wrong guess is seen at once."""
    names = {character: name for name, character in _DELIMITERS.items()}
    roles = ("customer", "date", "amount", "order")
    numbers = ((role, getattr(layout, role)) for role in roles)
    columns = ", ".join(f"{role} in column {at + 1}" for role, at in numbers if at is not None)
    header = "a header" if layout.has_header else "no header"
    return f"Reading {path}: {names[layout.delimiter]}-separated, {header}, {columns}."
