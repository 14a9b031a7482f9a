"""The programs' pages and forms as a browser without script meets them."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from heardback import migrations
from heardback.db import Database
from heardback.testing.clock import CountedIds
from trigger_service.domain.program import ProgramState

from . import console_builders as build

EDIT = "/console/programs/large-order/edit"


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=build.make_app(trigger.database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.example") as http:
        yield http


async def test_list_says_what_is_missing_when_there_is_no_program(
    service_database: Any, clock: Any
) -> None:
    url = await service_database("trigger")
    await migrations.upgrade(url, schema="trigger", package="trigger_service")
    database = Database(url, service="trigger", clock=clock, ids=CountedIds())
    transport = httpx2.ASGITransport(app=build.make_app(database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.example") as http:
        page = await http.get("/")
    await database.close()
    assert "No program asks yet." in page.text
    assert "no limit" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


async def test_list_counts_decisions_when_a_month_has_passed(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.limit(trigger.database, 3)
    await build.play_month(trigger, days=10, a_day=6)
    await trigger.deliver(*build.touchpoints(trigger, "visited", 4))
    page = build.words_of((await http.get("/")).text)
    assert re.search(r"After a purchase purchase · v1 active after purchase", page)
    assert re.search(r"Daily budget \d of 3", page)
    assert re.search(r"No program listens 4", page)
    assert "Closed by automation" in page


async def test_program_page_explains_every_reason_when_it_did_not_ask(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.play_month(trigger, days=10, a_day=6)
    page = build.words_of((await http.get("/console/programs/ticket-closed?days=7")).text)
    assert "No person closed the ticket, but automation, a spam filter or a merge." in page
    assert re.search(r"\d+ asked · \d+ not of \d+ decisions", page)


async def test_program_page_shows_the_shadow_apart_when_it_would_ask(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.set_state(trigger.database, "purchase", ProgramState.SHADOW)
    await build.play_month(trigger, days=3, a_day=5)
    page = build.words_of((await http.get("/console/programs/purchase")).text)
    assert re.search(r"\d+ would ask", page)


async def test_unknown_program_is_a_page_that_leads_on_when_asked_for(
    http: httpx2.AsyncClient,
) -> None:
    for path in ("/console/programs/nonsense", "/console/programs/nonsense/edit"):
        page = await http.get(path)
        assert page.status_code == 404
        assert "There is no program “nonsense”" in page.text


@pytest.mark.parametrize("state", ["active", "shadow", "paused", "archived"])
async def test_state_is_set_when_the_button_is_pressed(
    trigger: Any, http: httpx2.AsyncClient, state: str
) -> None:
    await build.write(trigger.database)
    path = "/console/programs/large-order"
    answer = await http.post(f"{path}/state", data={"state": state})
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert (await build.kept(trigger)).state == state
    patched = await http.post(f"{path}/state", data={"state": state}, headers={"X-Patch": "1"})
    assert f'value="{state}" aria-pressed="true"' in patched.text or state == "archived"


async def test_state_stays_when_another_site_presses_the_button(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    forms = {
        "/console/programs/purchase/state": {"state": "paused"},
        "/console/programs/purchase/edit": {"text": build.TEXT, "version": "1", "do": "save"},
        "/console/new": {"text": build.TEXT, "do": "save"},
    }
    for path, form in forms.items():
        answer = await http.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 400
    assert (await build.kept(trigger, "purchase")).state is ProgramState.ACTIVE


async def test_archived_program_is_not_activated_when_it_became_invalid(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.set_state(trigger.database, "feature-used", ProgramState.ARCHIVED)
    await build.forget_fields(trigger.database)
    answer = await http.post("/console/programs/feature-used/state", data={"state": "active"})
    assert answer.status_code == 422
    assert "there is no field event.feature" in build.words_of(answer.text)


async def test_hostile_words_stay_words_when_shown(trigger: Any, http: httpx2.AsyncClient) -> None:
    bad = "<script>alert(1)</script>"
    await build.write(trigger.database, name=bad, description=bad)
    await build.write(trigger.database, name=bad, description=f"{bad}{bad}")
    paths = ("/", "/console/programs/large-order", EDIT, f"/console/customers?id={bad}")
    for path in paths:
        assert "<script>alert" not in (await http.get(path)).text
    answer = await http.post(EDIT, data={"text": f"{bad}: {bad}", "version": "1"})
    assert "<script>alert" not in answer.text


async def test_versions_are_compared_when_two_are_chosen(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    for days in (3, 4, 5):
        await build.write(trigger.database, delay=f"{days}d..6d")
    page = build.words_of((await http.get("/console/programs/large-order?older=1&newer=2")).text)
    assert "delay 3d..6d 4d..6d" in page
    page = build.words_of((await http.get("/console/programs/large-order?older=1&newer=9")).text)
    assert "not among the last 3" in page


async def test_customer_page_says_why_rule_by_rule_when_they_are_known(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(build.a_purchase(1))
    await trigger.deliver(build.a_purchase(2))
    page = build.words_of((await http.get("/console/customers", params={"id": "c1"})).text)
    assert "Another survey of the customer is too near." in page
    assert re.search(r"by purchase, \d+ Mar 2026 \d\d:\d\d UTC", page)
    assert "23 rules had nothing against it" in page
    assert "planned for" in page


async def test_customer_page_turns_pages_when_there_are_many_decisions(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(*(build.a_purchase(n) for n in range(23)))
    first = (await http.get("/console/customers?id=c1")).text
    assert first.count("<article") == 20
    older = re.search(r'href="(/console/customers\?id=c1&amp;cursor=\d+)"', first)
    assert older is not None
    second = (await http.get(older[1].replace("&amp;", "&"))).text
    assert second.count("<article") == 3


async def test_customer_page_says_so_when_nothing_is_known(http: httpx2.AsyncClient) -> None:
    page = (await http.get("/console/customers", params={"id": " nobody\0 "})).text
    assert "Nothing is known of “nobody”." in page
    assert (await http.get("/console/customers")).status_code == 200
