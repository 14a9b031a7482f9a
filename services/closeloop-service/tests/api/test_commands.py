"""Commands over HTTP, one task at a time and many at once."""

import asyncio

import pytest

from heardback.contracts import registry
from heardback.testing.builders import an_event
from heardback.testing.clock import START

from .conftest import OWNER

ACTOR = {"actor": "Ana"}
KEY = {"Idempotency-Key": "key-1"}
LIFE = [
    ("assign", {"owner": "Ana", "actor": "Maya", "team": "care"}, "assigned"),
    ("release", {**ACTOR, "note": "I am away."}, "open"),
    ("acknowledge", OWNER, "acknowledged"),
    ("note", {**ACTOR, "note": "Two lines\nof text."}, "acknowledged"),
    ("escalate", {**ACTOR, "reason": "They ask for the boss."}, "acknowledged"),
    ("contact", {**OWNER, "channel": "phone", "at": "2026-03-02T08:59:00Z"}, "contacted"),
    ("steps", {**ACTOR, "step_id": "listen"}, "contacted"),
    ("compensate", {**ACTOR, "kind": "voucher", "amount": 20, "currency": "EUR"}, "contacted"),
    ("wait", {**ACTOR, "until": "2026-03-04T09:00:00Z"}, "waiting"),
    ("resume", ACTOR, "contacted"),
    ("wait", ACTOR, "waiting"),
    ("reply", {"channel": "phone", "text": "Here is the number."}, "contacted"),
    ("contact", {**OWNER, "channel": "phone"}, "contacted"),
    ("resolve", {**OWNER, "root_cause": "ROOT"}, "resolved"),
    ("reopen", {**ACTOR, "reason": "It broke again."}, "reopened"),
    ("cancel", {**ACTOR, "reason": "They withdrew it."}, "cancelled"),
]


async def test_task_goes_through_its_life_by_commands(http, closeloop, clock, task_id):
    rules = await closeloop.change_rules()
    words = {"ROOT": rules.playbooks.root_causes[0], "voucher": rules.playbooks.compensations[0]}
    for version, (name, body, state) in enumerate(LIFE, start=2):
        sent = {field: words.get(str(value), value) for field, value in body.items()}
        answer = await http.post(f"/tasks/{task_id}/{name}", json=sent)
        assert (name, answer.status_code, answer.json().get("state")) == (name, 200, state)
        assert answer.json()["version"] >= version
    task = (await http.get(f"/tasks/{task_id}")).json()
    assert task["resolutions"] == 1
    assert task["contacted_at"] is not None
    done = {step["step_id"] for step in task["steps"] if step["done"]}
    assert "listen" in done


async def test_customer_is_written_to_where_they_were_asked(http, closeloop, an_alert):
    requested = dict.fromkeys(("occurred_at", "requested_at", "expires_at"), START)
    requested |= {"customer_id": "c1", "invitation_id": "invitation-1", "recipient": {}}
    requested |= {"program_id": "after-purchase", "touchpoint": "purchase"}
    requested |= {"survey_id": "nps", "channel": "email"}
    await closeloop.hear(an_event(registry.SURVEY_REQUESTED, **requested))
    await closeloop.hear(an_alert(1))
    task_id = (await closeloop.task()).task_id
    body = {**ACTOR, "subject": "Thank you", "text": "Hello Ada,\n\nsorry."}
    answer = await http.post(f"/tasks/{task_id}/messages", json=body)
    assert answer.status_code == 200, answer.text
    task = (await http.get(f"/tasks/{task_id}")).json()
    (message,) = task["messages"]
    assert (message["state"], message["subject"]) == ("requested", "Thank you")


async def test_conflict_names_what_is_allowed_when_a_move_is_not(http, task_id):
    body = {**OWNER, "root_cause": "price"}
    answer = await http.post(f"/tasks/{task_id}/resolve", json=body)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "contact" in answer.json()["allowed"]
    assert "resolve" not in answer.json()["allowed"]


async def test_conflict_is_said_when_the_version_is_stale(http, task_id):
    version = (await http.get(f"/tasks/{task_id}")).json()["version"]
    body = {**OWNER, "channel": "phone", "version": version + 1}
    answer = await http.post(f"/tasks/{task_id}/contact", json=body)
    assert (answer.status_code, answer.json()["version"]) == (409, version)


