"""An owner's due dates as a calendar (RFC 5545)."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from closeloop_service.api import calendar_feed
from closeloop_service.domain.commands import Assign, Contact, Wait
from closeloop_service.domain.due_feed import due_feed
from closeloop_service.domain.rules import Member, Routing, Team
from closeloop_service.ops_alerts.links import Links
from heardback.health import Health
from heardback.http import build_app
from heardback.security import LinkTampered

from .conftest import BOARD

NAME = "Ana Núñez/2, Ruiz; \\ \U0001f600"


@pytest.fixture
async def http(ops: Any) -> AsyncIterator[httpx2.AsyncClient]:
    router = calendar_feed.router(ops.keeper, ops.links)
    app = build_app(name="closeloop", database=ops.database, health=Health(), routers=(router,))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=BOARD) as client:
        yield client


def unfolded(feed: str) -> list[str]:
    assert feed.endswith("\r\n")
    assert "\n" not in feed.replace("\r\n", "")
    lines = feed.split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    return feed.replace("\r\n ", "").split("\r\n")[:-1]


async def test_feed_has_an_event_for_each_clock_that_runs(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    words = "Späät; really, \\late\\\nand " + "\u4e00" * 120
    await closeloop.hear(
        an_alert(1, comment=words, recipient={"email": "a@example.com", "name": "Ada; Lo,ve"}),
        an_alert(2),
    )
    first, second = [task.task_id for task in await closeloop.tasks()]
    for task_id in (first, second):
        await closeloop.move(task_id, Assign(actor="Ana", owner="Ana"))
    await closeloop.move(second, Contact(actor="Ana", channel="phone"))
    await closeloop.move(second, Wait(actor="Ana"))
    answer = await http.get(ops.links.feed("Ana"))
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-store"
    lines = unfolded(answer.text)
    assert lines.count("BEGIN:VEVENT") == 1
    assert (lines[0], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    assert f"UID:{first}@heardback" in lines
    assert "DTSTART:20260302T124500Z" in lines
    assert "DTEND:20260302T130000Z" in lines
    assert "SUMMARY:first response to Ada\\; Lo\\,ve" in lines
    (said,) = [line for line in lines if line.startswith("DESCRIPTION:")]
    assert "Späät\\; really\\, \\\\late\\\\ and 一一" in said
    assert f"URL:{BOARD}/board/tasks/{first}" in lines


async def test_feed_is_nobodys_without_its_key(ops: Any, http: httpx2.AsyncClient) -> None:
    good = ops.links.feed("Ana")
    assert (await http.get(good)).status_code == 200
    for wrong in (good[:-1], good.replace("Ana", "Ben"), good.partition("?")[0], f"{good}%00é"):
        assert (await http.get(wrong)).status_code == 404


async def test_owner_asks_where_their_calendar_is(ops: Any, http: httpx2.AsyncClient) -> None:
    rules = await ops.use()
    team = Team(
        team_id="care",
        title="Care",
        calendar_id=next(iter(rules.calendars)),
        members=(Member(name="Ana Ruiz"),),
    )
    await ops.change(routing=Routing(teams={"care": team}, rules=()))
    url = (await http.get("/owners/Ana Ruiz/calendar")).json()["url"]
    assert url.startswith(f"{BOARD}/owners/Ana%20Ruiz/due.ics?key=")
    assert (await http.get(url)).status_code == 200
    assert (await http.get("/owners/Nobody/calendar")).status_code == 404


def test_keys_live_on_until_they_are_taken_out_of_use() -> None:
    old, new = "the-older-key-0123", "the-newer-key-0123"
    url = Links(BOARD, [old]).feed("Ana") or ""
    key = url.partition("key=")[2]
    Links(BOARD, [new, old]).check_feed("Ana", key)
    with pytest.raises(LinkTampered):
        Links(BOARD, [new]).check_feed("Ana", key)
    assert Links(BOARD, [new, old]).feed("Ana") == Links(BOARD, [new]).feed("Ana")


def test_there_are_no_links_without_a_key(clock: Any) -> None:
    links = Links(BOARD, [])
    assert (links.feed("Ana"), links.acknowledge("x", clock.now())) == (None, None)
    with pytest.raises(LinkTampered):
        links.read("x", clock.now())


def test_name_of_the_calendar_is_escaped(clock: Any) -> None:
    lines = unfolded(due_feed(NAME, [], board_url=BOARD, now=clock.now()))
    assert "NAME:Due: Ana Núñez/2\\, Ruiz\\; \\\\ \U0001f600" in lines


async def test_touchpoint_adds_no_line_when_it_has_two(
    ops: Any, closeloop: Any, an_alert: Any, http: httpx2.AsyncClient
) -> None:
    await closeloop.hear(an_alert(1, touchpoint="purchase\rATTENDEE:mailto:x@evil.example"))
    task = await closeloop.task()
    await closeloop.move(task.task_id, Assign(actor="Ana", owner="Ana"))
    lines = (await http.get(ops.links.feed("Ana"))).text.splitlines()
    assert lines.count("BEGIN:VEVENT") == 1
    assert not any(line.startswith("ATTENDEE") for line in lines)
