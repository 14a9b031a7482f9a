"""Tasks as other systems read them."""

import base64
from datetime import timedelta

import pytest
from sqlalchemy import update

from closeloop_service.domain.commands import Acknowledge, Assign, Contact, Wait
from closeloop_service.tables import TASK
from heardback.testing.clock import START

HOUR = timedelta(hours=1)
EARLY = base64.b64encode(b"0001-01-01T00:00:00+09:00 x").decode()


async def pages(http, path, **query):
    found, cursor = [], None
    while True:
        after = {} if cursor is None else {"cursor": cursor}
        page = (await http.get(path, params={**query, **after})).json()
        found.append([task["task_id"] for task in page["tasks"]])
        cursor = page["next"]
        if cursor is None:
            return found


async def set_rows(database, task_ids, **values):
    async with database.transaction() as tx:
        await tx.connection.execute(
            update(TASK).where(TASK.c.task_id.in_(task_ids)).values(**values)
        )


async def set_due(database, task_ids, due_at):
    """Have the only clock of these tasks run out then."""
    at = due_at and due_at.isoformat()
    clock = {"started_at": START.isoformat(), "due_at": at, "warn_at": None, "warned": False}
    clock |= {"breached": False, "stopped_at": None, "escalated": 0}
    await set_rows(database, task_ids, due_at=due_at, clocks={"resolution": clock})


async def test_task_says_all_that_belongs_to_it(http, closeloop, task_id):
    await closeloop.move(task_id, Acknowledge(actor="Ana"))
    task = (await http.get(f"/tasks/{task_id}")).json()
    assert task["state"] == "acknowledged"
    assert task["owner"] == "Ana"
    assert task["recipient"]["name"] == "Ada 1"
    assert task["running"] == "first_response"
    assert task["due_at"] == task["first_response_due_at"] == "2026-03-02T13:00:00Z"
    assert task["clocks"]["resolution"]["stopped_at"] is None
    assert (task["next_response_due_at"], task["next_response_breached"]) == (None, False)
    assert task["history"][0]["what"] == "acknowledged"
    assert task["steps"][0]["step_id"] == "acknowledge"
    assert task["next_action"]["step_id"] == "acknowledge"
    assert task["messages"] == []
    assert "contact" in task["allowed_moves"]


async def test_clock_has_no_due_date_when_it_is_paused(http, closeloop, task_id):
    await closeloop.move(task_id, Contact(actor="Ana", channel="phone"))
    await closeloop.move(task_id, Wait(actor="Ana"))
    task = (await http.get(f"/tasks/{task_id}")).json()
    assert (task["state"], task["due_at"], task["resolution_due_at"]) == ("waiting", None, None)
    assert len(task["pauses"]) == 1
    assert task["wait_until"] is not None


async def test_problem_says_not_found_when_the_id_is_unknown(http):
    answer = await http.get("/tasks/nobody")
    assert (answer.status_code, answer.json()["type"]) == (
        404, "urn:heardback:problem:task-not-found",
    )  # fmt: skip


async def test_no_task_is_missed_or_twice_when_some_are_opened_meanwhile(
    http, closeloop, open_tasks, an_alert
):
    ids = await open_tasks(5)
    first = (await http.get("/tasks", params={"limit": 2})).json()
    await closeloop.hear(an_alert(9))
    rest = await pages(http, "/tasks", limit=2, cursor=first["next"])
    seen = [task["task_id"] for task in first["tasks"]] + [one for page in rest for one in page]
    assert seen == ids[::-1]


async def test_queue_has_the_least_time_left_first(http, database, open_tasks):
    ids = await open_tasks(6)
    for place, task_id in enumerate([ids[3], ids[0], ids[5]]):
        await set_due(database, [task_id], START + (place + 1) * HOUR)
    await set_due(database, [ids[1], ids[4]], None)
    await set_rows(database, [ids[2]], owner="Ana")
    assert await pages(http, "/queue", limit=2) == [[ids[3], ids[0]], [ids[5], ids[1]], [ids[4]]]
    assert await pages(http, "/queue", limit=3) == [[ids[3], ids[0], ids[5]], [ids[1], ids[4]]]


