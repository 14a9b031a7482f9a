from collections.abc import AsyncIterator
from typing import Any, Final

import httpx2
import pytest

from heardback.contracts import registry
from heardback.health import Health
from heardback.http import build_app
from heardback.testing.builders import a_purchase, an_event
from heardback.testing.clock import START
from trigger_service.app import service
from trigger_service.settings import Settings

PROGRAM: Final = {
    "id": "big-orders",
    "name": "After a big order",
    "touchpoint": "purchase",
    "type": "transactional",
    "survey": "purchase-nps",
    "delay": "7d..14d",
    "expires_after": "14d",
}
JSON: Final = {"content-type": "application/json"}
YAML: Final = {"content-type": "application/yaml"}


@pytest.fixture
async def http(trigger: Any) -> AsyncIterator[httpx2.AsyncClient]:
    routers = service(Settings(database_url=trigger.database.url)).routers
    app = build_app(name="trigger", database=trigger.database, health=Health(), routers=routers)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://trigger.example") as http:
        yield http


async def faults(answer: Any) -> dict[str, str]:
    """Return what is wrong with which field, as a problem says it."""
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["field"]: error["message"] for error in answer.json()["errors"]}


async def test_program_is_paused_and_as_it_was_written_when_it_is_created(
    http: httpx2.AsyncClient,
) -> None:
    created = await http.post("/programs", json=PROGRAM)
    assert created.status_code == 201
    assert created.headers["location"] == "/programs/big-orders"
    assert created.headers["etag"] == '"1"'
    program = (await http.get("/programs/big-orders")).json()
    assert program == created.json()
    assert (program["state"], program["version"]) == ("paused", 1)
    assert program["document"] == PROGRAM
    assert program["delay_max"] == 14 * 86_400


async def test_programs_are_listed_when_asked_with_what_they_listen_to(
    http: httpx2.AsyncClient,
) -> None:
    yearly = {k: v for k, v in PROGRAM.items() if k != "touchpoint"} | {"cadence": "yearly"}
    assert (await http.post("/programs", json=yearly)).status_code == 201
    programs = {p["program_id"]: p for p in (await http.get("/programs")).json()["programs"]}
    assert programs["purchase"]["touchpoint"] == "purchase"
    assert programs["purchase"]["cadence"] is None
    assert programs["purchase"]["state"] == "active"
    assert programs["big-orders"]["cadence"] == "yearly"
    assert programs["big-orders"]["changed_at"] == "2026-03-02T09:00:00Z"


async def test_nothing_changes_when_a_command_is_sent_again(http: httpx2.AsyncClient) -> None:
    created = await http.post("/programs", json=PROGRAM)
    # The order of the fields says nothing.
    again = await http.post("/programs", json=dict(reversed(PROGRAM.items())))
    assert (again.status_code, again.json()) == (201, created.json())
    changed = PROGRAM | {"name": "After an order"}
    for _ in range(2):
        written = await http.put("/programs/big-orders", json=changed, headers={"if-match": '"1"'})
        assert written.status_code == 200
        assert written.json()["version"] == 2
    for _ in range(2):
        assert (await http.post("/programs/big-orders/activate")).json()["state"] == "active"
    assert len((await http.get("/programs/big-orders/versions")).json()["versions"]) == 2


@pytest.mark.parametrize(
    ("command", "state"),
    [("activate", "active"), ("pause", "paused"), ("shadow", "shadow"), ("archive", "archived")],
)
async def test_program_changes_its_state_when_it_is_told(
    http: httpx2.AsyncClient, command: str, state: str
) -> None:
    await http.post("/programs", json=PROGRAM)
    assert (await http.post(f"/programs/big-orders/{command}")).json()["state"] == state
    assert (await http.get("/programs/big-orders")).json()["state"] == state


async def test_versions_and_what_differs_are_told_when_a_program_was_rewritten(
    http: httpx2.AsyncClient,
) -> None:
    hours = {"from": "09:00", "to": "18:00"}
    await http.post("/programs", json=PROGRAM | {"send_hours": hours})
    after = PROGRAM | {"send_hours": hours | {"from": "10:00"}, "channels": ["sms"]}
    await http.put("/programs/big-orders", json=after)
    versions = (await http.get("/programs/big-orders/versions")).json()["versions"]
    assert [version["version"] for version in versions] == [2, 1]
    assert versions[0]["document"] == after
    found = await http.get("/programs/big-orders/diff", params={"from": 1, "to": 2})
    assert found.json()["differences"] == [
        {"field": "send_hours.from", "before": "09:00", "after": "10:00"},
        {"field": "channels", "before": None, "after": ["sms"]},
    ]
    same = await http.get("/programs/big-orders/diff", params={"from": 2, "to": 2})
    assert same.json()["differences"] == []


