"""What became of the lines of a replayed log."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

import httpx2
from rich.table import Table

from heardback.errors import Retryable
from heardback_local.measuring import decisions
from heardback_local.places import Places
from heardback_local.replay_position import Position

_LOOK_SECONDS: Final = 0.5


class TriggerSilent(Retryable):
    """trigger-service does not answer; see `heardback status`, then replay again with --resume."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The lines so far, this replay's and those that it resumed, and how they were decided on."""

    reached: Position
    published: int
    publishing_seconds: float
    total_seconds: float
    touchpoints: int
    scheduled: int
    suppressed: Mapping[str, int]

    @property
    def lines(self) -> int:
        return self.reached.accepted + self.reached.rejected

    @property
    def accounted(self) -> int:
        """How many lines are rejected, scheduled or suppressed."""
        return self.reached.rejected + self.scheduled + sum(self.suppressed.values())

    @property
    def complete(self) -> bool:
        """Whether every line is accounted for, and nothing else is."""
        return self.accounted == self.lines and self.touchpoints == self.reached.accepted


async def wait_for_decisions(
    places: Places,
    client: httpx2.AsyncClient,
    source: str,
    *,
    expected: int,
    patience_seconds: float,
    on_progress: Callable[[int], None],
) -> Mapping[str, Any]:
    """Return trigger's summary once it holds `expected` touchpoints, or when it stands still.

    Raises: TriggerSilent.
    """
    best, moved_at = -1, monotonic()
    while True:
        try:
            summary = await decisions(places, client, source=source)
        except httpx2.HTTPError as error:
            if monotonic() - moved_at > patience_seconds:
                raise TriggerSilent(why=f"{type(error).__name__}: {error}") from error
        else:
            on_progress(summary["touchpoints"])
            if summary["touchpoints"] > best:
                best, moved_at = summary["touchpoints"], monotonic()
            if best >= expected or monotonic() - moved_at > patience_seconds:
                return summary
        await asyncio.sleep(_LOOK_SECONDS)


def outcome_table(outcome: Outcome) -> Table:
    """Return where every line went."""
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("lines", str(outcome.lines))
    table.add_row("rejected", str(outcome.reached.rejected))
    table.add_row("scheduled", str(outcome.scheduled))
    for reason, count in sorted(outcome.suppressed.items()):
        table.add_row(f"suppressed: {reason}", str(count))
    missing = outcome.lines - outcome.accounted
    verdict = "[green]yes[/]" if outcome.complete else f"[red]no: {missing} missing[/]"
    table.add_row("every line accounted for", verdict)
    table.add_row("published", _rate(outcome.published, outcome.publishing_seconds))
    table.add_row("published and decided", _rate(outcome.published, outcome.total_seconds))
    return table


def _rate(count: int, seconds: float) -> str:
    return f"{count} in {seconds:.1f} s, {count / max(seconds, 0.001):,.0f}/s"
