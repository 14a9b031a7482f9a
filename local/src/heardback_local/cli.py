"""The command line: `up`, `down`, `status`, `logs`, `reset`, and the commands of other modules."""

import asyncio
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from heardback.embedded.processes import wait_until
from heardback.security import new_api_key
from heardback_local.complaints import complaints
from heardback_local.config import StackConfig
from heardback_local.demo import demo
from heardback_local.options import (
    KafkaChoice,
    KafkaKind,
    PortBaseOption,
    PortOption,
    StateOption,
    chosen_ports,
)
from heardback_local.ports import DEFAULT_BASE
from heardback_local.readiness import why_none_ready
from heardback_local.replay import replay
from heardback_local.reset import reset as reset_state
from heardback_local.simulate import simulate
from heardback_local.smoke import smoke
from heardback_local.state import DEFAULT_FOLDER, State
from heardback_local.tail import Tail
from heardback_local.up import run_stack

_STOP_SECONDS: Final = 90.0

app = typer.Typer(
    help="Heardback on one machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)


@app.command()
def up(
    state: StateOption = DEFAULT_FOLDER,
    port_base: PortBaseOption = DEFAULT_BASE,
    port: PortOption = None,
    kafka: KafkaChoice = KafkaKind.embedded,
    kafka_bootstrap: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Use this Kafka; start none.")
    ] = None,
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Use this Postgres, as superuser; start none.")
    ] = None,
    replicas: Annotated[int, typer.Option(min=1, help="Processes of each service.")] = 1,
    programs: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="The programs to load.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Keep the logs in their files.")] = False,
) -> None:
    """Start everything, show the logs, and stop it all on Ctrl-C."""
    with complaints(State(state)):
        config = StackConfig(
            state=state,
            ports=chosen_ports(port_base, port),
            kafka=kafka.value,
            kafka_bootstrap=kafka_bootstrap,
            database_url=database_url,
            replicas=replicas,
            programs=programs,
        )
        asyncio.run(run_stack(config, console, quiet=quiet))


@app.command()
def down(state: StateOption = DEFAULT_FOLDER) -> None:
    """Stop the stack that runs in another terminal."""
    with complaints(State(state)):
        pid = State(state).running_pid()
        if pid is None:
            console.print(f"Nothing runs on {state}.")
            return
        os.kill(pid, signal.SIGTERM)
        if not asyncio.run(wait_until(lambda: State(state).running_pid() is None, _STOP_SECONDS)):
            console.print(f"Process {pid} has not stopped yet; see {State(state).logs}.")
            raise typer.Exit(1)
        console.print("Stopped.")


@app.command()
def status(state: StateOption = DEFAULT_FOLDER) -> None:
    """Show each process, and why it is not ready if it is not; exit code 1 then."""
    found = State(state)
    if found.running_pid() is None:
        console.print(f"Nothing runs on {state}. Start it with 'heardback up'.")
        raise typer.Exit(1)
    records = found.recorded()
    if not records:
        console.print("Still starting.")
        raise typer.Exit(1)
    why = asyncio.run(why_none_ready(records))
    table = Table("process", "pid", "port", "ready", "why not")
    for record in records:
        reason = why.get(record.name)
        ready = "[green]yes[/]" if reason is None else "[red]no[/]"
        table.add_row(record.name, str(record.pid or "–"), str(record.port), ready, reason or "")
    console.print(table)
    if why:
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str | None, typer.Argument(help="One process; without it, all.")] = None,
    state: StateOption = DEFAULT_FOLDER,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay and show more.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Of each process.")] = 50,
) -> None:
    """Show the end of the logs."""
    files = {path.stem: path for path in sorted(State(state).logs.glob("*.log"))}
    if name is not None and name not in files:
        known = ", ".join(files) or "none yet"
        console.print(f"There is no log of {name!r}. There are: {known}.")
        raise typer.Exit(1)
    tail = Tail(files if name is None else {name: files[name]}, console)
    tail.print_last(lines)
    if follow:
        with suppress(KeyboardInterrupt):
            asyncio.run(tail.run())


@app.command()
def reset(
    state: StateOption = DEFAULT_FOLDER,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all databases, mail, logs and secrets of the stack."""
    with complaints(State(state)):
        if not yes:
            typer.confirm(f"Delete everything that Heardback keeps in {state}?", abort=True)
        reset_state(State(state.absolute()))
        console.print("Deleted.")


@app.command("api-key")
def api_key(
    name: Annotated[str, typer.Argument(help="Who gets it: letters, digits and `._-`.")],
) -> None:
    """Make an API key for a trusted system; nothing keeps it but who copies it."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,60}", name):
        console.print("A name is 1 to 60 letters, digits and the signs . _ -")
        raise typer.Exit(2)
    key, digest = new_api_key()
    console.print(f"The key, for {name} alone; it is shown once:\n\n  {key}\n", soft_wrap=True)
    console.print("Its hash, for the services; add it to HEARDBACK_API_KEYS, after a comma:\n")
    console.print(f"  {name}:{digest}", soft_wrap=True)


app.command()(demo)
app.command()(simulate)
app.command()(replay)
app.command()(smoke)


if __name__ == "__main__":
    app()