async def test_program_is_taken_when_it_is_written_in_yaml(http: httpx2.AsyncClient) -> None:
    lines = "\n".join(f"{name}: {value}" for name, value in PROGRAM.items())
    created = await http.post("/programs", content=lines, headers=YAML)
    assert created.status_code == 201
    assert created.json()["document"] == PROGRAM


@pytest.mark.parametrize(
    ("changed", "field", "message"),
    [
        ({"delay": "14d..7d"}, "delay", "'14d..7d' ends before it begins; write 7d..14d"),
        ({"delay": None}, "delay", "None is not a duration; write one such as 30s"),
        ({"colour": "red"}, "colour", "there is no such field"),
        ({"state": "active"}, "state", "only a file says this"),
        ({"id": "Big Orders"}, "id", "write a-z, 0-9 and dashes"),
        ({"name": ""}, "name", "write something here"),
        ({"name": 7}, "name", "this reads as 7; write it in quotes"),
        ({"channels": []}, "channels", "name at least 1"),
        ({"channels": ["email", "email"]}, "channels", "name each channel once"),
        ({"channels": ["pigeon"]}, "channels.0", "write 'email'"),
        ({"sample": {"share": "120%"}}, "sample.share", "write a part of 100%"),
        ({"sample": {"share": "100.5%"}}, "sample.share", "write a part of 100%"),
        ({"send_hours": {"from": "9"}}, "send_hours.from", "write a time of day"),
        ({"send_hours": {"from": "09:00", "to": "09:00"}}, "send_hours", "a span cannot open"),
        ({"send_hours": {"days": []}}, "send_hours.days", "name at least 1"),
        ({"cadence": "yearly"}, "touchpoint", "write either what has to happen"),
        ({"when": "customer.plam == 1"}, "when", "customer.plan"),
        ({"when": "event.amount >"}, "when", ""),
        ({"quotas": {"smb": -1}}, "quotas.smb", "write 0 or more"),
        ({"after_uses": 0}, "after_uses", "write 1 or more"),
        ({"locale": "xx"}, "locale", "there are no texts in 'xx'"),
        ({"expires_after": "0d"}, "expires_after", "0 is never"),
        ({"variants": {"a": 1}}, "variants", "name at least 2"),
    ],
)
async def test_program_is_refused_with_the_path_of_the_field_when_it_is_wrong(
    http: httpx2.AsyncClient, changed: dict[str, Any], field: str, message: str
) -> None:
    wrong = PROGRAM | changed
    found = await faults(await http.post("/programs", json=wrong))
    assert message in found[field]
    verdict = await http.post("/programs/validate", json=wrong)
    assert verdict.status_code == 200
    assert verdict.json()["valid"] is False
    assert {"field": field, "message": found[field]} in verdict.json()["faults"]
    assert (await http.get("/programs/big-orders")).status_code == 404


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"", JSON, "this is not JSON"),
        (b"{", JSON, "this is not JSON"),
        (b"\xff", JSON, "this is not JSON"),
        (b'{"id": "\\ud800"}', JSON, "this is not JSON"),
        (b"[" * 60_000, JSON, "this is not JSON"),
        (b"null", JSON, "write fields below it"),
        (b"[]", JSON, "write fields below it"),
        (b"", YAML, "write fields below it"),
        (b"id: [", YAML, "this is not YAML"),
        (b"id: \xff", YAML, "this is not YAML"),
        (b"[" * 60_000, YAML, "this is not YAML"),
        (b"id: !!python/object:os.system x", YAML, "this is not YAML"),
        (b"id: 2026-02-30", YAML, "this is not YAML"),
        (b"id: !!timestamp x", YAML, "this is not YAML"),
        (b"? [id]\n: x", YAML, "this is not YAML"),
        (b"&a [*a]", YAML, "write it out here, without *"),
        (b"id: " + b"9" * 5_000, YAML, "this is not YAML"),
    ],
)
async def test_body_is_refused_when_it_is_no_document(
    http: httpx2.AsyncClient, body: bytes, kind: dict[str, str], message: str
) -> None:
    found = await faults(await http.post("/programs", content=body, headers=kind))
    assert message in found[""]
    verdict = await http.post("/programs/validate", content=body, headers=kind)
    assert (verdict.status_code, verdict.json()["valid"]) == (200, False)


