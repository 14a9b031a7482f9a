"""Improvements over HTTP."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from closeloop_service.api import improvements
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.clock import START

from .stage import a_reporter, a_theme

MAYA = {"actor": "Maya Lind"}
PLACE = "/improvements"


@pytest.fixture
def app(closeloop: Any) -> FastAPI:
    routes = improvements.router(closeloop.keeper)
    return build_app(
        name="closeloop", database=closeloop.database, health=Health(), routers=(routes,)
    )


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app)
    base_url = "http://test"
    async with httpx2.AsyncClient(transport=transport, base_url=base_url) as client:
        yield client


async def the_one(http: httpx2.AsyncClient) -> dict[str, Any]:
    (shown,) = (await http.get(PLACE)).json()["improvements"]
    found: dict[str, Any] = shown
    return found


async def test_row_47_improvement_is_shown_with_counts_quotes_and_what_is_at_risk(
    closeloop: Any, http: httpx2.AsyncClient
) -> None:
    await closeloop.hear(a_theme())
    shown = await the_one(http)
    assert shown["title"] == "Late delivery"
    assert (shown["responses"], shown["customers"], shown["revenue_at_risk"]) == (3, 3, 1200.5)
    assert [quote["consent"] for quote in shown["quotes"]] == [True, False]
    assert shown["ticket"] is None
    assert shown["allowed_moves"] == ["plan", "ship", "decline", "assign", "note"]
    whole = (await http.get(f"{PLACE}/{shown['improvement_id']}")).json()
    assert [line["what"] for line in whole["history"]] == ["opened"]


async def test_row_48_to_ship_tells_the_reporters(closeloop: Any, http: httpx2.AsyncClient) -> None:
    await closeloop.hear(a_theme())
    key = (await the_one(http))["improvement_id"]
    shipped = (await http.post(f"{PLACE}/{key}/ship", json=MAYA)).json()
    assert (shipped["state"], shipped["reporters"], shipped["told"]) == ("shipped", 3, 0)
    await closeloop.pass_time(seconds=1)
    assert (await the_one(http))["told"] == 3
    page = (await http.get(f"{PLACE}/{key}/reporters", params={"limit": 2})).json()
    assert [one["customer_id"] for one in page["reporters"]] == ["c0001", "c0002"]
    rest = (await http.get(f"{PLACE}/{key}/reporters", params={"cursor": page["next"]})).json()
    assert [one["customer_id"] for one in rest["reporters"]] == ["c0003"]
    assert rest["next"] is None


async def test_improvements_are_paged_and_filtered(
    closeloop: Any, http: httpx2.AsyncClient
) -> None:
    await closeloop.hear(*[a_theme(f"theme-{n}", title=f"Thing {n}") for n in range(5)])
    page = (await http.get(PLACE, params={"limit": 2})).json()
    assert [one["title"] for one in page["improvements"]] == ["Thing 4", "Thing 3"]
    page = (await http.get(PLACE, params={"limit": 4, "cursor": page["next"]})).json()
    assert [one["title"] for one in page["improvements"]] == ["Thing 2", "Thing 1", "Thing 0"]
    assert page["next"] is None
    await http.post(f"{PLACE}/{page['improvements'][0]['improvement_id']}/plan", json=MAYA)
    await closeloop.pass_time(days=31)

    async def titles(**query: Any) -> list[str]:
        found = (await http.get(PLACE, params=query)).json()["improvements"]
        return [one["title"] for one in found]

    assert await titles(state="planned") == ["Thing 2"]
    assert len(await titles(state=["open", "planned"])) == 5
    assert await titles(theme_id="theme-1") == ["Thing 1"]
    assert await titles(q="thing 3") == ["Thing 3"]
    assert await titles(q="100%") == []
    assert len(await titles(overdue=True)) == 5
    assert await titles(overdue=False) == []


async def test_improvement_is_opened_by_hand_once(closeloop: Any, http: httpx2.AsyncClient) -> None:
    form = {**MAYA, "title": "Dark mode", "theme_id": "dark", "owner": "Sam", "note": "Asked for."}
    headers = {"Idempotency-Key": "one"}
    made = [await http.post(PLACE, json=form, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json() == made[1].json()
    assert made[0].json()["owner"] == "Sam"
    refused = await http.post(PLACE, json=form)
    assert refused.status_code == 409
    assert refused.json()["improvement_id"] == made[0].json()["improvement_id"]
    await closeloop.hear(a_theme("dark", reached_at=START + timedelta(days=1)))
    assert (await the_one(http))["responses"] == 3


async def test_refusals_say_what_to_do(closeloop: Any, http: httpx2.AsyncClient) -> None:
    await closeloop.hear(a_theme())
    key = (await the_one(http))["improvement_id"]
    assert (await http.get(f"{PLACE}/nobody")).status_code == 404
    assert (await http.post(f"{PLACE}/{key}/decline", json=MAYA)).status_code == 422
    stale = await http.post(f"{PLACE}/{key}/plan", json={**MAYA, "version": 7})
    assert (stale.status_code, stale.json()["version"]) == (409, 1)
    declined = await http.post(f"{PLACE}/{key}/decline", json={**MAYA, "note": "By design."})
    assert declined.json()["state"] == "declined"
    again = await http.post(f"{PLACE}/{key}/plan", json=MAYA)
    assert again.status_code == 409
    assert again.json()["allowed"] == ["ship", "reopen", "note"]
    assert (await http.post(f"{PLACE}/{key}/ticket", json=MAYA)).status_code == 409
    crossed = await http.post(
        f"{PLACE}/{key}/note", json=MAYA, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert crossed.status_code == 400


async def test_reopening_is_refused_while_the_theme_has_another(
    closeloop: Any, http: httpx2.AsyncClient
) -> None:
    await closeloop.hear(a_theme())
    key = (await the_one(http))["improvement_id"]
    assert (await http.post(f"{PLACE}/{key}/reopen", json=MAYA)).status_code == 409
    await http.post(f"{PLACE}/{key}/decline", json={**MAYA, "note": "By design."})
    closeloop.clock.advance(timedelta(days=1))
    later = START + timedelta(hours=9)
    await closeloop.hear(a_theme(reporters=[a_reporter(9)], reached_at=later))
    refused = await http.post(f"{PLACE}/{key}/reopen", json=MAYA)
    assert refused.status_code == 409
    assert refused.json()["type"].endswith("theme-has-improvement")
    newest = (await http.get(PLACE)).json()["improvements"][0]
    await http.post(f"{PLACE}/{newest['improvement_id']}/ship", json=MAYA)
    reopened = await http.post(f"{PLACE}/{key}/reopen", json=MAYA)
    assert reopened.json()["state"] == "open"
