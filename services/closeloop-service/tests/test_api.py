"""The tasks over HTTP."""

import httpx2
import pytest

from closeloop_service.domain.decisions import Acknowledge


@pytest.fixture
async def http(served):
    transport = httpx2.ASGITransport(app=served.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://board.example") as client:
        yield client


@pytest.fixture
async def task_id(closeloop, an_alert) -> str:
    await closeloop.hear(an_alert())
    return (await closeloop.tasks())[0].task_id


async def test_task_goes_through_its_life_when_told_over_http(http, task_id):
    steps = [
        ("acknowledge", {"owner": "Ana"}),
        ("contact", {"owner": "Ana", "channel": "phone", "note": "Called."}),
        ("resolve", {"owner": "Ana", "root_cause": "late delivery", "note": ""}),
    ]
    for move, body in steps:
        answer = await http.post(f"/tasks/{task_id}/{move}", json=body)
        assert answer.status_code == 200, answer.text
    task = (await http.get(f"/tasks/{task_id}")).json()
    assert (task["state"], task["root_cause"], task["allowed_moves"]) == (
        "resolved", "late delivery", [],
    )  # fmt: skip
    assert [line["what"] for line in task["history"]] == [
        "resolved", "contacted", "acknowledged", "opened",
    ]  # fmt: skip


async def test_every_task_is_listed_once_when_paged(http, closeloop, an_alert):
    await closeloop.hear(*(an_alert(number) for number in range(7)))
    seen, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await http.get("/tasks", params=query)).json()
        seen += [task["customer_id"] for task in page["tasks"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"c{number}" for number in reversed(range(7))]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"customer_id": "c2"}, ["c2"]),
        ({"state": "acknowledged"}, ["c1"]),
        ({"q": "ADA 2"}, ["c2"]),
        ({"q": "mouse"}, ["c2"]),
        ({"q": "%"}, []),
        ({"q": "ana", "state": "open"}, []),
    ],
)
async def test_tasks_are_found_when_filtered(http, closeloop, an_alert, query, found):
    await closeloop.hear(an_alert(1), an_alert(2, comment="The mouse is broken."))
    await closeloop.move((await closeloop.tasks())[0].task_id, Acknowledge(actor="Ana"))
    page = (await http.get("/tasks", params=query)).json()
    assert [task["customer_id"] for task in page["tasks"]] == found


async def test_conflict_names_what_is_allowed_when_a_move_is_not(http, task_id):
    body = {"owner": "Ana", "root_cause": "price"}
    answer = await http.post(f"/tasks/{task_id}/resolve", json=body)
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["allowed"] == ["acknowledge", "contact"]


async def test_conflict_is_said_when_the_version_is_stale(http, task_id):
    body = {"owner": "Ana", "channel": "phone", "version": 9}
    answer = await http.post(f"/tasks/{task_id}/contact", json=body)
    assert (answer.status_code, answer.json()["version"]) == (409, 1)


@pytest.mark.parametrize("method", ["get", "acknowledge"])
async def test_problem_says_not_found_when_the_id_is_unknown(http, method):
    if method == "get":
        answer = await http.get("/tasks/nobody")
    else:
        answer = await http.post("/tasks/nobody/acknowledge", json={"owner": "Ana"})
    assert (answer.status_code, answer.json()["type"]) == (
        404, "urn:heardback:problem:task-not-found",
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"owner": " "},
        {"owner": "Ana\n"},
        {"owner": "A\x00"},
        {"owner": "x" * 201},
        {"owner": "Ana", "ownr": "Ben"},
        {"owner": "Ana", "version": 0},
    ],
)
async def test_request_is_refused_when_it_does_not_fit(http, task_id, body):
    answer = await http.post(f"/tasks/{task_id}/acknowledge", json=body)
    # A line break at the ends is stripped like any space.
    assert answer.status_code == (200 if body.get("owner") == "Ana\n" else 422)


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 501}, {"state": "lost"}, {"q": "\x00"}, {"colour": "red"}]
)
async def test_query_is_refused_when_it_does_not_fit(http, query):
    assert (await http.get("/tasks", params=query)).status_code == 422
