"""Feeds the open boards: what changed is rendered once, here, and fanned out by the hub.

Every replica listens to the database's doorbell, so a change made by one shows on all.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from closeloop_service import queries
from closeloop_service.store import BOARD
from heardback.clock import wait_any
from heardback.console.pages import Console, table_rows
from heardback.console.sse import Hub
from heardback.db import is_transient
from heardback.retrying import until_it_works
from heardback.service import Run, Runtime

_MOST_CHANGES: Final = 200
_GATHER_SECONDS: Final = 0.1
_FIGURES_SECONDS: Final = 10.0


class BoardFeed:
    """The loop behind `hub`."""

    def __init__(self, *, console: Console, hub: Hub) -> None:
        self._console = console
        self._hub = hub
        self._since: int | None = None
        self._sent: Mapping[str, int] = {}
        self._strip = ""

    def loop(self, runtime: Runtime) -> Run:
        """Return the loop, for `Service.loops`."""
        bell = runtime.doorbell.bell(BOARD)
        check = runtime.health.check("board")

        async def publish() -> None:
            await self.publish(runtime)

        async def run(stop: asyncio.Event) -> None:
            while not stop.is_set():
                bell.clear()
                await until_it_works(
                    publish,
                    worth_retrying=is_transient,
                    stop=stop,
                    clock=runtime.clock,
                    check=check,
                )
                # Figures move with time alone; many changes at once are one message.
                await wait_any(bell, stop, clock=runtime.clock, seconds=_FIGURES_SECONDS)
                await wait_any(stop, clock=runtime.clock, seconds=_GATHER_SECONDS)

        return run

    async def publish(self, runtime: Runtime) -> None:
        """Send what changed since the last call, if anything did."""
        async with runtime.database.read() as connection:
            now = runtime.clock.now()
            oldest = await queries.oldest_running(connection)
            since = oldest if self._since is None else self._since
            changed = await queries.tasks_changed_since(connection, since, limit=_MOST_CHANGES)
            figures = await queries.figures_at(connection, now)
        fresh = [task for task in changed if self._sent.get(task.task_id) != task.version]
        strip = self._console.render("_strip.html", figures=figures)
        rows = [self._console.render("_row.html", task=task) for task in fresh]
        if len(changed) == _MOST_CHANGES or (rows and not self._hub.listeners):
            self._hub.reset()
        elif rows or strip != self._strip:
            self._hub.publish(strip + table_rows(*rows))
        self._since, self._strip = oldest, strip
        self._sent = {task.task_id: task.version for task in changed}
