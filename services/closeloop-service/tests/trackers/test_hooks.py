"""What trackers call us with: only what they signed is heard, and then looked at."""

import hmac
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import httpx2
import orjson
import pytest
from fastapi import FastAPI
from standardwebhooks.webhooks import Webhook

from closeloop_service.api import trackers
from closeloop_service.domain.improvement import ImprovementState
from closeloop_service.domain.rules import TrackerKind
from closeloop_service.store import tickets
from heardback.clock import Clock
from heardback.health import Health
from heardback.http import build_app

from .room import Room, a_theme
from .stages import READ_BACK

HOOK = "whsec_aG9vay1zZWNyZXQtb2Ytb3Vycw=="
BROUGHT = "b537207f20cbfa02357cf448134da559"
PLACE = "/trackers/product/webhook"
every_readable = pytest.mark.parametrize("kind", READ_BACK)


def hexadecimal(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def call_of(kind: TrackerKind, ticket: str, clock: Clock) -> tuple[dict[str, str], bytes]:
    """Return a call as the tracker makes it when a ticket changed."""
    project, _, number = ticket.partition("#")
    sent_at = clock.now().timestamp()
    bodies: dict[TrackerKind, Any] = {
        TrackerKind.JIRA: {
            "timestamp": int(sent_at * 1000),
            "webhookEvent": "jira:issue_updated",
            "issue": {"id": ticket, "key": "CX-1"},
        },
        TrackerKind.GITHUB: {
            "action": "closed",
            "issue": {"number": int(number or 0)},
            "repository": {"full_name": project},
        },
        TrackerKind.LINEAR: {
            "action": "update",
            "type": "Issue",
            "data": {"id": ticket},
            "webhookTimestamp": int(sent_at * 1000),
        },
        TrackerKind.ASANA: {
            "events": [
                {"action": "changed", "resource": {"gid": ticket, "resource_type": "task"}},
                {"action": "changed", "resource": {"gid": "9", "resource_type": "story"}},
            ]
        },
    }
    body = orjson.dumps(bodies[kind])
    headers = {
        TrackerKind.JIRA: {"x-hub-signature": f"sha256={hexadecimal(HOOK, body)}"},
        TrackerKind.GITHUB: {
            "x-hub-signature-256": f"sha256={hexadecimal(HOOK, body)}",
            "x-github-event": "issues",
        },
        TrackerKind.LINEAR: {"linear-signature": hexadecimal(HOOK, body)},
        TrackerKind.ASANA: {"x-hook-signature": hexadecimal(BROUGHT, body)},
    }[kind]
    return {"content-type": "application/json", **headers}, body


@pytest.fixture
def app(closeloop: Any) -> FastAPI:
    routes = trackers.router(closeloop.keeper, {"tracker_hook": HOOK})
    return build_app(
        name="closeloop", database=closeloop.database, health=Health(), routers=(routes,)
    )


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def shake_hands(http: httpx2.AsyncClient, key: str = HOOK) -> httpx2.Response:
    headers = {"x-hook-secret": BROUGHT}
    return await http.post(PLACE, params={"key": key}, headers=headers)


async def ticketed(room: Room) -> str:
    """Return what the tracker knows the ticket by."""
    await room.closeloop.hear(a_theme())
    await room.round()
    async with room.database.read() as connection:
        rows = await connection.exec_driver_sql("SELECT ticket FROM ticket")
        return str(rows.scalar_one())


@every_readable
async def test_call_has_the_ticket_looked_at_at_once(
    kind: TrackerKind, room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(kind)
    ticket = await ticketed(room)
    if kind is TrackerKind.ASANA:
        shaken = await shake_hands(http)
        assert (shaken.status_code, shaken.headers["x-hook-secret"]) == (200, BROUGHT)
    room.stage.ways["declined"]()
    headers, body = call_of(kind, ticket, room.closeloop.clock)
    assert (await http.post(PLACE, headers=headers, content=body)).status_code == 204
    await room.round(seconds=1)
    assert (await room.line()).improvement.state is ImprovementState.DECLINED
    # Closed is not polled any more; a call still tells that the ticket was opened again.
    room.stage.ways["reopen"]()
    headers, body = call_of(kind, ticket, room.closeloop.clock)
    await http.post(PLACE, headers=headers, content=body)
    await room.round(seconds=1)
    assert (await room.line()).improvement.state is ImprovementState.OPEN
    assert (await room.history())[-2:] == ["declined", "reopened"]


@every_readable
async def test_call_that_is_not_signed_or_signed_for_other_words_is_refused(
    kind: TrackerKind, room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(kind)
    ticket = await ticketed(room)
    if kind is TrackerKind.ASANA:
        await shake_hands(http)
    headers, body = call_of(kind, ticket, room.closeloop.clock)
    for sent, words in (
        ({"content-type": "application/json"}, body),
        (headers, body + b" "),
        ({name: value[:-2] + "00" for name, value in headers.items()}, body),
    ):
        answer = await http.post(PLACE, headers=sent, content=words)
        assert answer.status_code == 401, answer.text


async def test_asana_handshake_of_a_stranger_is_refused(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(TrackerKind.ASANA)
    refused = await shake_hands(http, key="guess")
    assert refused.status_code == 401
    assert "x-hook-secret" not in refused.headers
    headers, body = call_of(TrackerKind.ASANA, "1", room.closeloop.clock)
    assert (await http.post(PLACE, headers=headers, content=body)).status_code == 401


async def test_asana_secrets_of_several_hooks_are_kept_the_newest_first(
    room_of: Callable[..., Any],
) -> None:
    room: Room = await room_of(TrackerKind.ASANA)
    async with room.database.transaction() as tx:
        for number in range(12):
            await tickets.add_hook_secret(tx.connection, "product", f"secret-{number}")
        kept = await tickets.hook_secrets(tx.connection, "product")
    assert kept == [f"secret-{number}" for number in range(11, 1, -1)]


async def test_linear_call_that_is_repeated_later_is_refused(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(TrackerKind.LINEAR)
    headers, body = call_of(TrackerKind.LINEAR, "x", room.closeloop.clock)
    assert (await http.post(PLACE, headers=headers, content=body)).status_code == 204
    room.closeloop.clock.advance(timedelta(seconds=61))
    assert (await http.post(PLACE, headers=headers, content=body)).status_code == 401


async def test_ticket_of_somebody_else_is_no_fault(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    headers, body = call_of(TrackerKind.GITHUB, "other/place#3", room.closeloop.clock)
    assert (await http.post(PLACE, headers=headers, content=body)).status_code == 204
    headers["x-github-event"] = "ping"
    assert (await http.post(PLACE, headers=headers, content=body)).status_code == 204


def status_call(
    clock: Clock,
    ticket: str,
    status: str,
    *,
    age_seconds: int = 0,
    url: str = "https://tickets.example/T-9",
) -> tuple[dict[str, str], bytes]:
    """Return a call as a system of the customer's own makes it."""
    data = {"ticket": ticket, "status": status, "url": url}
    body = orjson.dumps({"type": "ticket.status", "data": data})
    sent_at = clock.now() - timedelta(seconds=age_seconds)
    headers = {
        "content-type": "application/json",
        "webhook-id": "m1",
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": Webhook(HOOK).sign("m1", sent_at, body.decode()),
    }
    return headers, body


async def test_webhook_brings_the_status_itself(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(TrackerKind.WEBHOOK)
    ticket = await ticketed(room)
    for status, state in (
        ("planned", ImprovementState.PLANNED),
        ("done", ImprovementState.SHIPPED),
    ):
        headers, body = status_call(room.closeloop.clock, ticket, status)
        assert (await http.post(PLACE, headers=headers, content=body)).status_code == 204
        line = await room.line()
        assert line.improvement.state is state
    assert line.ticket is not None
    assert (line.ticket.status, line.ticket.url) == ("done", "https://tickets.example/T-9")


async def test_webhook_that_is_old_or_says_nothing_known_is_refused(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(TrackerKind.WEBHOOK)
    headers, body = status_call(room.closeloop.clock, "x", "done", age_seconds=301)
    assert (await http.post(PLACE, headers=headers, content=body)).status_code == 401
    headers, body = status_call(room.closeloop.clock, "x", "finished")
    answer = await http.post(PLACE, headers=headers, content=body)
    assert answer.status_code == 422
    assert "planned" in answer.text


async def test_address_that_is_no_page_of_the_web_is_not_kept(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(TrackerKind.WEBHOOK)
    ticket = await ticketed(room)
    before = (await room.line()).ticket.url
    for url in (
        "javascript:alert(1)",
        "https://tickets.example/a b",
        "https://e.com/" + "x" * 3000,
    ):
        headers, body = status_call(room.closeloop.clock, ticket, "open", url=url)
        assert (await http.post(PLACE, headers=headers, content=body)).status_code == 204
        assert (await room.line()).ticket.url == before


async def test_unknown_tracker_is_said(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    await room_of(TrackerKind.GITHUB)
    assert (await http.post("/trackers/other/webhook")).status_code == 404


async def test_trackers_are_listed_with_what_is_wrong(
    room_of: Callable[..., Any], http: httpx2.AsyncClient
) -> None:
    room: Room = await room_of(TrackerKind.GITHUB)
    await room.closeloop.hear(a_theme())
    listed = (await http.get("/trackers")).json()["trackers"]
    assert listed[0]["fault"] is None
    assert listed[0]["new_tickets"] is True
    room.sync = type(room.sync)(keeper=room.closeloop.keeper, secrets={})
    await room.round()
    listed = (await http.get("/trackers")).json()["trackers"]
    assert "tracker_token" in listed[0]["fault"]