async def test_queue_goes_on_where_it_was_when_a_task_leaves_it(http, database, open_tasks):
    ids = await open_tasks(4)
    first = (await http.get("/queue", params={"limit": 2})).json()
    await set_rows(database, [ids[0]], owner="Ana")
    assert await pages(http, "/queue", limit=2, cursor=first["next"]) == [[ids[2], ids[3]]]


@pytest.mark.parametrize("cursor", ["x", "zzzz", "MjAyNi0wMS0wMSB4"])
async def test_cursor_is_refused_when_it_names_no_task(http, task_id, cursor):
    answer = await http.get("/tasks", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (
        422, "urn:heardback:problem:cursor-unknown",
    )  # fmt: skip


@pytest.mark.parametrize(
    "cursor", ["x", "AAAA", "////", "\u00e4", "bm8gZGF0ZSB4", "MjAyNi0wMS0wMSB4", "IAA=", EARLY]
)
async def test_cursor_is_refused_when_no_page_gave_it(http, cursor):
    answer = await http.get("/queue", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["type"]) == (
        422, "urn:heardback:problem:cursor-unknown",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["c4", "c3", "c2", "c1"]),
        ({"customer_id": "c2"}, ["c2"]),
        ({"state": "open"}, ["c4", "c2"]),
        ({"state": ["open", "assigned"]}, ["c4", "c2", "c1"]),
        ({"active": "true", "owner": "Ana"}, ["c1"]),
        ({"active": "false"}, ["c3"]),
        ({"team": "key-accounts"}, ["c1"]),
        ({"category": "passive"}, ["c2"]),
        ({"breached": "true"}, ["c2"]),
        ({"breached": "false", "active": "true"}, ["c4", "c1"]),
        ({"unrouted": "true"}, ["c4"]),
        ({"due_by": "2026-03-02T13:00:00Z"}, ["c4", "c1"]),
        ({"due_by": "2026-03-02T12:59:59Z"}, []),
        ({"q": "ADA 3"}, ["c3"]),
        ({"q": "100%"}, ["c1"]),
        ({"q": "_"}, []),
    ],
)
async def test_tasks_are_found_when_filtered(http, closeloop, database, open_tasks, query, found):
    ids = await open_tasks(4)
    await closeloop.move(ids[0], Assign(actor="Ana", owner="Ana", team="key-accounts"))
    await set_rows(database, ids, unrouted=None)
    await set_rows(database, ids[:1], comment="I am 100% sure.")
    await set_rows(database, ids[1:2], category="passive", breached=True, due_at=None)
    await set_rows(database, ids[2:3], state="resolved", active=False, due_at=None)
    await set_rows(database, ids[3:], team=None, unrouted="no rule fits")
    page = (await http.get("/tasks", params=query)).json()
    assert [task["customer_id"] for task in page["tasks"]] == found


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"state": "lost"},
        {"q": "\x00"},
        {"colour": "red"},
        {"due_by": "2026-03-02T13:00:00"},
        {"owner": ""},
    ],
)
async def test_query_is_refused_when_it_does_not_fit(http, query):
    assert (await http.get("/tasks", params=query)).status_code == 422


async def test_figures_say_what_waits(http, database, open_tasks, clock):
    ids = await open_tasks(6)
    now = clock.now()
    await set_rows(database, ids, unrouted=None)
    await set_rows(database, ids[:1], due_at=now, owner="Ana")
    await set_rows(database, ids[1:2], due_at=now + timedelta(minutes=29), owner="Ana")
    await set_rows(database, ids[2:3], state="waiting", due_at=None, owner="Ana")
    await set_rows(database, ids[3:4], unrouted="no rule fits", team=None)
    await set_rows(database, ids[4:5], state="resolved", active=False, due_at=None)
    assert (await http.get("/figures")).json() == {
        "open": 5, "breached": 1, "due_soon": 1, "waiting": 1, "unowned": 2, "unrouted": 1,
    }  # fmt: skip


async def test_story_tells_of_past_tasks(http, closeloop, task_id):
    story = (await http.get("/customers/c1/story")).json()
    assert story["customer"]["customer_id"] == "c1"
    assert [(line["what"], line["details"]["task_id"]) for line in story["story"]] == [
        ("task_opened", task_id)
    ]


async def test_story_is_empty_when_the_customer_is_not_known(http):
    story = (await http.get("/customers/nobody/story", params={"limit": 5})).json()
    assert (story["story"], story["customer"]["attributes"]) == ([], {})
