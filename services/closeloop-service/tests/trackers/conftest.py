"""A tracker of each kind, served."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from closeloop_service.domain.rules import Tracker, TrackerKind
from closeloop_service.trackers.interface import TrackerClient
from closeloop_service.trackers.kinds import KINDS
from heardback.calls.guard import GuardedBackend, networks_in
from heardback.calls.http import Caller
from heardback.testing.browser import serve

from .room import Room
from .stages import BASE_PATHS, NOW, Stage, stage_of

LOOPBACK = networks_in("127.0.0.0/8")
Serve = Callable[[TrackerKind], object]


@pytest.fixture
async def serve_tracker() -> AsyncIterator[Callable[..., object]]:
    """Serve the double of a kind: `stage = await serve_tracker(kind)`."""
    async with AsyncExitStack() as stack:

        async def start(kind: TrackerKind) -> Stage:
            stage = stage_of(kind)
            url = await stack.enter_async_context(serve(stage.double.app))
            base_url = f"{url}{BASE_PATHS.get(kind, '')}"
            stage.tracker = replace(stage.tracker, base_url=base_url)
            return stage

        yield start


@pytest.fixture
async def client_of() -> AsyncIterator[Callable[..., TrackerClient]]:
    """Return the client of a stage: `client = client_of(stage)`."""
    caller = Caller(timeout_seconds=5, backend=GuardedBackend(LOOPBACK), most_bytes=4_194_304)

    def make(
        stage: Stage,
        *,
        now: datetime = NOW,
        secret: str | None = None,
        tracker: Tracker | None = None,
    ) -> TrackerClient:
        tracker = tracker or stage.tracker
        return KINDS[tracker.kind].client(tracker, secret or stage.secret, caller, now)

    yield make
    await caller.close()


@pytest.fixture
async def room_of(
    closeloop: Any, serve_tracker: Callable[[TrackerKind], Any]
) -> AsyncIterator[Callable[..., Any]]:
    async def make(kind: TrackerKind, **rules: Any) -> Room:
        room = Room(closeloop, await serve_tracker(kind))
        await room.configure(**rules)
        return room

    yield make
