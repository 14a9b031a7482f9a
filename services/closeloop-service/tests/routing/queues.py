"""What a test of routing does to a service and looks at, in a line each."""

from typing import Any

from sqlalchemy import text

from closeloop_service.domain.routing import ROUTE
from closeloop_service.domain.task import Task
from heardback.envelope import Event
from heardback.timers import Timer


async def open_tasks(closeloop: Any, *alerts: Event[Any]) -> list[Task]:
    """Take in a batch of alerts; return all tasks."""
    await closeloop.hear(*alerts)
    tasks: list[Task] = await closeloop.tasks()
    return tasks


async def call(closeloop: Any, *queues: str) -> None:
    """Have these queues tried when timers fire next."""
    async with closeloop.database.transaction() as tx:
        for queue in queues:
            tx.set_timer(Timer(kind=ROUTE, key=queue, due_at=tx.now))


async def wake(closeloop: Any, *queues: str) -> None:
    """Have these queues tried at once."""
    await call(closeloop, *queues)
    await closeloop.pass_time()


async def rows(closeloop: Any, query: str) -> list[Any]:
    """Return what a query finds."""
    async with closeloop.database.read() as connection:
        return list(await connection.execute(text(query)))


async def lines_of(closeloop: Any, task: Task) -> list[Any]:
    """Return a task's history."""
    return [line for line in await closeloop.history() if line.task_id == task.task_id]
