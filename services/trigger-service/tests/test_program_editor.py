"""The editor as a browser without script meets it: faults, previews, versions."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from trigger_service.domain.program import ProgramState

from . import console_builders as build

EDIT = "/console/programs/large-order/edit"


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=build.make_app(trigger.database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.example") as http:
        yield http


async def test_new_program_starts_from_a_ready_made_one_when_chosen(
    http: httpx2.AsyncClient,
) -> None:
    choice = (await http.get("/console/new")).text
    assert '/console/new?from=feature-used"' in choice
    page = (await http.get("/console/new?from=purchase")).text
    assert "id: purchase-2" in page
    assert "state: active" not in page


@pytest.mark.parametrize(
    "template",
    [
        "purchase",
        "ticket-closed",
        "onboarding-complete",
        "delivery-confirmed",
        "feature-used",
        "service-completed",
        "relationship-quarterly",
        "relationship-twice-yearly",
        "blank",
    ],
)
async def test_template_is_valid_when_nothing_is_changed(
    http: httpx2.AsyncClient, template: str
) -> None:
    page = (await http.get(f"/console/new?from={template}")).text
    text = build.typed(page)
    answer = await http.post("/console/new", data={"text": text, "do": "check"})
    assert "Valid. This is what it says:" in answer.text


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (build.TEXT.replace("3d..5d", "5d..3d"), 6, "write 3d..5d"),
        (build.TEXT + "state: active\n", 8, "leave this out; the buttons of the program set it"),
        (build.TEXT + "colour: red\n", 8, "there is no such field"),
        (build.TEXT + "when: event.amout > 1\n", 8, "did you mean event.amount?"),
        (build.TEXT.replace("id: large-order", "id: other"), 1, "the id never changes"),
        (build.TEXT + "when: [\n", 9, "look at the colons"),
        (build.TEXT + "when: 2026-02-30\n", 1, "a value that cannot be read"),
        (build.TEXT + "when: \x07\n", 8, "a character that cannot be shown"),
        ("just words", 1, "one 'field: value' on each line"),
        ("", 1, "one 'field: value' on each line"),
        ("[" * 5_000, 1, "nested too deeply"),
        ("#" * 20_001, 1, "longer than 20,000 characters"),
    ],
)
async def test_fault_names_its_line_and_what_to_do_when_checked(
    trigger: Any, http: httpx2.AsyncClient, text: str, line: int, message: str
) -> None:
    await build.write(trigger.database)
    for do in ("check", "preview", "save"):
        answer = await http.post(EDIT, data={"text": text, "version": "1", "do": do})
        assert answer.status_code == 422
        assert message in build.words_of(answer.text).replace("&#39;", "'")
        assert f'id="line-{line}"' in answer.text
        assert f'href="#line-{line}"' in answer.text
    assert (await build.kept(trigger)).version == 1


async def test_program_is_kept_paused_when_it_is_new(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    answer = await http.post("/console/new", data={"text": build.TEXT, "do": "save"})
    target = "/console/programs/large-order?done=created"
    assert (answer.status_code, answer.headers["location"]) == (303, target)
    assert (await build.kept(trigger)).state is ProgramState.PAUSED
    assert "Saved, and paused for now" in (await http.get(target)).text


async def test_id_is_refused_when_another_program_has_it(http: httpx2.AsyncClient) -> None:
    text = build.TEXT.replace("id: large-order", "id: purchase")
    answer = await http.post("/console/new", data={"text": text, "do": "save"})
    assert answer.status_code == 422
    assert "there is a program with this id; choose another" in answer.text


async def test_next_version_is_kept_when_saved(trigger: Any, http: httpx2.AsyncClient) -> None:
    await build.write(trigger.database)
    form = {"text": build.TEXT, "version": "1", "do": "save"}
    answer = await http.post(EDIT, data=form)
    assert answer.headers["location"] == "/console/programs/large-order?done=saved"
    assert (await build.kept(trigger)).version == 2
    again = await http.post(EDIT, data={**form, "version": "2"})
    assert again.headers["location"] == "/console/programs/large-order?done=same"
    assert (await build.kept(trigger)).version == 2


async def test_what_was_typed_stays_when_somebody_saved_meanwhile(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.write(trigger.database)
    await build.write(trigger.database, delay="1d..2d")
    answer = await http.post(EDIT, data={"text": build.TEXT, "version": "1", "do": "save"})
    assert answer.status_code == 409
    assert build.typed(answer.text) == build.TEXT
    assert "Somebody saved version 2 meanwhile" in build.words_of(answer.text)
    assert "delay 1d..2d 3d..5d" in build.words_of(answer.text)
    assert '<input type="hidden" name="version" value="2">' in answer.text
    assert (await build.kept(trigger)).version == 2
    await http.post(EDIT, data={"text": build.TEXT, "version": "2", "do": "save"})
    assert (await build.kept(trigger)).version == 3


async def test_preview_tells_what_would_have_happened_when_there_is_a_past(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.write(trigger.database)
    await build.play_month(trigger, days=5, a_day=6)
    answer = await http.post(EDIT, data={"text": build.TEXT, "version": "1", "do": "preview"})
    page = build.words_of(answer.text)
    assert re.search(r"Would have asked after \d+ of 40 touchpoints", page)
    assert "every purchase of the last 30 days, as recorded" in page
    assert "The first 10" in page
    assert (await build.kept(trigger)).version == 1


async def test_preview_says_so_when_there_is_nothing_to_try_it_on(
    http: httpx2.AsyncClient,
) -> None:
    text = build.TEXT.replace("touchpoint: purchase", "touchpoint: never-published")
    answer = await http.post("/console/new", data={"text": text, "do": "preview"})
    assert answer.status_code == 200
    assert "Nothing to try it on" in answer.text


async def test_preview_of_a_cadence_is_of_its_next_period(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.play_month(trigger, days=3, a_day=6)
    path = "/console/programs/relationship-quarterly/edit"
    text = build.typed((await http.get(path)).text)
    answer = await http.post(path, data={"text": text, "version": "1", "do": "preview"})
    assert "the period from 1 Apr to" in build.words_of(answer.text)


async def test_only_the_result_is_patched_when_the_script_sent_the_form(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    form = {"text": "x: y", "do": "check"}
    answer = await http.post("/console/new", data=form, headers={"X-Patch": "1"})
    assert answer.status_code == 200
    assert 'id="gutter"' in answer.text
    assert "<textarea" not in answer.text
