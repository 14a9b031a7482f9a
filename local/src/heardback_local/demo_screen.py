"""What the demo shows: what has happened so far, what happens now, and which pages to open."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from heardback_local.pages import DOCUMENTED, PAGES
from heardback_local.simulation import Progress
from heardback_local.stack import Stack
from heardback_local.truth import nps_text

_TERMINAL_SECONDS: Final = 1.0
_PLAIN_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What insights has counted over all runs on this state folder."""

    events: int = 0
    invited: int = 0
    answered: int = 0
    tasks: int = 0
    open: int = 0
    resolved: int = 0
    recovered: int = 0
    nps: float | None = None
    margin: float | None = None

    def line(self) -> str:
        """Return the loop in one line."""
        margin = "" if self.margin is None else f" ± {self.margin:.0f}"
        return (
            f"{self.events} events → {self.invited} invited → {self.answered} answered → "
            f"{self.tasks} owner tasks ({self.open} open, {self.resolved} resolved) → "
            f"{self.recovered} recovered      NPS {nps_text(self.nps)}{margin}"
        )


class Screen:
    """Draws in place on a terminal; elsewhere prints the pages once, then a line now and then."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self.figures = Figures()
        self.progress = Progress()
        self._stack = stack
        self._console = console

    async def run(self) -> None:
        """Show until cancelled."""
        async with httpx2.AsyncClient(timeout=5) as client:
            if self._console.is_terminal:
                await self._draw(client)
            else:
                await self._print(client)

    async def _draw(self, client: httpx2.AsyncClient) -> None:
        with Live(self.render(), console=self._console, auto_refresh=False) as live:
            while True:
                await self._look(client)
                live.update(self.render(), refresh=True)
                await asyncio.sleep(_TERMINAL_SECONDS)

    async def _print(self, client: httpx2.AsyncClient) -> None:
        self._console.print(self._pages())
        while True:
            await self._look(client)
            self._console.print(self.figures.line(), soft_wrap=True)
            await asyncio.sleep(_PLAIN_SECONDS)

    async def _look(self, client: httpx2.AsyncClient) -> None:
        """Ask insights; keep the last figures while it does not answer."""
        try:
            funnel, score, sla = [
                (await client.get(self._stack.url("insights") + path)).raise_for_status().json()
                for path in ("/funnel", "/nps", "/sla")
            ]
        except (httpx2.HTTPError, ValueError):
            return
        self.figures = read_figures(funnel, score, sla)

    def render(self) -> RenderableType:
        """Return the whole screen."""
        return Group(
            Text("Heardback is running.", style="bold green"),
            Text(),
            Text(self.figures.line(), style="bold"),
            Text(),
            *_recent(self.progress.recent),
            Text(),
            self._pages(),
            Text(),
            Text("Ctrl-C stops everything; what happened so far stays.", style="dim"),
        )

    def _pages(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column(no_wrap=True)  # an address that is cut short leads nowhere
        table.add_column()
        for page in PAGES:
            address = self._stack.url(page.part) + page.path
            table.add_row(page.title, Text(address), Text(page.what, style="dim"))
        for index, part in enumerate(DOCUMENTED):
            table.add_row("" if index else "API docs", Text(f"{self._stack.url(part)}/docs"), part)
        table.add_row("Logs and data", Text(str(self._stack.state.folder)), "")
        return table


def read_figures(
    funnel: Mapping[str, Any], score: Mapping[str, Any], sla: Mapping[str, Any]
) -> Figures:
    """Return the figures in insights' answers."""
    has_margin = score["low"] is not None and score["high"] is not None
    return Figures(
        events=funnel["scheduled"] + funnel["suppressed"],
        invited=funnel["sent"],
        answered=funnel["scored"],
        tasks=sla["opened"],
        open=sla["open"],
        resolved=sla["resolved"],
        recovered=sla["outcomes"]["recovered"],
        nps=score["nps"],
        margin=(score["high"] - score["low"]) / 2 if has_margin else None,
    )


def _recent(lines: Sequence[str]) -> list[Text]:
    """Return the last things that happened, the newest last."""
    return [Text(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis") for line in lines]