async def test_yaml_is_refused_when_it_would_grow_without_end(http: httpx2.AsyncClient) -> None:
    levels = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [
        b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30)
    ]
    body = b"\n".join([*levels, b"channels: *a29"])
    found = await faults(await http.post("/programs", content=body, headers=YAML))
    assert "write it out here" in found[""]


@pytest.mark.parametrize("path", ["/programs", "/programs/validate", "/governance/validate"])
async def test_body_is_refused_when_it_is_huge_or_of_another_kind(
    http: httpx2.AsyncClient, path: str
) -> None:
    huge = await http.post(path, json=PROGRAM | {"description": "x" * 70_000})
    assert huge.status_code == 413
    assert huge.json()["most_bytes"] == 65_536
    other = await http.post(path, content=b"id=1", headers={"content-type": "text/plain"})
    assert other.status_code == 415
    assert "application/yaml" in other.json()["detail"]
    assert {a.headers["content-type"] for a in (huge, other)} == {"application/problem+json"}


async def test_conflict_is_told_when_somebody_else_was_faster(http: httpx2.AsyncClient) -> None:
    await http.post("/programs", json=PROGRAM)
    taken = await http.post("/programs", json=PROGRAM | {"name": "Another"})
    assert taken.status_code == 409
    assert taken.json()["type"].endswith("program-exists")
    await http.put("/programs/big-orders", json=PROGRAM | {"name": "Theirs"})
    ours = PROGRAM | {"name": "Ours"}
    late = await http.put("/programs/big-orders", json=ours, headers={"if-match": '"1"'})
    assert late.status_code == 409
    assert late.json()["version"] == 2
    known = await http.put("/programs/big-orders", json=ours, headers={"if-match": '"2"'})
    assert known.json()["version"] == 3


@pytest.mark.parametrize("tag", ['"x"', "", '"²"', "-1", '"1", "2"'])
async def test_if_match_is_refused_when_it_names_no_version(
    http: httpx2.AsyncClient, tag: str
) -> None:
    headers = {"if-match": tag.encode()}
    refused = await http.put("/programs/purchase", json=PROGRAM, headers=headers)
    assert refused.status_code == 422
    assert refused.json()["type"].endswith("unreadable-version")


async def test_id_is_refused_when_it_is_not_that_of_the_address(http: httpx2.AsyncClient) -> None:
    found = await faults(await http.put("/programs/purchase", json=PROGRAM))
    assert found == {"id": "write purchase, as in the address; an id never changes"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/programs/nobody"),
        ("GET", "/programs/nobody/versions"),
        ("GET", "/programs/nobody/diff?from=1&to=2"),
        ("GET", "/programs/nobody/volume"),
        ("POST", "/programs/nobody/activate"),
        ("POST", "/programs/nobody/dry-run"),
        ("GET", "/programs/purchase/diff?from=1&to=99"),
    ],
)
async def test_not_found_is_a_problem_when_there_is_no_such_thing(
    http: httpx2.AsyncClient, method: str, path: str
) -> None:
    answer = await http.request(method, path, json={} if method == "POST" else None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await http.put("/programs/big-orders", json=PROGRAM)).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/programs/%00",
        "/programs/Purchase",
        "/programs/purchase/diff",
        "/programs/purchase/diff?from=0&to=1",
        "/programs/purchase/diff?from=1&to=99999999999",
        "/programs/purchase/versions?limit=0",
        "/programs/purchase/volume?days=0",
        "/programs/purchase/volume?days=367",
    ],
)
async def test_address_is_refused_when_it_makes_no_sense(
    http: httpx2.AsyncClient, path: str
) -> None:
    assert (await http.get(path)).status_code == 422


async def test_command_is_refused_when_there_is_none_of_this_name(
    http: httpx2.AsyncClient,
) -> None:
    assert "activate" in (await http.post("/programs/purchase/explode")).text


