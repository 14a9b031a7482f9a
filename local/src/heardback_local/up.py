"""`heardback up`: runs a stack in the foreground until Ctrl-C."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from rich.console import Console
from rich.table import Table

from heardback_local.config import StackConfig
from heardback_local.pages import DOCUMENTED, PAGES
from heardback_local.stack import Stack
from heardback_local.tail import Tail

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run_stack(config: StackConfig, console: Console, *, quiet: bool) -> None:
    """Run the stack until a signal asks it to stop, then stop everything in order.

    Raises: what entering a Stack raises.
    """
    task = asyncio.current_task()
    assert task is not None
    stopping = asyncio.Event()

    def stop() -> None:
        if not stopping.is_set():  # a second Ctrl-C must not cut the orderly stop short
            stopping.set()
            task.cancel()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    stack = Stack(config)
    try:
        async with _shown_logs(stack, console, quiet=quiet):
            console.print("Starting; the first time takes a few seconds longer.", style="dim")
            async with stack:
                console.print(pages(stack))
                await stack.watch()
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
        console.print("Stopped.", style="dim")


def pages(stack: Stack) -> Table:
    """Return the list of pages to open."""
    table = Table.grid(padding=(0, 2))
    table.add_row("[bold green]Heardback is up.[/]", "Stop it with Ctrl-C or 'heardback down'.")
    for page in PAGES:
        table.add_row(page.title, stack.url(page.part) + page.path)
    for name in DOCUMENTED:
        table.add_row(f"API of {name}", stack.url(name) + "/docs")
    table.add_row("Kafka", stack.kafka_bootstrap)
    table.add_row("Logs and data", str(stack.state.folder))
    return table


@asynccontextmanager
async def _shown_logs(stack: Stack, console: Console, *, quiet: bool) -> AsyncIterator[None]:
    """Show what all processes write while the block runs."""
    if quiet:
        yield
        return
    tail = Tail(stack.logs, console)
    showing = asyncio.create_task(tail.run())
    try:
        yield
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
        tail.print_new()
