"""`heardback simulate`: customers with hidden loyalty, and what the system made of them."""

import asyncio
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import httpx2
import typer
from rich.console import Console
from rich.table import Table

from heardback.contracts import topics
from heardback.errors import Invalid, Retryable
from heardback_local.complaints import complaints
from heardback_local.demo_programs import PROGRAMS_FOLDER
from heardback_local.live_line import LiveLine
from heardback_local.measuring import check as check_against_truth
from heardback_local.options import KafkaOption, StateOption
from heardback_local.places import Places, find_places
from heardback_local.simulated_events import Run
from heardback_local.simulation import Progress, Script, Simulation
from heardback_local.state import DEFAULT_FOLDER, State
from heardback_local.truth import Comparison, all_equal, nps_text

_PLAYED: Final = {
    topic.name for topic in (topics.PURCHASE, topics.TICKET_CLOSED, topics.ONBOARDING_COMPLETE)
}
_DEFAULT_CUSTOMERS: Final = 100
_CHECK_SECONDS: Final = 60.0


class PartSilent(Retryable):
    """A part of the stack does not answer; see `heardback status`."""

    why: str


class ProgramsTooSlow(Invalid):
    """A program asks later than simulated customers wait; start the stack with quick programs."""

    program: str
    asks_after_seconds: float
    start_with: str


def simulate(
    state: StateOption = DEFAULT_FOLDER,
    customers: Annotated[int | None, typer.Option(min=1, help="How many customers.")] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
    duration: Annotated[
        float | None, typer.Option(min=0.1, metavar="SECONDS", help="Stop after so long.")
    ] = None,
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0: full speed.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed plants the same truth.")] = 1,
    think: Annotated[
        float, typer.Option(min=0, help="Seconds that a typical customer takes to answer.")
    ] = 1.0,
    patience: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="Give up when nothing moves so long.")
    ] = 60,
    check: Annotated[
        bool, typer.Option("--check", help="Compare what was measured; exit code 1 if unequal.")
    ] = False,
    kafka_bootstrap: KafkaOption = None,
) -> None:
    """Play customers: publish what happens to them, read their mail, answer on the real pages."""
    if customers is None and events is None and duration is None:
        customers = _DEFAULT_CUSTOMERS
    script = Script(
        seed=seed,
        customers=customers,
        events=events,
        duration_seconds=duration,
        events_per_second=rate,
        think_scale=think,
        patience_seconds=patience,
    )
    console = Console(highlight=False)
    with complaints(State(state)):
        places = find_places(state, kafka=kafka_bootstrap)
        good = asyncio.run(_run(script, places, state, console, check=check))
    if not good:
        raise typer.Exit(1)


async def _run(
    script: Script, places: Places, state: Path, console: Console, *, check: bool
) -> bool:
    """Play, write the truth down, compare if asked; tell whether all is as it should be."""
    run = Run(secrets.token_hex(4))
    console.print(f"Run {run.id}, seed {script.seed}: customers of segment {run.segment}.")
    async with httpx2.AsyncClient(timeout=10) as client:
        await _require_quick_programs(places, client, script.patience_seconds)
        simulation = Simulation(run, script, places, client)
        with LiveLine(console, lambda: describe(simulation.progress)):
            await _play(simulation)
        path = _write_truth(simulation, script, state)
        console.print(f"The planted truth is in {path}.", style="dim", soft_wrap=True)
        for problem in simulation.progress.problems:
            console.print(f"  {problem}", style="red", markup=False, soft_wrap=True)
        if not check:
            return not simulation.progress.problems
        with console.status("Comparing with what the system measured …"):
            comparisons = await check_against_truth(
                simulation, places, client, timeout_seconds=_CHECK_SECONDS
            )
    console.print(comparison_table(comparisons))
    good = all_equal(comparisons) and not simulation.progress.problems
    console.print("Everything is as planted." if good else "[red]Not as planted.[/]")
    return good


async def _require_quick_programs(
    places: Places, client: httpx2.AsyncClient, patience_seconds: float
) -> None:
    """See that mail comes while somebody waits for it.

    Raises: ProgramsTooSlow, PartSilent.
    """
    try:
        answer = await client.get(f"{places.trigger}/programs")
        programs = answer.raise_for_status().json()["programs"]
    except httpx2.HTTPError as error:
        raise PartSilent(why=f"{type(error).__name__}: {error}") from error
    for program in programs:
        is_played = program["state"] == "active" and program["touchpoint"] in _PLAYED
        if is_played and program["delay_max"] > patience_seconds:
            raise ProgramsTooSlow(
                program=program["program_id"],
                asks_after_seconds=program["delay_max"],
                start_with=f"heardback up --programs {PROGRAMS_FOLDER}",
            )


async def _play(simulation: Simulation) -> None:
    try:
        await simulation.play()
    except httpx2.HTTPError as error:
        raise PartSilent(why=f"{type(error).__name__}: {error}") from error


def describe(progress: Progress) -> str:
    """Return the progress line."""
    answered = progress.answered.total()
    return (
        f"{progress.published} published · {len(progress.mails)} invited · "
        f"{progress.opened} opened · {answered} answered · NPS {nps_text(progress.nps)}"
    )


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Return planted and measured side by side."""
    table = Table("figure")
    for title in ("planted", "measured"):
        table.add_column(title, justify="right")
    table.add_column("equal")
    for row in comparisons:
        verdict = "[green]yes[/]" if row.equal else "[red]no[/]"
        table.add_row(row.name, _figure(row.planted), _figure(row.measured), verdict)
    return table


def _figure(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.1f}".removesuffix(".0")


def _write_truth(simulation: Simulation, script: Script, state: Path) -> Path:
    folder = state / "simulations"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{simulation.run.id}.json"
    told: dict[str, Any] = {
        "run": simulation.run.id,
        "source": simulation.run.source,
        "segment": simulation.run.segment,
        "seed": script.seed,
        "published": simulation.truth.published,
        "planted": simulation.truth.figures(),
    }
    path.write_text(json.dumps(told, indent=1))
    return path
