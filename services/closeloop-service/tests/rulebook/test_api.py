"""Rulebooks over HTTP."""

from typing import Any

import httpx2
import orjson
import pytest

from closeloop_service.rulebook.kinds import Kind

from . import books

YAML = {"content-type": "application/yaml"}


async def put(http: httpx2.AsyncClient, kind: Kind, body: str, **headers: str) -> httpx2.Response:
    return await http.put(f"/rulebooks/{kind}", content=body, headers={**YAML, **headers})


async def test_every_rulebook_is_listed_when_nobody_saved(http: httpx2.AsyncClient) -> None:
    found = (await http.get("/rulebooks")).json()
    assert found["version"] == 0
    assert [one["kind"] for one in found["rulebooks"]] == [*Kind]
    assert {one["saved_at"] for one in found["rulebooks"]} == {None}


async def test_text_comes_back_as_it_was_written_when_it_was_saved(
    http: httpx2.AsyncClient,
) -> None:
    answer = await put(http, Kind.SLA_POLICIES, books.POLICIES)
    version = answer.json()["version"]
    assert answer.status_code == 200
    assert answer.headers["etag"] == f'"{version}"'
    found = (await http.get("/rulebooks/sla-policies")).json()
    assert found["body"] == books.POLICIES
    assert found["document"]["policies"][0]["first_response"] == "1h"
    assert (await http.get("/rulebooks")).json()["version"] == version


async def test_who_saved_and_why_is_kept_when_it_was_sent_as_json(
    http: httpx2.AsyncClient,
) -> None:
    form = {"body": books.TEAMS, "saved_by": "Maya Lind", "note": "Zoe joined", "based_on": 0}
    saved = (await http.put("/rulebooks/teams", json=form)).json()
    versions = (await http.get("/rulebooks/teams/versions")).json()["versions"]
    assert [one["version"] for one in versions] == [saved["version"], 0]
    assert (versions[0]["saved_by"], versions[0]["note"]) == ("Maya Lind", "Zoe joined")
    assert (await http.get("/rulebooks/teams/versions/0")).json()["body"] == books.text_of(
        Kind.TEAMS
    )


async def test_save_is_refused_when_the_version_has_passed(http: httpx2.AsyncClient) -> None:
    version = (await put(http, Kind.TEAMS, books.TEAMS)).json()["version"]
    mine = books.TEAMS + "# mine\n"
    answer = await put(http, Kind.TEAMS, mine, **{"if-match": '"0"'})
    assert (answer.status_code, answer.json()["version"]) == (409, version)
    assert (await put(http, Kind.TEAMS, mine, **{"if-match": f'"{version}"'})).status_code == 200
    assert (await put(http, Kind.TEAMS, books.TEAMS, **{"if-match": "*"})).status_code == 200
    assert (await put(http, Kind.TEAMS, books.TEAMS, **{"if-match": "x"})).status_code == 422


async def test_every_fault_is_named_when_a_text_is_refused(http: httpx2.AsyncClient) -> None:
    answer = await put(http, Kind.ALERTS, "targets: {x: {kind: slack, secret: nothing}}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["field"] for fault in answer.json()["errors"]] == ["targets.x.secret"]


async def test_nothing_is_kept_when_a_text_is_only_checked(http: httpx2.AsyncClient) -> None:
    url = "/rulebooks/teams/validate"
    good = (await http.post(url, content=books.TEAMS, headers=YAML)).json()
    assert good == {"valid": True, "faults": [], "advice": []}
    bad = (await http.post(url, content="teams:\n  care: {}", headers=YAML)).json()
    assert not bad["valid"]
    assert {fault["line"] for fault in bad["faults"]} == {2}
    assert (await http.get("/rulebooks")).json()["version"] == 0


async def test_differences_are_told_when_two_versions_differ(http: httpx2.AsyncClient) -> None:
    body = books.text_of(Kind.ALERTS).replace("at_most_per_hour: 60", "at_most_per_hour: 6")
    version = (await put(http, Kind.ALERTS, body)).json()["version"]
    url = f"/rulebooks/alerts/diff?from=0&to={version}"
    assert (await http.get(url)).json()["differences"] == [
        {"field": "at_most_per_hour", "before": 60, "after": 6}
    ]


async def test_each_policy_differs_by_itself_when_some_do(http: httpx2.AsyncClient) -> None:
    older = (await put(http, Kind.SLA_POLICIES, books.POLICIES)).json()["version"]
    changed = books.POLICIES.replace("4h, ceiling", "3h, ceiling")
    newer = (await put(http, Kind.SLA_POLICIES, changed)).json()["version"]
    url = f"/rulebooks/sla-policies/diff?from={older}&to={newer}"
    assert (await http.get(url)).json()["differences"] == [
        {"field": "policies.default.first_response.within", "before": "4h", "after": "3h"}
    ]
    found = (await http.get(f"/rulebooks/sla-policies/diff?from=0&to={older}")).json()
    assert {
        "field": "policies.(order)",
        "before": ["default"],
        "after": ["enterprise", "default"],
    } in (found["differences"])


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"content": "x", "headers": {"content-type": "text/csv"}}, 415),
        ({"content": b"\xff", "headers": YAML}, 422),
        ({"content": "# " + "x" * 3_200_000, "headers": YAML}, 413),
        ({"content": "# " + "x" * 200_001, "headers": YAML}, 422),
        ({"content": "a: *b", "headers": YAML}, 422),
        ({"json": {"body": "x"}}, 422),
        ({"json": {"body": books.TEAMS, "saved_by": "Ana", "by": "x"}}, 422),
        ({"content": "{", "headers": {"content-type": "application/json"}}, 422),
    ],
)
async def test_body_is_refused_when_it_is_no_rulebook(
    http: httpx2.AsyncClient, sent: Any, status: int
) -> None:
    assert (await http.put("/rulebooks/teams", **sent)).status_code == status


