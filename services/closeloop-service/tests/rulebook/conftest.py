"""The rulebooks' API and pages, served over an empty schema."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from closeloop_service.api import rulebooks
from closeloop_service.console.rulebook_editor import RulebookEditor
from closeloop_service.console.rulebooks import RulebookPages
from heardback.console.pages import Console, NavigationLink
from heardback.db import Database
from heardback.health import Health
from heardback.http import build_app

SECRETS = frozenset({"care_slack", "pager_key", "jira_token"})


@pytest.fixture
def app(database: Database) -> FastAPI:
    links = [NavigationLink(label=name, url=f"/{name}") for name in ("Board", "Rules", "Programs")]
    console = Console(
        package="closeloop_service.console",
        active="Rules",
        navigation=links,
        clock=database.clock,
    )
    routers = (
        rulebooks.router(SECRETS),
        RulebookEditor(console=console, secrets=SECRETS).router,
        RulebookPages(console=console).router,
        console.assets_router,
    )
    return build_app(name="closeloop", database=database, health=Health(), routers=routers)


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