async def test_second_is_refused_when_two_claim_a_task_at_once(http, task_id):
    version = (await http.get(f"/tasks/{task_id}")).json()["version"]
    answers = await asyncio.gather(
        *(
            http.post(f"/tasks/{task_id}/assign", json={"owner": owner, "version": version})
            for owner in ("Ana", "Ben")
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_bounds_are_named_when_a_wait_is_too_long(http, task_id):
    await http.post(f"/tasks/{task_id}/contact", json={**OWNER, "channel": "phone"})
    body = {**ACTOR, "until": "2027-01-01T00:00:00Z"}
    answer = await http.post(f"/tasks/{task_id}/wait", json=body)
    assert answer.status_code == 422
    assert answer.json()["until"].startswith("2027-01-01T00:00:00")


@pytest.mark.parametrize("path", ["acknowledge", "messages"])
async def test_problem_says_not_found_when_the_task_is_unknown(http, path):
    body = OWNER if path == "acknowledge" else {**ACTOR, "text": "Hello"}
    answer = await http.post(f"/tasks/nobody/{path}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (
        404, "urn:heardback:problem:task-not-found",
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"owner": " "},
        {"owner": "A\x00"},
        {"owner": "x" * 201},
        {"owner": "Ana", "ownr": "Ben"},
        {"owner": "Ana", "version": 0},
        {"owner": "Ana", "version": 2**63},
    ],
)
async def test_request_is_refused_when_it_does_not_fit(http, task_id, body):
    answer = await http.post(f"/tasks/{task_id}/acknowledge", json=body)
    assert (answer.status_code, answer.json()["type"]) == (
        422, "urn:heardback:problem:invalid-request",
    )  # fmt: skip


@pytest.mark.parametrize("headers", [{}, KEY], ids=["plain", "key"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"owner":' + b"[" * 400 + b"]" * 400 + b"}", 422),
        (b'{"owner":"' + b"x" * 2_000_000 + b'"}', 413),
        (b'{"owner":"\\ud800"}', 422),
        (b"[]", 422),
        (b"{", 422),
    ],
    ids=["deep", "long", "half a character", "list", "broken"],
)
async def test_request_is_refused_when_its_body_is_a_trap(http, task_id, headers, body, status):
    headers = {**headers, "Content-Type": "application/json"}
    answer = await http.post(f"/tasks/{task_id}/acknowledge", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_command_is_refused_when_another_site_gives_it(http, task_id):
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = await http.post(f"/tasks/{task_id}/acknowledge", json=OWNER, headers=headers)
    assert answer.status_code == 400


async def test_move_is_made_once_when_the_command_comes_twice(http, closeloop, task_id):
    answers = [
        await http.post(f"/tasks/{task_id}/acknowledge", json=OWNER, headers=KEY) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert (await closeloop.families()).count("task.acknowledged") == 1


async def test_nothing_is_left_when_a_refused_command_has_a_key(http, closeloop, task_id):
    before = (await closeloop.task(), await closeloop.families())
    body = {**ACTOR, "text": "Hello"}
    answers = [
        await http.post(f"/tasks/{task_id}/messages", json=body, headers=KEY) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert answers[0].json() == answers[1].json()
    assert (await closeloop.task(), await closeloop.families()) == before


async def test_many_are_moved_and_the_others_say_why_not(http, closeloop, open_tasks):
    ids = await open_tasks(3)
    await http.post(f"/tasks/{ids[0]}/cancel", json={**ACTOR, "reason": "A test."})
    body = {"move": "assign", "task_ids": [*ids, "nobody", ids[1]], "owner": "Ben", **ACTOR}
    answer = await http.post("/tasks/bulk", json=body)
    results = answer.json()["results"]
    assert (answer.status_code, answer.json()["moved"]) == (200, 2)
    assert [one["task_id"] for one in results] == [*ids, "nobody"]
    assert [one["task"] and one["task"]["owner"] for one in results] == [None, "Ben", "Ben", None]
    assert results[0]["problem"]["type"] == "urn:heardback:problem:move-not-allowed"
    assert results[3]["problem"]["status"] == 404


@pytest.mark.parametrize(
    "body",
    [
        {"move": "release", **ACTOR},
        {"move": "acknowledge", **OWNER},
        {"move": "escalate", **ACTOR, "reason": "Too many."},
        {"move": "cancel", **ACTOR, "reason": "A test."},
        {"move": "note", **ACTOR, "note": "Seen."},
    ],
)
async def test_every_bulk_move_is_made(http, open_tasks, body):
    ids = await open_tasks(2)
    if body["move"] == "release":
        await http.post("/tasks/bulk", json={"move": "assign", "task_ids": ids, **OWNER})
    answer = await http.post("/tasks/bulk", json={**body, "task_ids": ids})
    assert answer.json()["moved"] == 2


@pytest.mark.parametrize(
    "body",
    [
        {"move": "assign", "task_ids": [], **OWNER},
        {"move": "assign", "task_ids": ["t"] * 501, **OWNER},
        {"move": "resolve", "task_ids": ["t"], **OWNER, "root_cause": "price"},
        {"move": "assign", "task_ids": ["t"], **OWNER, "version": 1},
        {"task_ids": ["t"], **OWNER},
    ],
)
async def test_bulk_is_refused_when_it_does_not_fit(http, body):
    assert (await http.post("/tasks/bulk", json=body)).status_code == 422


async def test_bulk_is_done_once_when_it_comes_twice(http, closeloop, open_tasks):
    ids = await open_tasks(2)
    body = {"move": "acknowledge", "task_ids": ids, **OWNER}
    answers = [await http.post("/tasks/bulk", json=body, headers=KEY) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (await closeloop.families()).count("task.acknowledged") == 2
