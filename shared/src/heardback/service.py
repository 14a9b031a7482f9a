"""What one service process is made of, and how it runs and stops."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import structlog
import uvicorn
from fastapi import APIRouter

from heardback import kafka, migrations, outbox, timers
from heardback.clock import Clock, wait_any
from heardback.consumer import BatchHandler, Consumer
from heardback.contracts.registry import EventType
from heardback.contracts.topics import Topic
from heardback.db import Database, is_transient
from heardback.dead_letters import DeadLetterLimit
from heardback.doorbell import Doorbell
from heardback.errors import HeardbackError, Retryable
from heardback.fast_lane import fast_lane
from heardback.health import Health
from heardback.http import build_app
from heardback.ids import Ids
from heardback.relay import Relay
from heardback.retrying import until_it_works
from heardback.settings import ServiceSettings
from heardback.timer_loop import TimerHandler, TimerLoop

_log = structlog.get_logger(__name__)
_WATCH_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 10.0
_DRAIN_SECONDS: Final = 5

Run = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""A loop: works until the event is set, and survives outages by itself."""


class LoopEnded(HeardbackError):
    """A loop of the service ended by itself; the process can't go on without it."""


class MigrationsBehind(Retryable):
    """The schema is not at this version's revision; run `migrate`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What a service's own loops and start-up need."""

    database: Database
    doorbell: Doorbell
    health: Health
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The description of one service: what it hears, what it serves, what it waits for.

    `package` holds its migrations; `name` is its schema, its group and its event source;
    `publishes` is for its contract document.
    `loops` are its own, made when everything is open; `on_start` runs once before they do.
    """

    name: str
    package: str
    settings: ServiceSettings
    handlers: Mapping[Topic, BatchHandler] = field(default_factory=dict)
    publishes: Sequence[EventType] = ()
    timers: Mapping[str, TimerHandler] = field(default_factory=dict)
    routers: Sequence[APIRouter] = ()
    loops: Sequence[Callable[[Runtime], Run]] = ()
    on_start: Callable[[Database], Awaitable[None]] | None = None


async def run(service: Service, *, clock: Clock, ids: Ids) -> None:
    """Run the HTTP app and every loop until SIGTERM or SIGINT; then finish what is under way."""
    settings, health, stop = service.settings, Health(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = Database(
        settings.database_url,
        service=service.name,
        clock=clock,
        ids=ids,
        pool_size=settings.database_pool_size,
    )
    doorbell = Doorbell(
        url=settings.database_url, schema=service.name, clock=clock, check=health.check("doorbell")
    )
    runtime = Runtime(database=database, doorbell=doorbell, health=health, clock=clock)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_serve(service, runtime, stop))
            if await _open_for_business(service, runtime, stop):
                for loop in _loops(service, runtime):
                    group.create_task(_run_loop(loop, stop))
                _log.info("started", port=settings.http_port)
            await stop.wait()
            _log.info("stopping")
    finally:
        await database.close()
    _log.info("stopped")


async def _run_loop(loop: Run, stop: asyncio.Event) -> None:
    """Run `loop`; one that ends before its time ends the process, which is started again."""
    task = asyncio.current_task()
    assert task is not None
    try:
        await loop(stop)
    except asyncio.CancelledError:
        # A task group overlooks a child that was cancelled by what it awaited.
        if task.cancelling():
            raise
    if not stop.is_set():
        raise LoopEnded(loop=getattr(loop, "__qualname__", repr(loop)))


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the service stops its parts itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(service: Service, runtime: Runtime, stop: asyncio.Event) -> None:
    settings = service.settings
    app = build_app(
        name=service.name,
        database=runtime.database,
        health=runtime.health,
        routers=service.routers,
        api_keys=settings.api_keys,
    )
    app.state.stop = stop
    server = _Server(
        uvicorn.Config(
            fast_lane(app),
            lifespan="off",
            log_config=None,
            access_log=False,
            # Who may say where a request comes from is for each service's own settings.
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
    )
    with socket.create_server((settings.http_host, settings.http_port), backlog=2048) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await stop.wait()
        finally:
            server.should_exit = True
            await serving


async def _open_for_business(service: Service, runtime: Runtime, stop: asyncio.Event) -> bool:
    """Wait for a database at the right revision, then do what comes once; False: told to stop."""

    async def prepare() -> bool:
        await _see_database(service, runtime)
        if service.on_start is not None:
            await service.on_start(runtime.database)
        return True

    check = runtime.health.check("database")
    opened = await until_it_works(
        prepare, worth_retrying=is_transient, stop=stop, clock=runtime.clock, check=check
    )
    return bool(opened)


async def _see_database(service: Service, runtime: Runtime) -> None:
    async with asyncio.timeout(_ANSWER_SECONDS), runtime.database.read() as connection:
        if not await migrations.is_current(connection, service.package):
            raise MigrationsBehind(run=f"python -m {service.package} migrate")


def _loops(service: Service, runtime: Runtime) -> list[Run]:
    """Every loop of the process; the doorbell comes last, when all bells are hung."""
    settings, database, health = service.settings, runtime.database, runtime.health
    relay = Relay(
        database=database,
        open_kafka=kafka.producers(settings),
        bell=runtime.doorbell.bell(outbox.CHANNEL),
        batch_size=settings.batch_size,
        retention=timedelta(seconds=settings.outbox_retention_seconds),
        check=health.check("relay"),
    )
    loops: list[Run] = [relay.run, partial(_watch_database, service, runtime)]
    if service.timers:
        timer_loop = TimerLoop(
            database=database,
            handlers=service.timers,
            bell=runtime.doorbell.bell(timers.CHANNEL),
            batch_size=settings.batch_size,
            check=health.check("timers"),
        )
        loops.append(timer_loop.run)
    if service.handlers:
        limit = DeadLetterLimit(
            limit=settings.dead_letter_limit,
            window=timedelta(seconds=settings.dead_letter_window_seconds),
        )
        consumer = Consumer(
            database=database,
            handlers=service.handlers,
            open_kafka=kafka.consumers(settings, service=service.name),
            limit=limit,
            check=health.check("consumer"),
        )
        loops.append(consumer.run)
    loops.extend(make(runtime) for make in service.loops)
    return [*loops, runtime.doorbell.run]


async def _watch_database(service: Service, runtime: Runtime, stop: asyncio.Event) -> None:
    """Keep readiness true to the database."""
    see = partial(_see_database, service, runtime)
    check = runtime.health.check("database")
    while not stop.is_set():
        await until_it_works(
            see, worth_retrying=is_transient, stop=stop, clock=runtime.clock, check=check
        )
        await wait_any(stop, clock=runtime.clock, seconds=_WATCH_SECONDS)
