"""Changes of tasks as they happen, as server-sent events.

`change` carries a task as it is from now on; `reset` says that something was missed, also at the
start: read the tasks anew. `beat` says that nothing happened.
"""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from closeloop_service.api.views import TaskView
from closeloop_service.queries import tasks
from closeloop_service.store.tasks import BOARD
from heardback.console.sse import Hub, stream
from heardback.db import Database
from heardback.doorbell import at_each_ring
from heardback.service import Run, Runtime

_MOST_LINES: Final = 500
_LONGEST_SLEEP_SECONDS: Final = 60.0
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events: `change` with a task as JSON, `reset` and `beat`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


class Changes:
    """Tells whoever listens to this replica what any replica changed."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._since: str | None = None
        self._sent: dict[str, int] = {}

    def router(self) -> APIRouter:
        """Return the stream's route; it must come before that of one task."""
        routes = APIRouter(tags=["tasks"])

        @routes.get(
            "/tasks/changes",
            operation_id="stream_changes",
            response_class=StreamingResponse,
            responses=_STREAM,
        )
        async def stream_changes(request: Request) -> StreamingResponse:
            """Send each change of a task, in the order of their versions.

            Who comes back names the last id (`Last-Event-ID`, which browsers send by themselves).
            """
            return stream(request, self._hub)

        return routes

    def loop(self, runtime: Runtime) -> Run:
        """Return the loop that listens to the database, for `Service.loops`."""

        async def publish() -> None:
            await self.publish(runtime.database)

        return at_each_ring(
            runtime.doorbell.bell(BOARD),
            publish,
            idle_seconds=_LONGEST_SLEEP_SECONDS,
            clock=runtime.clock,
            check=runtime.health.check("changes"),
        )

    async def publish(self, database: Database) -> None:
        """Send what changed since the last call; with nobody there, have who comes read anew."""
        async with database.read() as connection:
            seen = await tasks.seen_now(connection)
            since = self._since or seen
            if not self._hub.listeners:
                self._hub.reset()
                self._since, self._sent = seen, {}
                return
            changes = await tasks.tasks_changed_since(connection, since, limit=_MOST_LINES)
        if changes.complete:
            for task in changes.tasks:
                if self._sent.get(task.task_id) != task.version:
                    self._hub.send("change", TaskView.of(task).model_dump_json())
        else:
            self._hub.reset()
        # The tasks were read a moment after `seen`: the next call may find these changes again.
        self._since = seen
        self._sent = {task.task_id: task.version for task in changes.tasks}
