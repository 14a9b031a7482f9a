"""Simulated owners: they see to most tasks of simulated customers.

The others, and every task of a customer whom somebody invents by hand, are left to who tries it.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import httpx2

_AT_ONCE: Final = 200
_MOST: Final = 2 / 3
"""So large a part of the tasks is theirs."""
_SHORTEST, _SPREAD = timedelta(seconds=4), timedelta(seconds=12)
_CALLS: Final = (
    "Called them and said sorry; they told me what happened.",
    "Talked for five minutes. They want it put right, no more.",
    "Reached them in the afternoon; they were glad that somebody asked.",
)
_FIXES: Final = (
    ("late delivery", "Sent a new one by courier."),
    ("slow support", "Saw to it myself, and told them how to reach me."),
    ("price or billing", "Paid the money back."),
    ("product quality", "Replaced it."),
    ("hard to use", "Walked them through it."),
)
_STATES: Final = ("assigned", "reopened", "acknowledged", "contacted")


class Owners:
    """Take, contact and resolve, seconds apart. What is done next, the task itself tells.

    `customers`: what the ids of their customers begin with.
    """

    def __init__(self, closeloop: str, client: httpx2.AsyncClient, *, customers: str) -> None:
        self._url = closeloop
        self._client = client
        self._customers = customers
        self._written: set[tuple[str, int]] = set()

    async def work(self, now: datetime) -> None:
        """Do for each task of theirs what is next, if it is time.

        Raises: httpx2.HTTPError (the service is away; do it again).
        """
        query: dict[str, Any] = {"state": _STATES, "q": self._customers, "limit": _AT_ONCE}
        answer = await self._client.get(f"{self._url}/tasks", params=query)
        for task in answer.raise_for_status().json()["tasks"]:
            if self._is_theirs(task) and now >= next_at(task):
                await self._move(task)

    def _is_theirs(self, task: Mapping[str, Any]) -> bool:
        is_simulated = task["customer_id"].startswith(self._customers)
        return bool(task["owner"]) and is_simulated and chance(task["task_id"]) < _MOST

    async def _move(self, task: Mapping[str, Any]) -> None:
        task_id, owner = task["task_id"], task["owner"]
        if task["state"] in ("assigned", "reopened"):
            await self._post(task, "acknowledge", {"owner": owner})
        elif task["state"] == "contacted":
            cause, note = _choice(_FIXES, task_id)
            await self._post(task, "resolve", {"owner": owner, "root_cause": cause, "note": note})
        elif _round(task) not in self._written and not await self._write(task):
            call = {"owner": owner, "channel": "phone", "note": _choice(_CALLS, task_id)}
            await self._post(task, "contact", call)

    async def _write(self, task: Mapping[str, Any]) -> bool:
        """Send every second customer the text that the playbook has for it; tell whether it did."""
        if chance(f"{task['task_id']} writes") < 0.5:
            return False
        url = f"{self._url}/tasks/{task['task_id']}"
        step = (await self._client.get(url)).raise_for_status().json()["next_action"]
        if step is None or step["template"] is None:
            return False
        about = {"template_id": step["template"], "owner": task["owner"]}
        words = await self._client.get(f"{url}/messages/preview", params=about)
        message = {**words.raise_for_status().json(), "template_id": step["template"]}
        sent = await self._post(task, "messages", {**message, "actor": task["owner"]})
        if sent:
            self._written.add(_round(task))
        return sent

    async def _post(self, task: Mapping[str, Any], move: str, body: Mapping[str, Any]) -> bool:
        """Make a move on the task as it was read; whoever was faster has it."""
        url = f"{self._url}/tasks/{task['task_id']}/{move}"
        answer = await self._client.post(url, json={**body, "version": task["version"]})
        if answer.is_server_error:
            answer.raise_for_status()
        return answer.is_success


def chance(text: str) -> float:
    """Return a number from 0 to 1 that is always the same for a text."""
    digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
    return int.from_bytes(digest) / 2**32


def _round(task: Mapping[str, Any]) -> tuple[str, int]:
    """Return which time they see to the task: one that comes back is a new one."""
    return task["task_id"], task["resolutions"]


def next_at(task: Mapping[str, Any]) -> datetime:
    """Return when an owner comes to the task again: some seconds after what they did last."""
    done = [task[name] for name in ("opened_at", "acknowledged_at", "contacted_at") if task[name]]
    wait = _SHORTEST + _SPREAD * chance(f"{task['task_id']} {task['state']}")
    return max(map(datetime.fromisoformat, done)) + wait


def _choice(options: tuple[Any, ...], task_id: str) -> Any:
    return options[int(chance(f"{task_id} {len(options)}") * len(options))]
