"""Countdowns, assets and the guard of forms."""

from datetime import timedelta

import httpx2
import pytest
from fastapi import Depends, FastAPI, Request

from heardback.console.assets import Assets
from heardback.console.countdown import countdown
from heardback.console.pages import back, refuse_cross_site
from heardback.testing.clock import START


@pytest.mark.parametrize(
    ("seconds", "text", "level"),
    [
        (0, "0:00 late", "late"),
        (1, "0:01", "soon"),
        (-1, "0:01 late", "late"),
        (1_799, "29:59", "soon"),
        (1_800, "30:00", "ok"),
        (3_600, "1 h 00 m", "ok"),
        (86_399, "23 h 59 m", "ok"),
        (86_400 + 7_200, "1 d 02 h", "ok"),
        (-90_000, "1 d 01 h late", "late"),
    ],
)
def test_countdown_says_how_long_is_left_when_asked(seconds: int, text: str, level: str) -> None:
    shown = countdown(START + timedelta(seconds=seconds), START)
    assert (shown.text, shown.level) == (text, level)


@pytest.fixture
async def http():
    app, assets = FastAPI(), Assets()
    app.include_router(assets.router)
    app.state.assets = assets

    @app.post("/form", dependencies=[Depends(refuse_cross_site)])
    async def form(request: Request):
        return back(request, "/fallback")

    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://here.example") as client:
        client.assets = assets
        yield client


@pytest.mark.parametrize(
    ("name", "kind"), [("console.css", "text/css"), ("console.js", "text/javascript")]
)
async def test_asset_never_expires_when_its_name_has_its_hash(http, name, kind) -> None:
    answer = await http.get(http.assets.url(name))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert "immutable" in answer.headers["cache-control"]


async def test_asset_is_not_found_when_its_hash_is_old(http) -> None:
    assert (await http.get("/assets/console.000000000000.css")).status_code == 404


@pytest.mark.parametrize(
    ("referer", "target"),
    [
        ("http://here.example/?q=a", "/?q=a"),
        ("http://evil.example/?q=a", "/fallback"),
        ("http://here.example//evil.example/", "/fallback"),
        ("", "/fallback"),
    ],
)
async def test_browser_is_sent_back_only_to_us_when_it_posted(http, referer, target) -> None:
    answer = await http.post("/form", headers={"Referer": referer})
    assert (answer.status_code, answer.headers["location"]) == (303, target)