async def test_volume_counts_each_day_when_a_program_has_decided(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    await trigger.deliver(*(a_purchase(n, customer_id=f"c{n % 3}") for n in range(4)))
    volume = (await http.get("/programs/purchase/volume", params={"days": 2})).json()
    assert volume == {
        "days": [
            {"day": "2026-03-01", "scheduled": 0, "suppressed": {}},
            {"day": "2026-03-02", "scheduled": 3, "suppressed": {"cooldown_any": 1}},
        ],
        "totals": {"scheduled": 3, "suppressed": {"cooldown_any": 1}},
    }
    assert len((await http.get("/programs/purchase/volume")).json()["days"]) == 30


async def test_governance_is_in_force_when_it_was_written(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    before = (await http.get("/governance")).json()
    await http.post("/programs", json=PROGRAM | {"when": "customer.plan == 'pro'"})
    document = before["document"] | {"cooldowns": {"any": "7d"}, "timezone": "Europe/Berlin"}
    for _ in range(2):
        written = await http.put("/governance", json=document)
        assert written.status_code == 200
        assert written.json() == {"version": before["version"] + 1, "document": document}
    assert (await http.get("/governance")).json() == written.json()


@pytest.mark.parametrize(
    ("document", "field", "message"),
    [
        ({"timezone": "Mars"}, "timezone", "'Mars' is no time zone; write one such as"),
        ({"cooldowns": {"any": "often"}}, "cooldowns.any", "is not a duration"),
        ({"segments": [{"name": "a", "when": "1"}]}, "segments.0.when", ""),
        ({"quiet_hours": {"from": "21:00"}}, "quiet_hours.to", "is missing"),
        (
            {"fields": {"customer": {"Plan": "string"}}},
            "fields.customer.Plan",
            "write a-z, 0-9 and _",
        ),
        ({"locales": []}, "locales", "name at least 1"),
        (
            {"legal_hours": {"email": {"from": "02:00", "to": "03:00"}}},
            "purchase.send_hours",
            "nothing is left of them for email",
        ),
    ],
)
async def test_governance_is_refused_when_it_is_wrong_or_a_program_would_be(
    http: httpx2.AsyncClient, document: dict[str, Any], field: str, message: str
) -> None:
    before = (await http.get("/governance")).json()
    document = before["document"] | document
    found = await faults(await http.put("/governance", json=document))
    assert message in found[field]
    verdict = (await http.post("/governance/validate", json=document)).json()
    assert {"field": field, "message": found[field]} in verdict["faults"]
    assert (await http.get("/governance")).json() == before


async def test_valid_documents_have_no_faults_when_they_are_checked(
    http: httpx2.AsyncClient,
) -> None:
    valid = {"valid": True, "faults": [], "warnings": []}
    governance = (await http.get("/governance")).json()["document"]
    assert (await http.post("/programs/validate", json=PROGRAM)).json() == valid
    assert (await http.post("/governance/validate", json=governance)).json() == valid


async def test_program_is_valid_with_a_warning_when_its_survey_has_no_such_texts(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    document = {"id": "purchase-nps", "texts": {"en": {}}}
    about = {"survey_id": "purchase-nps", "version": 1, "published_at": START}
    await trigger.deliver(an_event(registry.SURVEY_VERSION_PUBLISHED, document=document, **about))
    program = {**PROGRAM, "variants": {"short": 1, "long": 1}}
    verdict = (await http.post("/programs/validate", json=program)).json()
    assert (verdict["valid"], verdict["faults"]) == (True, [])
    assert [each["field"] for each in verdict["warnings"]] == ["variants.short", "variants.long"]


async def test_schemas_say_what_a_field_takes_when_an_editor_asks(
    http: httpx2.AsyncClient,
) -> None:
    program = (await http.get("/programs/schema")).json()
    governance = (await http.get("/governance/schema")).json()
    assert program["$id"] == "urn:heardback:schema:program"
    assert program["additionalProperties"] is False
    assert program["properties"]["delay"]["examples"] == ["7d..14d"]
    assert all(
        "description" in field or "$ref" in str(field) for field in program["properties"].values()
    )
    assert "quiet_hours" in governance["properties"]


async def test_program_asks_at_once_when_it_is_activated(
    trigger: Any, http: httpx2.AsyncClient
) -> None:
    onboarded = PROGRAM | {"touchpoint": "trial-ended"}
    await http.post("/programs", json=onboarded)
    events = [
        an_event(
            registry.TOUCHPOINT_RECORDED,
            id=f"e{n}",
            customer_id=f"c{n}",
            touchpoint="trial-ended",
            occurred_at=trigger.clock.now(),
            customer={"email": "a@example.com"},
        )
        for n in range(2)
    ]
    await trigger.deliver(events[0])
    await http.post("/programs/big-orders/activate")
    await trigger.deliver(events[1])
    first, second = [
        (await http.get(f"/customers/c{n}/decisions")).json()["decisions"][0] for n in range(2)
    ]
    assert first["reasons"] == ["paused"]
    assert second["outcome"] == "scheduled"


async def test_type_is_refused_when_a_later_version_changes_it(http: httpx2.AsyncClient) -> None:
    await http.post("/programs", json=PROGRAM)
    found = await faults(
        await http.put("/programs/big-orders", json=PROGRAM | {"type": "relational"})
    )
    assert found == {"type": "it stays transactional; archive this program and write another"}
