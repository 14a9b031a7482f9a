"""What stands at the edge of a field is refused with a word, and never breaks what comes after."""

from time import process_time
from typing import Any

import httpx2
import pytest

from closeloop_service.rulebook.compiling import compile_rules
from closeloop_service.rulebook.differing import differing
from closeloop_service.rulebook.faults import RulebookFaults
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import read_data, read_text
from closeloop_service.rulebook.ready_made import ready_made_books

YAML = {"Content-Type": "application/yaml"}
TEAMS = "teams: {care: {title: Care, calendar: office, members: [{name: Ana, %s}]}}\n"


def faults_of(kind: Kind, text: str, secrets: tuple[str, ...] = ("s",)) -> list[str]:
    try:
        read_data(kind, read_text(text), ready_made_books(), secrets)
    except RulebookFaults as refused:
        return [str(fault) for fault in refused.faults]
    return []


@pytest.mark.parametrize(
    "absence", ["from: 2026-12-24, to: 9999-12-31", "from: 0001-01-01, to: 2026-01-01"]
)
async def test_absence_for_good_is_refused_before_it_breaks_every_handler(
    http: httpx2.AsyncClient, keeper: Any, database: Any, absence: str
) -> None:
    text = TEAMS % f"absences: [{{{absence}}}]"
    answer = await http.put("/rulebooks/teams", content=text, headers=YAML)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["message"].split()[1] in ("2000-01-01", "2100-12-31")
    async with database.read() as connection:
        await keeper.in_force(connection)


@pytest.mark.parametrize("year", [2000, 2100])
async def test_rules_of_the_furthest_absences_can_be_made(year: int) -> None:
    text = TEAMS % f"absences: [{{from: {year}-01-01, to: {year}-12-31}}]"
    books = read_data(Kind.TEAMS, read_text(text), ready_made_books(), ()).books
    compile_rules(books, version=1)


@pytest.mark.parametrize(
    "text",
    [
        "teams: {care: {title: !!binary aGVsbG8=, calendar: office}}",
        "teams: {care: {title: a, calendar: office}}\nrules: !!set {}",
        "teams: {care: {title: a, calendar: office, members: [{name: A, segments: !!set {a}}]}}",
        "teams: !!omap [care: {title: a, calendar: office}]",
    ],
)
async def test_text_with_what_json_does_not_know_is_refused(
    http: httpx2.AsyncClient, text: str
) -> None:
    answer = await http.put("/rulebooks/teams", content=text, headers=YAML)
    assert answer.status_code == 422
    verdict = (await http.post("/rulebooks/teams/validate", content=text, headers=YAML)).json()
    assert not verdict["valid"]


def test_team_of_the_name_that_stands_for_no_queue_is_refused() -> None:
    text = "teams: {unrouted: {title: a, calendar: office}}"
    assert faults_of(Kind.TEAMS, text) == [
        "teams.unrouted: this name stands for tasks that no team has; choose another"
    ]


def test_name_of_spaces_is_refused_and_spaces_around_one_do_not_count() -> None:
    assert faults_of(Kind.TEAMS, TEAMS.replace("Ana", "'  '") % "capacity: 1")
    text = "teams: {care: {title: a, calendar: office, members: [{name: Ana}, {name: 'Ana '}]}}"
    assert faults_of(Kind.TEAMS, text) == [
        "teams.care.members.1.name: Ana is there already; choose another"
    ]


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://example.com:port/x", "https://example.com:99999"]
)
def test_address_that_nobody_can_call_is_refused(url: str) -> None:
    text = f"targets: {{hook: {{kind: webhook, secret: s, url: '{url}'}}}}"
    assert faults_of(Kind.ALERTS, text) == [
        "targets.hook.url: write the whole of an address, such as https://ops.example.com/hook"
    ]


def test_many_calendars_are_checked_without_holding_others_up() -> None:
    hours = "{tz: Europe/Berlin, week: {mon: [['09:%02d', '17:00']], fri: [['09:00', '14:00']]}}"
    always = "{tz: UTC, week: {mon: [['00:00', '24:00']]}}"
    more = [f"c{number}: {hours % (number % 60)}" for number in range(198)]
    lines = [f"office: {hours % 0}", f"always: {always}", *more]
    data = read_text("calendars:\n" + "".join(f"  {line}\n" for line in lines))
    began = process_time()
    read_data(Kind.CALENDARS, data, ready_made_books(), ())
    assert process_time() - began < 0.5


async def test_version_that_is_no_number_of_one_is_not_there(http: httpx2.AsyncClient) -> None:
    for version in (-1, 2**63, 10**30):
        answer = await http.get(f"/rulebooks/teams/versions/{version}")
        assert answer.status_code in (404, 422)
        page = await http.get(f"/console/rulebooks/teams?version={version}")
        assert page.status_code in (404, 422)


@pytest.mark.parametrize("field", ["saved_by", "note"])
async def test_editor_takes_no_text_that_no_database_keeps(
    http: httpx2.AsyncClient, field: str
) -> None:
    form = {"text": TEAMS % "capacity: 1", "do": "save", "saved_by": "Maya", "note": "n"}
    page = await http.post("/console/rulebooks/teams/edit", data={**form, field: "a\x00b"})
    assert page.status_code in (303, 422)


def test_policy_that_is_called_order_differs_as_any_other() -> None:
    before = """policies: [{id: order, first_response: 1h}, {id: default, first_response: 1h}]"""
    (found,) = differing(before, before.replace("1h", "3h", 1))
    assert (found.field, found.after) == ("policies.order.first_response", "3h")
