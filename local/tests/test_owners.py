"""The demo's owners: what they do next, and what they leave alone."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from heardback_local.demo_team import open_the_office
from heardback_local.owners import Owners, chance, next_at

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LONG_AGO = (NOW - timedelta(hours=1)).isoformat()


def a_task(task_id: str, state: str, **changes: Any) -> dict[str, Any]:
    fields = {
        "task_id": task_id,
        "customer_id": "sim-demo1-7",
        "owner": "Ana Ruiz",
        "state": state,
        "version": 3,
        "resolutions": 0,
        "opened_at": LONG_AGO,
        "acknowledged_at": None,
        "contacted_at": None,
    }
    return {**fields, **changes}


def _named(*, theirs: bool, writes: bool = False) -> str:
    """Return a task's id by which owners see to it or not, in writing or not."""
    ids = (f"task-{number}" for number in range(1000))
    return next(
        each
        for each in ids
        if (chance(each) < 2 / 3) == theirs and (chance(f"{each} writes") >= 0.5) == writes
    )


class Service:
    """Answers as closeloop does, and remembers what was asked of it."""

    def __init__(self, *tasks: dict[str, Any], teams_version: int = 0) -> None:
        self.tasks = tasks
        self.teams_version = teams_version
        self.moves: list[tuple[str, dict[str, Any]]] = []
        self.client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if request.method != "GET":
            self.moves.append((path, json.loads(request.content)))
            return httpx2.Response(200, json={})
        if path == "/tasks":
            return httpx2.Response(200, json={"tasks": self.tasks})
        if path == "/rulebooks/teams":
            return httpx2.Response(200, json={"version": self.teams_version})
        if path.endswith("/preview"):
            return httpx2.Response(200, json={"subject": "Sorry", "text": "We are sorry."})
        return httpx2.Response(200, json={"next_action": {"template": "thank-and-ask"}})

    async def work(self, times: int = 1) -> list[tuple[str, dict[str, Any]]]:
        owners = Owners("http://closeloop", self.client, customers="sim-demo")
        for _ in range(times):
            await owners.work(NOW)
        return self.moves


@pytest.mark.parametrize(
    ("state", "move"),
    [
        ("assigned", "acknowledge"),
        ("reopened", "acknowledge"),
        ("acknowledged", "contact"),
        ("contacted", "resolve"),
    ],
)
async def test_owner_does_what_is_next_when_it_is_time(state: str, move: str) -> None:
    task_id = _named(theirs=True)
    ((path, body),) = await Service(a_task(task_id, state)).work()
    assert path == f"/tasks/{task_id}/{move}"
    assert (body["owner"], body["version"]) == ("Ana Ruiz", 3)


async def test_owner_writes_once_by_the_playbook_when_they_write() -> None:
    task_id = _named(theirs=True, writes=True)
    ((path, body),) = await Service(a_task(task_id, "acknowledged")).work(times=3)
    assert path == f"/tasks/{task_id}/messages"
    assert (body["template_id"], body["text"]) == ("thank-and-ask", "We are sorry.")


async def test_owner_writes_anew_when_the_task_came_back() -> None:
    task_id = _named(theirs=True, writes=True)
    service = Service(a_task(task_id, "acknowledged"))
    owners = Owners("http://closeloop", service.client, customers="sim-demo")
    await owners.work(NOW)
    service.tasks = (a_task(task_id, "acknowledged", resolutions=1),)
    await owners.work(NOW)
    assert [path for path, _ in service.moves] == [f"/tasks/{task_id}/messages"] * 2


@pytest.mark.parametrize(
    "task",
    [
        a_task(_named(theirs=False), "assigned"),
        a_task(_named(theirs=True), "assigned", customer_id="you@example.com"),
        a_task(_named(theirs=True), "assigned", owner=None),
        a_task(_named(theirs=True), "assigned", opened_at=NOW.isoformat()),
    ],
    ids=["another's", "of a real person", "nobody's", "too soon"],
)
async def test_task_is_left_alone_when_it_is_not_the_owners_turn(task: dict[str, Any]) -> None:
    assert await Service(task).work() == []


def test_owner_takes_seconds_when_something_was_just_done() -> None:
    task = a_task("t", "contacted", contacted_at=NOW.isoformat())
    assert NOW + timedelta(seconds=4) <= next_at(task) <= NOW + timedelta(seconds=16)


@pytest.mark.parametrize(("version", "saved"), [(0, ["/rulebooks/teams"]), (4, [])])
async def test_teams_are_saved_when_nobody_saved_any(version: int, saved: list[str]) -> None:
    service = Service(teams_version=version)
    assert await open_the_office("http://closeloop", service.client)
    assert [path for path, _ in service.moves] == saved