@pytest.mark.parametrize(
    "path", ["/rulebooks/nonsense", "/rulebooks/teams/versions/99", "/rulebooks/teams/diff"]
)
async def test_nothing_is_found_when_there_is_nothing(http: httpx2.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code in (404, 422)


async def test_other_sites_cannot_save_when_they_press_our_buttons(
    http: httpx2.AsyncClient,
) -> None:
    answer = await put(http, Kind.TEAMS, books.TEAMS, **{"sec-fetch-site": "cross-site"})
    assert answer.status_code == 400


@pytest.mark.parametrize("kind", Kind)
async def test_schema_is_published_when_an_editor_asks(
    http: httpx2.AsyncClient, kind: Kind
) -> None:
    found = (await http.get(f"/rulebooks/{kind}/schema")).json()
    assert found["$id"] == f"urn:heardback:schema:{kind}"
    assert found["additionalProperties"] is False
    orjson.dumps(found)


FRIDAY = {"at": "2026-12-04T16:45", "segment": "enterprise", "value": 20_000}


async def test_due_dates_are_told_when_a_task_is_tried(http: httpx2.AsyncClient) -> None:
    await put(http, Kind.SLA_POLICIES, books.POLICIES)
    found = (await http.post("/rulebooks/sla-policies/preview", json=FRIDAY)).json()
    assert found["policy_id"] == "enterprise"
    first = found["clocks"][0]
    assert first["due"] == {
        "at": "2026-12-07T09:45:00Z",
        "said": "Monday 7 December 2026, 09:45",
    }
    assert first["warning"]["said"] == "Monday 7 December 2026, 09:30"
    assert [level["tells"] for level in first["escalations"]] == [
        ["owner"],
        ["lead", "Maya Lind", "team care"],
        ["lead", "Maya Lind", "team care"],
        ["lead", "Maya Lind", "team care"],
    ]


async def test_reason_is_told_when_a_policy_does_not_fit(http: httpx2.AsyncClient) -> None:
    await put(http, Kind.SLA_POLICIES, books.POLICIES)
    small = {**FRIDAY, "value": 10}
    found = (await http.post("/rulebooks/sla-policies/preview", json=small)).json()
    assert found["policy_id"] == "default"
    assert found["considered"] == [
        {"name": "enterprise", "why": "the customer brings less a year, or it is not known what"},
        {"name": "default", "why": None},
    ]


async def test_draft_decides_when_it_is_sent_along(http: httpx2.AsyncClient) -> None:
    asked = {**FRIDAY, "drafts": {"sla-policies": books.POLICIES}}
    found = (await http.post("/rulebooks/sla-policies/preview", json=asked)).json()
    assert found["policy_id"] == "enterprise"
    wrong = {**FRIDAY, "drafts": {"sla-policies": "policies: []"}}
    answer = await http.post("/rulebooks/sla-policies/preview", json=wrong)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "policies")


async def test_owner_is_told_when_a_task_is_tried_on_teams(http: httpx2.AsyncClient) -> None:
    await put(http, Kind.TEAMS, books.TEAMS)
    url = "/rulebooks/teams/preview"
    found = (await http.post(url, json=FRIDAY)).json()
    assert (found["team"], found["owner"]) == ("key-accounts", "Zoe Wu")
    found = (await http.post(url, json={"at": "2026-12-25T12:00", "language": "es"})).json()
    assert found["owner"] == "Ben Ito"
    found = (await http.post(url, json={"at": "2026-12-27T12:00", "language": "es"})).json()
    assert (found["owner"], found["retry"]["said"]) == (None, "Monday 28 December 2026, 09:00")
    owned = {"at": "2026-12-27T12:00", "account_owner": "ana ruiz"}
    assert (await http.post(url, json=owned)).json()["owner"] == "Ana Ruiz"


@pytest.mark.parametrize(
    "wrong", [{}, {"at": "soon"}, {"at": "1999-01-01T00:00"}, {**FRIDAY, "score": 11}]
)
async def test_trial_is_refused_when_the_task_cannot_be(
    http: httpx2.AsyncClient, wrong: dict[str, Any]
) -> None:
    answer = await http.post("/rulebooks/sla-policies/preview", json=wrong)
    assert answer.status_code == 422


@pytest.mark.parametrize("what", ["sla-policies", "teams"])
async def test_preview_is_refused_when_it_is_too_long_to_be_read(
    http: httpx2.AsyncClient, what: str
) -> None:
    form = {"drafts": {"teams": "x" * 2_000_000}}
    assert (await http.post(f"/rulebooks/{what}/preview", json=form)).status_code == 413
