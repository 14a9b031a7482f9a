"""The HTTP of response-service keeps to its OpenAPI document, whatever it is sent."""

from pathlib import Path
from typing import Any

import httpx2

from heardback.db import Database
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.security import short_code
from heardback.testing.openapi import check_contract
from response_service.app import service
from response_service.settings import Settings
from response_service.survey_store import publish_ready_made

from .conftest import API_KEY, API_KEYS, INVITATION_ID, KEYS

BEYOND_SCHEMAS = {
    "list_suspects": "a cursor is one that a page gave",
    "submit_direct_answer": "a score is on the scale of the survey that the invitation is about",
    "publish_version_surveys__survey_id__versions_post": "texts are templates, and ids agree",
}


async def test_http_keeps_to_its_contract_whatever_it_is_sent(
    database: Database,
    asked: Event[Any],
    path: str,
    tmp_path: Path,
) -> None:
    await publish_ready_made(database)
    settings = Settings(
        database_url=database.url,
        link_keys=",".join(KEYS),
        limit_per_address="",
        limit_per_link="",
    )
    app = build_app(
        name="response",
        database=database,
        health=Health(),
        routers=service(settings).routers,
        api_keys=API_KEYS,
    )
    known = {
        "path.link": [path.removeprefix("/s/"), short_code(KEYS[0], INVITATION_ID)],
        "path.survey_id": ["nps", "support-ces"],
        "path.quarantine_id": [await _suspect(app, path)],
        "header.idempotency-key": ["a-key-of-the-tests"],
        "body.invitation_id": [INVITATION_ID],
    }
    await check_contract(app, tmp_path, api_key=API_KEY, known=known, beyond_schemas=BEYOND_SCHEMAS)


async def _suspect(app: Any, path: str) -> str:
    """Have a program answer; return the id under which its answer is kept."""
    transport = httpx2.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://r") as client:
        await client.post(path, data={"score": "9"}, headers={"User-Agent": "curl/8.5"})
        listed = (await client.get("/quarantine", headers=headers)).json()["suspects"]
    return str(listed[0]["quarantine_id"])
