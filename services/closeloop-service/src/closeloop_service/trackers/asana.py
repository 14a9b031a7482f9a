"""Asana, by its REST API.

`project` is a project's gid. Options: `planned_sections` and `declined_sections`, comma-separated
names of the project's sections, because a task knows no more than whether it is completed.
Source: Asana, "REST API reference".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import quote

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.rules import Tracker
from closeloop_service.domain.ticket import TicketText
from closeloop_service.trackers.exchange import Exchange, json_of, unreadable
from closeloop_service.trackers.interface import Fault, FaultKind, Reading, TicketRef, Unchanged
from closeloop_service.trackers.wording import plain
from heardback.calls.http import Answer, Caller

_BASE_URL: Final = "https://app.asana.com/api/1.0"
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_MOST_PAGES: Final = 20
_FIELDS: Final = "name,permalink_url,completed,memberships.project.gid,memberships.section.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asana:
    """A project in Asana."""

    exchange: Exchange
    project: str
    planned: frozenset[str]
    declined: frozenset[str]

    @classmethod
    def of(cls, tracker: Tracker, secret: str, caller: Caller, now: datetime) -> Self:
        """Return the client of a tracker."""
        exchange = Exchange(
            caller=caller,
            base_url=tracker.base_url or _BASE_URL,
            headers={"Authorization": f"Bearer {secret}"},
            now=now,
        )
        return cls(
            exchange=exchange,
            project=tracker.project or "",
            planned=_names(tracker.options.get("planned_sections", "")),
            declined=_names(tracker.options.get("declined_sections", "")),
        )

    async def create(self, text: TicketText) -> TicketRef | Fault:
        """Make a task; the last line of its notes holds its key."""
        data = {"name": text.title, "notes": _notes(text), "projects": [self.project]}
        path = f"/tasks?opt_fields={_FIELDS}"
        answer = await self.exchange.call("POST", path, {"data": data})
        if isinstance(answer, Fault):
            return answer
        return _ref(_data(answer)) or unreadable(answer)

    async def find(self, key: str, since: datetime) -> TicketRef | Fault | None:
        """Look through the project: a search is for some plans only, and learns with delay."""
        start = quote((since - _CLOCKS_DIFFER).astimezone(UTC).isoformat())
        query = f"project={quote(self.project)}&modified_since={start}&limit=50"
        path = f"/tasks?{query}&opt_fields=notes,{_FIELDS}"
        offset = ""
        for _ in range(_MOST_PAGES):
            answer = await self.exchange.call("GET", path + offset)
            if isinstance(answer, Fault):
                return answer
            page = json_of(answer)
            if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                return unreadable(answer)
            for task in page["data"]:
                if _marker(key) in str(task.get("notes")).splitlines():
                    return _ref(task) or unreadable(answer)
            if not page.get("next_page"):
                return None
            offset = f"&offset={quote(str(page['next_page']['offset']))}"
        return Fault(kind=FaultKind.AWAY, detail="the list of tasks has no end")

    async def update(self, ref: TicketRef, text: TicketText) -> Fault | None:
        """Write the notes anew."""
        data = {"notes": _notes(text)}
        return await self.exchange.change("PUT", f"/tasks/{ref.ticket}", {"data": data})

    async def read(self, ref: TicketRef, etag: str | None) -> Reading | Unchanged | Fault:
        """Read the task; Asana knows no condition for it."""
        del etag
        answer = await self.exchange.call("GET", f"/tasks/{ref.ticket}?opt_fields={_FIELDS}")
        if isinstance(answer, Fault):
            return answer
        task = _data(answer)
        found = _ref(task)
        if found is None:
            return unreadable(answer)
        return Reading(ref=found, status=self._status(task))

    def _status(self, task: Mapping[str, Any]) -> TicketStatus:
        """A section says it where the project has one for it, completed or not."""
        sections = {
            str((place.get("section") or {}).get("name")).casefold()
            for place in task.get("memberships") or ()
        }
        if sections & self.declined:
            return TicketStatus.DECLINED
        if task.get("completed"):
            return TicketStatus.DONE
        return TicketStatus.PLANNED if sections & self.planned else TicketStatus.OPEN


def _names(option: str) -> frozenset[str]:
    return frozenset(name.strip().casefold() for name in option.split(",") if name.strip())


def _notes(text: TicketText) -> str:
    return f"{plain(text)}\n\n{_marker(text.key)}"


def _marker(key: str) -> str:
    return f"heardback {key}"


def _data(answer: Answer) -> Any:
    body = json_of(answer)
    return body.get("data") if isinstance(body, dict) else None


def _ref(task: Any) -> TicketRef | None:
    if not isinstance(task, Mapping) or not task.get("gid"):
        return None
    name = str(task.get("name") or task["gid"])[:200]
    url = task.get("permalink_url")
    return TicketRef(ticket=str(task["gid"]), name=name, url=str(url) if url else None)
