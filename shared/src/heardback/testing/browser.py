"""A real browser on a real page: Chromium, an app served on a free port, axe.

Use its fixture by `pytest_plugins = ["heardback.testing.browser"]` in the root conftest.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from fastapi import FastAPI
from playwright.async_api import Browser, Page, async_playwright, expect

from heardback.embedded.processes import wait_until
from heardback.fast_lane import fast_lane

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_GRACE_SECONDS: Final = 2
_PATIENCE_MILLISECONDS: Final = 20_000
"""How long `expect` looks again: a busy machine takes its time."""


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A running Chromium; where there is none, tests are skipped and say so."""
    chromium = os.environ.get("HEARDBACK_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium here: install it, or name it in HEARDBACK_CHROMIUM")
    expect.set_options(timeout=_PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """Chromium for one test: what it leaves open is closed, with all cookies and storage."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[str]:
    """Serve `app` on a free port and yield its base URL; live streams end with the block."""
    app.state.stop = asyncio.Event()
    config = uvicorn.Config(fast_lane(app), port=0, log_config=None)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Not `server.serve()`: it looks ten times a second whether it is to end.
    await server.startup()
    await server.on_tick(0)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.stop.set()
        await _end(server)


async def _end(server: uvicorn.Server) -> None:
    for listening in server.servers:
        listening.close()
    state = server.server_state
    for connection in list(state.connections):
        connection.shutdown()
    await wait_until(lambda: not (state.connections or state.tasks), _GRACE_SECONDS)
    for task in state.tasks:
        task.cancel()
    await server.lifespan.shutdown()


async def accessibility_faults(page: Page) -> list[str]:
    """Return what axe finds wrong with the page, each with the elements that it is about."""
    await page.evaluate(Axe().axe_script)
    # Not all else that it looked at: that takes as long to carry over as to find.
    found = await page.evaluate(
        "axe.run({resultTypes: ['violations']}).then(all => all.violations)"
    )
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'] for node in fault['nodes'][:5]]}"
        for fault in found
    ]


async def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    width: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width
