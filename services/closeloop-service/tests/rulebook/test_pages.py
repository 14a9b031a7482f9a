"""The pages of the rules, without a browser."""

import httpx2
import pytest

from closeloop_service.rulebook.kinds import Kind
from heardback.db import Database

from . import books

EDIT = "/console/rulebooks/teams/edit"
FORM = {"text": books.TEAMS, "version": "0", "saved_by": "Maya Lind", "note": "we grow"}


async def save(http: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    return await http.post(EDIT, data={**FORM, "do": "save", **fields})


async def newest(http: httpx2.AsyncClient, kind: Kind = Kind.TEAMS) -> int:
    return int((await http.get(f"/rulebooks/{kind}")).json()["version"])


async def test_all_rules_and_a_task_on_friday_are_shown_when_the_page_is_opened(
    http: httpx2.AsyncClient,
) -> None:
    page = books.words_of((await http.get("/console/rulebooks")).text)
    for kind in Kind:
        assert kind.label in page
    assert "Friday 6 March 2026, 16:45" in page
    assert "1 team, no members, 1 rule" in page


async def test_asked_task_is_shown_when_the_form_is_sent(http: httpx2.AsyncClient) -> None:
    await save(http)
    asked = {"on": "2026-12-04", "at": "10:00", "segment": "enterprise", "value": "", "score": ""}
    page = books.words_of((await http.get("/console/rulebooks", params=asked)).text)
    assert "Friday 4 December 2026, 10:00" in page
    assert "Zoe Wu of Key accounts would get it: next in turn of 1 in Key accounts." in page


async def test_comments_are_there_when_a_text_is_edited(http: httpx2.AsyncClient) -> None:
    assert books.typed((await http.get(EDIT)).text) == books.text_of(Kind.TEAMS).rstrip("\n")


async def test_faults_are_shown_by_line_when_a_text_is_wrong(http: httpx2.AsyncClient) -> None:
    wrong = books.TEAMS.replace("office", "offce", 1)
    answer = await http.post(EDIT, data={**FORM, "text": wrong, "do": "save"})
    page = books.words_of(answer.text)
    assert answer.status_code == 422
    assert "1 thing to correct. Nothing was saved." in page
    assert "Line 4 teams.care.calendar there is no calendar offce; there are office, always" in page
    assert 'id="line-4"' in answer.text
    assert books.typed(answer.text) == wrong
    assert await newest(http) == 0


async def test_version_is_in_force_when_it_was_saved(http: httpx2.AsyncClient) -> None:
    answer = await save(http)
    assert answer.headers["location"] == "/console/rulebooks/teams?done=saved"
    page = books.words_of((await http.get(answer.headers["location"])).text)
    version = await newest(http)
    assert f"Version {version} by Maya Lind: we grow · in force" in page
    assert "teams.key-accounts not written" in page
    again = await save(http, version=str(version))
    assert again.headers["location"] == "/console/rulebooks/teams?done=same"


async def test_name_is_asked_for_when_nobody_says_who_saves(http: httpx2.AsyncClient) -> None:
    answer = await save(http, saved_by="")
    assert answer.status_code == 422
    assert "Write your name first" in answer.text
    assert await newest(http) == 0
    await save(http)
    assert 'name="saved_by" value="Maya Lind"' in (await http.get(EDIT)).text


async def test_what_was_typed_stays_when_somebody_saved_meanwhile(
    http: httpx2.AsyncClient,
) -> None:
    await save(http)
    version = await newest(http)
    mine = books.TEAMS.replace("title: Customer care", "title: Care")
    answer = await save(http, text=mine, saved_by="Ben Ito")
    assert answer.status_code == 409
    assert books.typed(answer.text) == mine
    page = books.words_of(answer.text)
    assert f"Maya Lind saved version {version} meanwhile" in page
    assert "teams.care.title Customer care Care" in page
    assert f'name="version" value="{version}"' in answer.text
    assert (await save(http, text=mine, version=str(version))).status_code == 303


async def test_draft_is_tried_out_when_the_button_is_pressed(http: httpx2.AsyncClient) -> None:
    asked = {"do": "try", "on": "2026-12-04", "at": "10:00", "language": "es"}
    answer = await http.post(EDIT, data={**FORM, **asked})
    page = books.words_of(answer.text)
    assert "Ana Ruiz of Customer care would get it: least loaded of 2 in Customer care." in page
    assert await newest(http) == 0


async def test_only_the_result_is_patched_when_the_script_sent_the_form(
    http: httpx2.AsyncClient,
) -> None:
    answer = await http.post(EDIT, data={**FORM, "text": "x: y"}, headers={"X-Patch": "1"})
    assert answer.status_code == 200
    assert 'id="gutter"' in answer.text
    assert "<textarea" not in answer.text


async def test_earlier_version_can_be_saved_again_when_it_was_better(
    http: httpx2.AsyncClient,
) -> None:
    await save(http)
    version = await newest(http)
    page = (await http.get("/console/rulebooks/teams?version=0")).text
    assert "/console/rulebooks/teams/edit?from=0" in page
    text = books.typed((await http.get(f"{EDIT}?from=0")).text)
    assert text == books.text_of(Kind.TEAMS).rstrip("\n")
    await save(http, text=text, version=str(version))
    assert (await http.get("/rulebooks/teams")).json()["body"] == books.text_of(Kind.TEAMS)


@pytest.mark.parametrize(
    "path", ["nonsense", "nonsense/edit", "teams?version=99", "teams/edit?from=99"]
)
async def test_page_says_so_when_there_are_no_such_rules(
    http: httpx2.AsyncClient, path: str
) -> None:
    answer = await http.get(f"/console/rulebooks/{path}")
    assert answer.status_code == 404
    assert "There are no such rules" in answer.text


async def test_versions_say_the_same_when_only_a_comment_differs(
    http: httpx2.AsyncClient, database: Database
) -> None:
    await save(http, text=books.text_of(Kind.TEAMS) + "# more\n")
    page = books.words_of((await http.get("/console/rulebooks/teams")).text)
    assert "say the same; only comments differ" in page


async def test_markup_is_shown_as_text_when_somebody_types_it(http: httpx2.AsyncClient) -> None:
    answer = await http.post(EDIT, data={**FORM, "text": "teams: <script>x</script>"})
    assert "<script>x" not in answer.text
