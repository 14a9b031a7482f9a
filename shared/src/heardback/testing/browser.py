"""A real browser on a real page: Chromium, an app served on a free port, axe.

Use its fixture by `pytest_plugins = ["heardback.testing.browser"]` in the root conftest.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import pytest
import uvicorn
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from fastapi import FastAPI
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

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
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
DESK: Final[ViewportSize] = {"width": 1440, "height": 900}
_WIDTHS: Final = (PHONE["width"], DESK["width"])
_SCHEMES: Final[Sequence[Literal["dark", "light"]]] = ("dark", "light")
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
    if not await page.evaluate("'axe' in window"):
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


async def shoot(page: Page, name: str) -> None:
    """Keep a picture of the whole page in the folder that HEARDBACK_SHOTS names, if it does."""
    if folder := os.environ.get("HEARDBACK_SHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def everywhere(
    page: Page, name: str, *, widths: Sequence[int] = _WIDTHS
) -> AsyncIterator[tuple[str, int]]:
    """Show the page in each width, dark and light; yield the view's name and its width.

    It is not loaded anew: what was typed and opened stays. The last width and light are left on.
    """
    for width in widths:
        for scheme in _SCHEMES:
            await page.set_viewport_size({"width": width, "height": DESK["height"]})
            await page.emulate_media(color_scheme=scheme)
            view = f"{name}-{width}-{scheme}"
            await shoot(page, view)
            yield view, width


async def faults_anywhere(page: Page, name: str, *, widths: Sequence[int] = _WIDTHS) -> list[str]:
    """Return what is wrong with the page in any view: what axe finds, and that it is too wide."""
    found: list[str] = []
    async for view, _ in everywhere(page, name, widths=widths):
        if (pixels := await overflow(page)) > 0:
            found.append(f"{view}: {pixels} pixels too wide")
        found += [f"{view}: {fault}" for fault in await accessibility_faults(page)]
    return found
