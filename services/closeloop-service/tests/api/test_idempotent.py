"""A command that is sent twice is done once, whatever happens in between."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
from fastapi import APIRouter, Response
from pydantic import BaseModel

from closeloop_service.api.idempotent import COMMAND, OnceOf
from closeloop_service.store.idempotency import KEPT
from heardback.errors import Conflict, Retryable
from heardback.health import Health
from heardback.http import build_app

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


class Full(Conflict):
    """There is no room."""

    count: int


class Away(Retryable):
    """It is away."""


class Amount(BaseModel):
    by: int
    unit: str = "l"


class Counted(BaseModel):
    count: int


class Counter:
    """What is counted up, and how it goes wrong."""

    def __init__(self):
        self.count = 0
        self.error = None
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.begun = asyncio.Event()

    async def add(self, by):
        self.begun.set()
        await self.let_go.wait()
        if self.error is not None:
            raise self.error
        self.count += by
        return Counted(count=self.count)


@pytest.fixture
def counter():
    return Counter()


@pytest.fixture
async def http(database, counter):
    routes = APIRouter()

    @routes.post("/counters/{name}", dependencies=COMMAND)
    async def add(once: OnceOf, name: str, body: Amount) -> Response:
        return await once(lambda _tx: counter.add(body.by), status=201)

    app = build_app(name="closeloop", database=database, health=Health(), routers=[routes])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://c") as client:
        yield client


async def add(http, by=1, *, name="a", headers=KEY, **more):
    return await http.post(f"/counters/{name}", json={"by": by, **more}, headers=headers)


async def test_command_is_done_each_time_when_it_has_no_key(http, counter):
    answers = [await add(http, headers={}) for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"count": 1}, {"count": 2}]


async def test_first_answer_comes_again_when_the_key_does(http, counter):
    first, second = await add(http), await add(http)
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (
        201, {"count": 1},
    )  # fmt: skip
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert counter.count == 1


async def test_refusal_comes_again_though_it_would_work_now(http, counter):
    counter.error = Full(count=7)
    first = await add(http)
    counter.error = None
    second = await add(http)
    assert first.status_code == second.status_code == 409
    assert first.json() == second.json()
    assert first.json()["count"] == 7
    assert second.headers["content-type"] == "application/problem+json"
    assert counter.count == 0


async def test_command_is_tried_anew_when_it_failed_for_now(http, counter):
    counter.error = Away()
    assert (await add(http)).status_code == 503
    counter.error = None
    assert (await add(http)).json() == {"count": 1}


@pytest.mark.parametrize(
    "other", [{"by": 2}, {"name": "b"}, {"unit": "m"}], ids=["body", "path", "more"]
)
async def test_key_is_refused_when_the_command_is_another(http, counter, other):
    await add(http)
    answer = await add(http, **other)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:heardback:problem:key-reused")
    assert counter.count == 1


async def test_body_is_the_same_when_it_is_written_in_another_order(http, counter):
    headers = {**KEY, "Content-Type": "application/json"}
    one = await http.post("/counters/a", content=b'{"by":1,"unit":"l"}', headers=headers)
    other = await http.post("/counters/a", content=b'{ "unit": "l", "by": 1 }', headers=headers)
    assert (one.json(), other.json()) == ({"count": 1}, {"count": 1})


async def test_second_has_to_wait_when_the_first_is_under_way(http, counter):
    counter.let_go.clear()
    first = asyncio.ensure_future(add(http))
    await counter.begun.wait()
    answer = await add(http)
    assert (answer.status_code, answer.json()["type"]) == (
        409, "urn:heardback:problem:command-under-way",
    )  # fmt: skip
    counter.let_go.set()
    assert (await first).json() == (await add(http)).json() == {"count": 1}


async def test_command_is_done_once_when_it_comes_many_times_at_once(http, counter):
    answers = await asyncio.gather(*(add(http) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["count"] for answer in answers if answer.status_code == 201} == {1}
    assert counter.count == 1


async def test_key_is_new_again_when_a_day_is_over(http, counter, clock):
    await add(http)
    clock.advance(KEPT - timedelta(seconds=1))
    assert (await add(http, 1)).json() == {"count": 1}
    clock.advance(timedelta(seconds=1))
    assert (await add(http, 5)).json() == {"count": 6}


@pytest.mark.parametrize("key", ["", "two words", "x" * 201, "caf\u00e9"])
async def test_key_is_refused_when_it_is_none(http, counter, key):
    answer = await add(http, headers={"Idempotency-Key": key.encode()})
    assert answer.status_code == 422
    assert counter.count == 0


async def test_command_is_refused_when_another_site_gives_it(http, counter):
    answer = await add(http, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 400
    assert counter.count == 0
