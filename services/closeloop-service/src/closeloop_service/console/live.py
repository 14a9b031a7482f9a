"""Feeds the open boards: what changed is rendered once, here, and fanned out by the hub.

Every replica listens to the database's doorbell, so a change made by one shows on all.
"""

from collections.abc import Mapping
from typing import Final

from closeloop_service.queries import tasks
from closeloop_service.queries.figures import KeptFigures
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store.tasks import BOARD
from heardback.console.pages import Console, table_rows
from heardback.console.sse import Hub
from heardback.doorbell import at_each_ring
from heardback.service import Run, Runtime

_MOST_LINES: Final = 100
"""More changes at once cost every page more than to fetch itself."""
_FIGURES_SECONDS: Final = 2.0


class BoardFeed:
    """The loop behind `hub`."""

    def __init__(self, *, console: Console, hub: Hub, keeper: Keeper) -> None:
        self._console = console
        self._hub = hub
        self._keeper = keeper
        self._since: str | None = None
        self._sent: Mapping[str, int] = {}
        self._strip = ""
        self._figures = KeptFigures()

    def loop(self, runtime: Runtime) -> Run:
        """Return the loop, for `Service.loops`."""

        async def publish() -> None:
            await self.publish(runtime)

        # Figures move with time alone.
        return at_each_ring(
            runtime.doorbell.bell(BOARD),
            publish,
            idle_seconds=_FIGURES_SECONDS,
            clock=runtime.clock,
            check=runtime.health.check("board"),
        )

    async def publish(self, runtime: Runtime) -> None:
        """Send what changed since the last call; with no page open, have the next read anew."""
        async with runtime.database.read() as connection:
            seen = await tasks.seen_now(connection)
            since = self._since or seen
            if not self._hub.listeners:
                self._hub.reset()
                self._since, self._sent = seen, {}
                return
            changes = await tasks.tasks_changed_since(connection, since, limit=_MOST_LINES)
            counts = await self._figures.at(connection, runtime.clock.now())
            rules = await self._keeper.in_force(connection)
        teams = {team.team_id: team.title for team in rules.routing.teams.values()}
        fresh = [task for task in changes.tasks if self._sent.get(task.task_id) != task.version]
        strip = self._console.render("_strip.html", figures=counts)
        if not changes.complete:
            self._hub.reset()
        elif fresh or strip != self._strip:
            rows = (self._console.render("_row.html", task=task, teams=teams) for task in fresh)
            self._hub.publish(strip + table_rows(*rows))
        self._since, self._strip = seen, strip
        self._sent = {task.task_id: task.version for task in changes.tasks}
