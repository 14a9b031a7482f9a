"""`heardback demo`: the whole loop alive, with simulated customers and a screen that tells."""

import asyncio
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Final

import httpx2
import typer
from rich.console import Console

from heardback.errors import HeardbackError
from heardback_local.complaints import complaints
from heardback_local.config import StackConfig
from heardback_local.demo_programs import PROGRAMS_FOLDER
from heardback_local.demo_screen import Screen
from heardback_local.demo_team import open_the_office
from heardback_local.interruption import until_signalled
from heardback_local.options import (
    KafkaChoice,
    KafkaKind,
    PortBaseOption,
    PortOption,
    ProgramsOption,
    StateOption,
    chosen_ports,
)
from heardback_local.owners import Owners
from heardback_local.places import Places
from heardback_local.ports import DEFAULT_BASE
from heardback_local.simulated_events import Run
from heardback_local.simulation import Script, Simulation
from heardback_local.stack import Stack
from heardback_local.state import DEFAULT_FOLDER, State

_AGAIN_SECONDS: Final = 3.0
_THINK_SCALE: Final = 6.0
_LOOK_SECONDS: Final = 1.0
_RUNS: Final = "demo"
"""What the names of the demo's runs begin with: owners leave the customers of others alone."""


def demo(
    state: StateOption = DEFAULT_FOLDER,
    port_base: PortBaseOption = DEFAULT_BASE,
    port: PortOption = None,
    kafka: KafkaChoice = KafkaKind.embedded,
    programs: ProgramsOption = PROGRAMS_FOLDER,
    rate: Annotated[float, typer.Option(min=0.01, help="Events a second.")] = 1.0,
) -> None:
    """Start everything with simulated customers, and show what happens until Ctrl-C."""
    console = Console(highlight=False)
    with complaints(State(state)):
        config = StackConfig(
            state=state,
            ports=chosen_ports(port_base, port),
            kafka=kafka.value,
            programs=programs,
        )
        asyncio.run(until_signalled(_run(config, rate, console)))
        console.print("Stopped. Start again to go on where it was.", style="dim")


async def _run(config: StackConfig, rate: float, console: Console) -> None:
    console.print("Starting; the first time takes a few seconds longer.", style="dim")
    async with Stack(config) as stack, asyncio.TaskGroup() as group:
        screen = Screen(stack, console)
        group.create_task(stack.watch())
        group.create_task(_play(stack, screen, rate))
        group.create_task(_work(stack))
        group.create_task(screen.run())


async def _play(stack: Stack, screen: Screen, rate: float) -> None:
    """Play customers without end; after an outage, new ones come."""
    places = Places(
        kafka=stack.kafka_bootstrap,
        trigger=stack.url("trigger"),
        closeloop=stack.url("closeloop"),
        insights=stack.url("insights"),
        mailbox=stack.url("mailbox"),
    )
    async with httpx2.AsyncClient(timeout=10) as client:
        while True:
            script = Script(
                seed=secrets.randbits(32),
                customers=None,
                events_per_second=rate,
                think_scale=_THINK_SCALE,
                answers_again=True,
            )
            simulation = Simulation(Run(f"{_RUNS}{secrets.token_hex(4)}"), script, places, client)
            screen.progress = simulation.progress
            try:
                await simulation.play()
            except (HeardbackError, httpx2.HTTPError):
                await asyncio.sleep(_AGAIN_SECONDS)


async def _work(stack: Stack) -> None:
    """Have owners see to their tasks without end, whatever restarts meanwhile."""
    closeloop = stack.url("closeloop")
    async with httpx2.AsyncClient(timeout=10) as client:
        owners = Owners(closeloop, client, customers=Run(_RUNS).segment)
        hired = False
        while True:
            with suppress(httpx2.HTTPError):
                hired = hired or await open_the_office(closeloop, client)
                await owners.work(datetime.now(UTC))
            await asyncio.sleep(_LOOK_SECONDS)
