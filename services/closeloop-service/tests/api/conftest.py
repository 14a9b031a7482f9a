"""The API of one replica over HTTP, without its process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from closeloop_service.api import bulk, commands, tasks
from closeloop_service.api.changes import Changes
from heardback.console.sse import Hub
from heardback.db import Database
from heardback.health import Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds

OWNER = {"owner": "Ana"}


class Api:
    """The routes of tasks, and what feeds their stream."""

    def __init__(self, database: Database, keeper: Any) -> None:
        self.hub = Hub(ids=TimeOrderedIds(), capacity=1_000)
        self.changes = Changes(self.hub)
        self.database = database
        routers = (
            self.changes.router(),
            bulk.router(keeper),
            commands.router(keeper),
            tasks.router(keeper),
        )
        self.app: FastAPI = build_app(
            name="closeloop", database=database, health=Health(), routers=routers
        )
        self.app.state.stop = asyncio.Event()


@pytest.fixture
def api(database: Database, keeper: Any) -> Api:
    return Api(database, keeper)


@pytest.fixture
async def http(api: Api) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=api.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://closeloop") as client:
        yield client


@pytest.fixture
def open_tasks(
    closeloop: Any, an_alert: Callable[..., Any]
) -> Callable[[int], Awaitable[list[str]]]:
    """Open so many tasks, one for each customer; return their ids, the oldest first."""

    async def open_tasks(count: int) -> list[str]:
        await closeloop.hear(*(an_alert(number) for number in range(1, count + 1)))
        return [task.task_id for task in await closeloop.tasks()]

    return open_tasks


@pytest.fixture
async def task_id(open_tasks: Callable[[int], Awaitable[list[str]]]) -> str:
    """The id of the only task."""
    (task_id,) = await open_tasks(1)
    return task_id
