"""The HTTP of dispatch-service keeps to its OpenAPI document, whatever it is sent."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from dispatch_service.app import service
from dispatch_service.settings import Settings
from heardback.db import Database
from heardback.envelope import Event
from heardback.health import Health
from heardback.http import build_app
from heardback.security import LinkSigner, new_api_key
from heardback.testing.clock import START
from heardback.testing.openapi import check_contract

from .conftest import KEYS
from .driving import send

CALLBACK_SECRET = "a-secret-in-the-address"
POSTMARK = {"kind": "postmark", "name": "main", "url_secrets": [CALLBACK_SECRET]}
TWILIO = {"kind": "twilio", "name": "main", "auth_tokens": ["a-token-of-the-tests"]}
BEYOND_SCHEMAS = {
    "list_suppressions": "a cursor is one that a page gave",
    "add_suppression": "an entry names somebody, and something that there is to stop",
    "lift_suppression": "the same",
    "import_suppressions": "the first line names columns",
    "create_webhook_endpoint": "an address is on the internet, where we may call",
    "take_postmark_callback_by_secret": "a body that is cut short",
}
ENDLESS = ["stream_cards"]
"""A stream of events ends when its reader goes; tests/channels/test_in_app_stream.py has it."""


async def test_http_keeps_to_its_contract_whatever_it_is_sent(
    database: Database,
    requested: Callable[..., Event[Any]],
    take: Callable[..., Awaitable[None]],
    tmp_path: Path,
) -> None:
    asked = requested(channels=("email", "in_app"), program_type="transactional")
    await take(database, asked)
    await send(database)
    key, digest = new_api_key()
    app = build_app(
        name="dispatch",
        database=database,
        health=Health(),
        routers=service(_settings(database)).routers,
        api_keys=f"shop:{digest}",
    )
    known = {
        "path.token": [await _card_token(app, key), _way_out(asked.data.invitation_id)],
        "path.endpoint_id": [await _endpoint(app, key)],
        "path.message_id": [asked.data.invitation_id],
        "path.provider": ["main"],
        "path.secret": [CALLBACK_SECRET],
    }
    await check_contract(
        app,
        tmp_path,
        api_key=key,
        known=known,
        beyond_schemas=BEYOND_SCHEMAS,
        left_out=ENDLESS,
        # GET /in-app/tokens is answered too: as a token that is none.
        unchecked={"make_in_app_token": "allow_header_conformance"},
    )


def _settings(database: Database) -> Settings:
    return Settings(
        database_url=database.url,
        mail_from="feedback@example.com",
        survey_url="https://survey.example.com",
        preferences_url="https://preferences.example.com",
        link_keys=",".join(KEYS),
        callbacks=[POSTMARK, TWILIO],  # type: ignore[arg-type]  # as the environment says it
    )


def _way_out(invitation_id: str) -> str:
    signer = LinkSigner(KEYS, purpose="unsubscribe")
    return signer.sign(invitation_id, expires_at=START + timedelta(days=400))


async def _card_token(app: Any, key: str) -> str:
    made = await _post(app, key, "/in-app/tokens", {"customer_id": "c1"})
    return str(made["token"])


async def _endpoint(app: Any, key: str) -> str:
    made = await _post(app, key, "/webhook-endpoints", {"url": "https://hooks.example.com/"})
    return str(made["endpoint_id"])


async def _post(app: Any, key: str, path: str, body: Any) -> Any:
    transport = httpx2.ASGITransport(app=app)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://d", headers=headers) as c:
        response = await c.post(path, json=body)
    assert response.status_code == 201, response.text
    return response.json()
