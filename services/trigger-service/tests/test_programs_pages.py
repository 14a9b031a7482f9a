"""The programs' pages and forms as a browser without script meets them."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from trigger_service import rules
from trigger_service.domain.program import ProgramState

from . import console_builders as build

EDIT = "/console/programs/large-order/edit"
TEXT = """\
id: large-order
name: After a very large order
touchpoint: purchase
type: transactional
survey: purchase-nps
delay: 3d..5d
expires_after: 10d
"""


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=build.make_app(trigger.database))
    async with httpx2.AsyncClient(transport=transport, base_url="http://console.example") as http:
        yield http


async def kept(trigger: Any, program_id: str = "large-order") -> Any:
    async with trigger.database.read() as connection:
        return await rules.find_program(connection, program_id)


def words_of(html: str) -> str:
    """Return what a reader sees."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def test_list_says_what_is_missing_when_there_is_no_program(
    service_database: Any, clock: Any
) -> None:
    from heardback import migrations
    from heardback.db import Database
    from heardback.testing.clock import CountedIds

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
    page = words_of((await http.get("/")).text)
    assert re.search(r"After a purchase purchase · v1 active after purchase", page)
    assert re.search(r"Daily budget \d of 3", page)
    assert re.search(r"No program listens 4", page)
    assert "Closed by automation" in page


async def test_program_page_explains_every_reason_when_it_did_not_ask(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.play_month(trigger, days=10, a_day=6)
    page = words_of((await http.get("/console/programs/ticket-closed?days=7")).text)
    assert "No person closed the ticket, but automation, a spam filter or a merge." in page
    assert "within" not in page or "Too late" in page
    assert re.search(r"Asked \d+|\d+ asked", page)


async def test_program_page_shows_the_shadow_apart_when_it_would_ask(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.set_state(trigger.database, "purchase", ProgramState.SHADOW)
    await build.play_month(trigger, days=3, a_day=5)
    page = words_of((await http.get("/console/programs/purchase")).text)
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
    assert (await kept(trigger)).state == state
    patched = await http.post(f"{path}/state", data={"state": state}, headers={"X-Patch": "1"})
    assert f'value="{state}" aria-pressed="true"' in patched.text or state == "archived"


async def test_state_stays_when_another_site_presses_the_button(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    forms = {
        "/console/programs/purchase/state": {"state": "paused"},
        "/console/programs/purchase/edit": {"text": TEXT, "version": "1", "do": "save"},
        "/console/new": {"text": TEXT, "do": "save"},
    }
    for path, form in forms.items():
        answer = await http.post(path, data=form, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 400
    assert (await kept(trigger, "purchase")).state is ProgramState.ACTIVE


async def test_archived_program_is_not_activated_when_it_became_invalid(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.set_state(trigger.database, "feature-used", ProgramState.ARCHIVED)
    await build.forget_fields(trigger.database)
    answer = await http.post("/console/programs/feature-used/state", data={"state": "active"})
    assert answer.status_code == 422
    assert "there is no field event.feature" in words_of(answer.text)


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
    page = words_of((await http.get("/console/programs/large-order?older=1&newer=2")).text)
    assert "delay 3d..6d 4d..6d" in page
    page = words_of((await http.get("/console/programs/large-order?older=1&newer=9")).text)
    assert "not among the last 3" in page


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
        (TEXT.replace("3d..5d", "5d..3d"), 6, "write 3d..5d"),
        (TEXT + "state: active\n", 8, "leave this out; the buttons of the program set it"),
        (TEXT + "colour: red\n", 8, "there is no such field"),
        (TEXT + "when: event.amout > 1\n", 8, "did you mean event.amount?"),
        (TEXT.replace("id: large-order", "id: other"), 1, "the id never changes"),
        (TEXT + "when: [\n", 9, "look at the colons"),
        (TEXT + "when: 2026-02-30\n", 1, "a value that cannot be read"),
        (TEXT + "when: \x07\n", 8, "a character that cannot be shown"),
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
        assert message in words_of(answer.text).replace("&#39;", "'")
        assert f'id="line-{line}"' in answer.text
        assert f'href="#line-{line}"' in answer.text
    assert (await kept(trigger)).version == 1


async def test_program_is_kept_paused_when_it_is_new(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    answer = await http.post("/console/new", data={"text": TEXT, "do": "save"})
    target = "/console/programs/large-order?done=created"
    assert (answer.status_code, answer.headers["location"]) == (303, target)
    assert (await kept(trigger)).state is ProgramState.PAUSED
    assert "Saved, and paused for now" in (await http.get(target)).text


async def test_id_is_refused_when_another_program_has_it(http: httpx2.AsyncClient) -> None:
    text = TEXT.replace("id: large-order", "id: purchase")
    answer = await http.post("/console/new", data={"text": text, "do": "save"})
    assert answer.status_code == 422
    assert "there is a program with this id; choose another" in answer.text


async def test_next_version_is_kept_when_saved(trigger: Any, http: httpx2.AsyncClient) -> None:
    await build.write(trigger.database)
    form = {"text": TEXT, "version": "1", "do": "save"}
    answer = await http.post(EDIT, data=form)
    assert answer.headers["location"] == "/console/programs/large-order?done=saved"
    assert (await kept(trigger)).version == 2
    again = await http.post(EDIT, data={**form, "version": "2"})
    assert again.headers["location"] == "/console/programs/large-order?done=same"
    assert (await kept(trigger)).version == 2


async def test_what_was_typed_stays_when_somebody_saved_meanwhile(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.write(trigger.database)
    await build.write(trigger.database, delay="1d..2d")
    answer = await http.post(EDIT, data={"text": TEXT, "version": "1", "do": "save"})
    assert answer.status_code == 409
    assert build.typed(answer.text) == TEXT
    assert "Somebody saved version 2 meanwhile" in words_of(answer.text)
    assert "delay 1d..2d 3d..5d" in words_of(answer.text)
    assert '<input type="hidden" name="version" value="2">' in answer.text
    assert (await kept(trigger)).version == 2
    await http.post(EDIT, data={"text": TEXT, "version": "2", "do": "save"})
    assert (await kept(trigger)).version == 3


async def test_preview_tells_what_would_have_happened_when_there_is_a_past(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await build.write(trigger.database)
    await build.play_month(trigger, days=5, a_day=6)
    answer = await http.post(EDIT, data={"text": TEXT, "version": "1", "do": "preview"})
    page = words_of(answer.text)
    assert re.search(r"Would have asked after \d+ of 40 touchpoints", page)
    assert "every purchase of the last 30 days, as recorded" in page
    assert "The first 10" in page
    assert (await kept(trigger)).version == 1


async def test_preview_says_so_when_there_is_nothing_to_try_it_on(
    http: httpx2.AsyncClient,
) -> None:
    text = TEXT.replace("touchpoint: purchase", "touchpoint: never-published")
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
    assert "the period from 1 Apr to" in words_of(answer.text)


async def test_only_the_result_is_patched_when_the_script_sent_the_form(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    form = {"text": "x: y", "do": "check"}
    answer = await http.post("/console/new", data=form, headers={"X-Patch": "1"})
    assert answer.status_code == 200
    assert 'id="gutter"' in answer.text
    assert "<textarea" not in answer.text


async def test_customer_page_says_why_rule_by_rule_when_they_are_known(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(build.a_purchase(1))
    await trigger.deliver(build.a_purchase(2))
    page = words_of((await http.get("/console/customers", params={"id": "c1"})).text)
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
