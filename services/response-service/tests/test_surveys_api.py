"""Surveys over HTTP: published with a key, refused with the place and what to do, shown."""

from collections.abc import AsyncIterator

import httpx2
import orjson
import pytest
import yaml

from heardback.db import Database
from response_service import survey_store

from .survey_builders import AUTHORIZED, document, make_app

YAML = {"Content-Type": "application/yaml"}
MINE = "/surveys/mine/versions"


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=make_app(database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://s.example.com") as http:
        yield http


async def publish(http: httpx2.AsyncClient, **headers: str) -> httpx2.Response:
    name = headers.pop("name", "Mine")
    return await http.post(MINE, json=document(name=name), headers={**AUTHORIZED, **headers})


async def test_surveys_are_listed_with_their_newest_version(
    http: httpx2.AsyncClient, database: Database
) -> None:
    await survey_store.publish_ready_made(database)
    await publish(http)
    await publish(http, name="Mine indeed")
    surveys = {s["survey_id"]: s for s in (await http.get("/surveys")).json()["surveys"]}
    assert len(surveys) == 13
    assert surveys["mine"]["name"] == "Mine indeed"
    assert surveys["mine"]["version"] == 2
    assert surveys["mine"]["published_by"] == "ada"
    assert surveys["support-ces"]["scale"] == "ces"
    assert surveys["nps"]["locales"] == ["en", "ar", "de", "fr"]


async def test_version_is_published_as_yaml_and_read_again(http: httpx2.AsyncClient) -> None:
    body = yaml.safe_dump(document(), allow_unicode=True)
    answer = await http.post(MINE, content=body, headers={**AUTHORIZED, **YAML})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/surveys/mine/versions/1"
    assert answer.headers["ETag"] == '"1"'
    found = await http.get(answer.headers["Location"])
    assert found.json()["document"] == document()
    assert found.headers["ETag"] == '"1"'


async def test_version_is_refused_when_another_came_between(http: httpx2.AsyncClient) -> None:
    await publish(http)
    assert (await publish(http, name="Theirs", **{"If-Match": '"1"'})).status_code == 201
    late = await publish(http, name="Ours", **{"If-Match": '"1"'})
    assert late.status_code == 409
    assert late.json()["version"] == 2
    assert (await publish(http, name="Ours", **{"If-Match": "one"})).status_code == 422


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer hb_nonsense"}])
async def test_publishing_is_refused_without_a_key(
    http: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    assert (await http.post(MINE, json=document(), headers=headers)).status_code == 401
    assert (await http.get(MINE)).status_code == 404


async def test_document_is_refused_with_every_fault(http: httpx2.AsyncClient) -> None:
    wrong = document(colour="red")
    wrong["texts"]["de"]["question"] = "{% for %}"
    answer = await http.post(MINE, json=wrong, headers=AUTHORIZED)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "colour", "message": "there is no such field"}]
    del wrong["colour"]
    answer = await http.post("/surveys/validate", json=wrong)
    assert answer.json() == {
        "valid": False,
        "faults": [
            {
                "field": "texts.de.question",
                "message": "for is not available; there are if, unless and case",
            }
        ],
        "advice": [],
    }


async def test_document_is_refused_when_its_id_is_another(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/surveys/yours/versions", json=document(), headers=AUTHORIZED)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "id"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b"\xff", "application/yaml", 422),
        (b"a: [", "application/yaml", 422),
        (b"- a", "application/yaml", 422),
        (b"id: mine", "text/html", 415),
        (b"a: " + b"b" * 200_000, "application/yaml", 413),
        (orjson.dumps({"texts": {"en": {"question": "\0"}}}), "application/json", 422),
    ],
)
async def test_body_is_refused_when_it_is_no_document(
    http: httpx2.AsyncClient, body: bytes, kind: str, status: int
) -> None:
    headers = {**AUTHORIZED, "Content-Type": kind}
    answer = await http.post(MINE, content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_advice_is_given_when_a_document_is_valid(http: httpx2.AsyncClient) -> None:
    long = document()
    long["texts"]["de"]["sms"] = "a" * 400 + " {{ link }}"
    del long["texts"]["fr"]["question"]
    verdict = (await http.post("/surveys/validate", json=long)).json()
    assert verdict["valid"]
    assert [found["field"] for found in verdict["advice"]] == ["texts.de.sms", "texts.fr"]


async def test_page_is_shown_to_nobody_in_the_language_that_is_asked_for(
    http: httpx2.AsyncClient,
) -> None:
    await publish(http)
    page = await http.get(f"{MINE}/1/preview?locale=ar&score=9")
    assert page.status_code == 200
    assert 'dir="rtl"' in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert (await http.get(f"{MINE}/2/preview")).status_code == 404
    assert (await http.get(f"{MINE}/1/preview?score=99")).status_code == 422
