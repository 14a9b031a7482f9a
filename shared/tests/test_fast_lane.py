"""The fast lane: what goes straight to its handler, and what goes through the app."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response

from heardback.fast_lane import FastRoute, fast_lane


async def _say(request: Request) -> Response:
    assert request.app.state.word == "hello"
    return Response(f"{request.method} {request.path_params['link']}")


async def _fail(_: Request) -> Response:
    raise LookupError("a bug")


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    routes = APIRouter(route_class=FastRoute)
    routes.add_api_route("/s/{link}", _say, methods=["GET"])
    routes.add_api_route("/broken/{link}", _fail, methods=["GET"])
    app = FastAPI()
    app.state.word, app.state.routers = "hello", [routes]
    app.include_router(routes)

    @app.middleware("http")
    async def mark(request: Request, call_next):  # type: ignore[no-untyped-def]  # Starlette's own
        response = await call_next(request)
        response.headers["through-the-app"] = "yes"
        return response

    transport = httpx2.ASGITransport(app=fast_lane(app))
    async with httpx2.AsyncClient(transport=transport, base_url="https://a.example.com") as client:
        yield client


async def test_a_request_goes_straight_to_its_handler_when_its_route_is_fast(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.get("/s/a%20link?score=9")
    assert answer.text == "GET a link"
    assert "through-the-app" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/s/", 404), ("GET", "/s/a/b", 404), ("POST", "/s/a", 405), ("GET", "/else", 404)],
)
async def test_a_request_goes_through_the_app_when_no_fast_route_fits(
    client: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["through-the-app"] == "yes"


async def test_a_bug_in_a_fast_handler_is_not_swallowed(client: httpx2.AsyncClient) -> None:
    with pytest.raises(LookupError):
        await client.get("/broken/a")


def test_an_app_without_fast_routes_is_left_as_it_is() -> None:
    app = FastAPI()
    app.state.routers = [APIRouter()]
    assert fast_lane(app) is app
