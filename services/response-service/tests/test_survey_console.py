"""The console's survey pages as a browser without script meets them."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from heardback.db import Database
from response_service import survey_store

from .survey_builders import make_app, typed

EDIT = "/console/surveys/purchase-nps/edit"
PATCH = {"X-Patch": "1"}


@pytest.fixture
async def http(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    await survey_store.publish_ready_made(database)
    transport = httpx2.ASGITransport(app=make_app(database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.example") as http:
        yield http


async def text_of(http: httpx2.AsyncClient, path: str = EDIT) -> str:
    return typed((await http.get(path)).text)


async def test_list_shows_every_survey_and_who_published_it(http: httpx2.AsyncClient) -> None:
    page = (await http.get("/console/surveys")).text
    assert "After a purchase" in page
    assert "purchase-nps · v1" in page
    assert "Heardback, ready-made" in page
    assert page.count('<th scope="row">') == 12


async def test_nothing_breaks_when_a_nul_is_sent(http: httpx2.AsyncClient) -> None:
    for path in ("%00", "purchase-nps%00", "%00/page", "%00/edit"):
        assert (await http.get(f"/console/surveys/{path}")).status_code == 404, path
    text = (await text_of(http)).replace("Ada", "Ada\0")
    for sent in (text, text.replace("how was your", '"\\0" how'), 'name: "a\\0b"\n' + text):
        answer = await http.post(EDIT, data={"text": sent, "version": 1, "do": "publish"})
        assert answer.status_code < 500
    decided = await http.post("/console/quarantine/q1/release", data={"by": "a\0b"})
    assert decided.status_code == 422


async def test_survey_is_read_aloud_in_every_language(http: httpx2.AsyncClient) -> None:
    page = (await http.get("/console/surveys/purchase-nps")).text
    assert "Ada, how was your purchase?" in page
    assert "Ada, wie war Ihr Einkauf?" in page
    assert '<dd lang="ar" dir="rtl">' in page


async def test_text_is_valid_when_nothing_is_changed(http: httpx2.AsyncClient) -> None:
    for survey_id in ("purchase-nps", "relationship-nps", "support-csat"):
        path = f"/console/surveys/{survey_id}/edit"
        text = await text_of(http, path)
        assert text.startswith(f"id: {survey_id}\n")
        answer = await http.post(path, data={"text": text, "version": 1, "do": "publish"})
        assert answer.headers["Location"] == f"/console/surveys/{survey_id}?done=same"


@pytest.mark.parametrize("start", ["purchase-nps", "relationship-nps", "support-ces", "blank"])
async def test_new_survey_is_published_under_a_free_id(
    http: httpx2.AsyncClient, start: str
) -> None:
    assert f"/console/new-survey?from={start}" in (await http.get("/console/new-survey")).text
    text = await text_of(http, f"/console/new-survey?from={start}")
    answer = await http.post("/console/new-survey", data={"text": text, "do": "publish"})
    assert answer.status_code == 303
    page = await http.get(answer.headers["Location"])
    assert "Published. Programs can name it from now on." in page.text
    again = await http.post("/console/new-survey", data={"text": text, "do": "publish"})
    assert again.status_code == 422
    assert "there is a survey with this id; choose another" in again.text


async def test_fault_is_shown_on_its_line_and_nothing_is_lost(http: httpx2.AsyncClient) -> None:
    text = (await text_of(http)).replace("{{ occurred_on }}", "{{ occured_on }}")
    answer = await http.post(EDIT, data={"text": text, "version": 1})
    assert answer.status_code == 422
    assert "4 things to correct. Nothing was published." in answer.text
    assert "there is nothing called occured_on" in answer.text
    assert typed(answer.text) == text
    line = next(n for n, at in enumerate(text.splitlines(), 1) if at.strip().startswith("about:"))
    assert f'<b id="line-{line}">' in answer.text


@pytest.mark.parametrize("text", ["", "a: [", "- a", "id: mine\nid: mine", "\0", "x" * 100_001])
async def test_what_is_no_survey_is_refused(http: httpx2.AsyncClient, text: str) -> None:
    answer = await http.post(EDIT, data={"text": text, "version": 1, "do": "publish"})
    assert answer.status_code == 422
    assert "to correct" in answer.text


async def test_check_reads_the_draft_aloud_as_a_patch(http: httpx2.AsyncClient) -> None:
    text = (await text_of(http)).replace("About your purchase", "About your <b>day</b>")
    answer = await http.post(EDIT, data={"text": text, "version": 1}, headers=PATCH)
    assert answer.text.startswith('<pre id="gutter"')
    assert "Valid. This is what customers read:" in answer.text
    assert "About your &lt;b&gt;day&lt;/b&gt; on" in answer.text


async def test_next_version_is_published_and_the_old_one_stays(http: httpx2.AsyncClient) -> None:
    text = (await text_of(http)).replace("name: After a purchase", "name: After buying")
    answer = await http.post(EDIT, data={"text": text, "version": 1, "do": "publish"})
    page = (await http.get(answer.headers["Location"])).text
    assert "Version 2</strong> by console" in page
    assert "those on their way keep theirs" in page
    old = (await http.get("/console/surveys/purchase-nps?version=1")).text
    assert "<h1>After a purchase</h1>" in old


async def test_other_version_is_compared_when_somebody_was_faster(
    http: httpx2.AsyncClient,
) -> None:
    text = await text_of(http)
    theirs = text.replace("name: After a purchase", "name: Theirs")
    await http.post(EDIT, data={"text": theirs, "version": 1, "do": "publish"})
    ours = text.replace("name: After a purchase", "name: Ours")
    answer = await http.post(EDIT, data={"text": ours, "version": 1, "do": "publish"})
    assert answer.status_code == 409
    assert "Somebody published version 2 meanwhile" in answer.text
    assert "<del><code>Theirs</code></del>" in answer.text
    assert 'name="version" value="2"' in answer.text
    answer = await http.post(EDIT, data={"text": ours, "version": 2, "do": "publish"})
    assert answer.headers["Location"].endswith("?done=saved")


async def test_page_is_previewed_and_nothing_is_recorded(http: httpx2.AsyncClient) -> None:
    path = "/console/surveys/support-ces/page?locale=de"
    page = await http.get(path)
    assert "Wie einfach war es" in page.text
    assert "Es tut uns leid" in (await http.post(path, data={"score": "1"})).text
    draft = {"text": await text_of(http), "locale": "fr"}
    assert "recommandiez" in (await http.post("/console/survey-page", data=draft)).text
    sent = await http.post("/console/survey-page", data={"score": "9"})
    assert "Nothing was sent." in sent.text


@pytest.mark.parametrize("path", ["", "/edit", "/page", "?version=9"])
async def test_survey_that_is_not_there_is_said_so(http: httpx2.AsyncClient, path: str) -> None:
    survey = "purchase-nps" if "version" in path else "nonsense"
    answer = await http.get(f"/console/surveys/{survey}{path}")
    assert answer.status_code == 404
    assert "choose a survey from the list" in answer.text


async def test_form_of_another_site_is_refused(http: httpx2.AsyncClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    for path in (EDIT, "/console/new-survey", "/console/survey-page"):
        answer = await http.post(path, data={"version": 1}, headers=headers)
        assert answer.status_code == 400
