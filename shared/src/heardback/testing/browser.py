"""A real browser on a real page: Chromium, an app served on a free port, axe."""

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
from playwright.async_api import Browser, Page, async_playwright

from heardback.fast_lane import fast_lane
from heardback.testing.waiting import until

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


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Open Chromium; where there is none, skip the test and say so."""
    chromium = os.environ.get("HEARDBACK_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium here: install it, or name it in HEARDBACK_CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(_FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[str]:
    """Serve `app` on a free port and yield its base URL; live streams end with the block."""
    app.state.stop = asyncio.Event()
    config = uvicorn.Config(fast_lane(app), port=0, log_config=None, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.stop.set()
        server.should_exit = True
        await serving


async def accessibility_faults(page: Page) -> list[str]:
    """Return what axe finds wrong with the page, each with the elements that it is about."""
    results = await Axe().run(page)
    return [
        f"{fault['id']}: {fault['help']}: {[node['html'] for node in fault['nodes'][:5]]}"
        for fault in results.response["violations"]
    ]


async def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the window."""
    width: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width
