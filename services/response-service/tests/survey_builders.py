"""The surveys' API and console over a database, with one key."""

import copy
import html
import re
from typing import Any, Final

from fastapi import FastAPI

from heardback.db import Database
from heardback.health import Health
from heardback.http import build_app
from heardback.security import ApiKeys, new_api_key
from heardback.surveys import ready_made
from response_service import survey_api
from response_service.console import routes
from response_service.settings import Settings

KEY, _HASH = new_api_key()
AUTHORIZED: Final = {"Authorization": f"Bearer {KEY}"}


def make_app(database: Database) -> FastAPI:
    """Return the app with the surveys and nothing else."""
    settings = Settings(
        database_url=database.url,
        link_keys="a-key-that-is-long-enough",
        board_url="/board",
        api_keys=f"ada:{_HASH}",
    )
    assert ApiKeys.parse(settings.api_keys).name_of(KEY) == "ada"
    routers = [survey_api.router(settings), *routes.routers(settings, clock=database.clock)]
    return build_app(
        name="response",
        database=database,
        health=Health(),
        routers=routers,
        api_keys=settings.api_keys,
    )


def document(**fields: Any) -> dict[str, Any]:
    """Return the document of a survey of our own."""
    return {**copy.deepcopy(dict(ready_made()["nps"].document)), "id": "mine", **fields}


def typed(page: str) -> str:
    """Return what stands in the editor of a page."""
    found = re.search(r"<textarea[^>]*>\n?(.*?)</textarea>", page, re.DOTALL)
    assert found
    return html.unescape(found[1])
