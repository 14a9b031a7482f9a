"""Jira: Cloud by its REST API 3, Data Center by its REST API 2.

Options: `email`, whose API token the secret is (Cloud; without it the secret is a personal access
token of Data Center); `issue_type` (`Task`); `declined`, the resolutions and statuses by which a
ticket that is done was not mended.
Source: Atlassian, "The Jira Cloud platform REST API" and "Jira Data Center REST API".
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.rules import Tracker
from closeloop_service.domain.ticket import TicketText
from closeloop_service.trackers.exchange import Exchange, json_of, unreadable
from closeloop_service.trackers.interface import Fault, FaultKind, Reading, TicketRef, Unchanged
from closeloop_service.trackers.wording import document, wiki
from heardback.calls.http import Answer, Caller

_DECLINED: Final = "Won't Do, Won't Fix, Declined, Rejected, Cancelled, Duplicate, Cannot Reproduce"
_LABEL: Final = "heardback"
_MOST_PAGES: Final = 10
_STATUSES: Final = {"indeterminate": TicketStatus.PLANNED, "done": TicketStatus.DONE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Jira:
    """A project in Jira. `cloud`: it takes documents, and pages its searches by tokens."""

    exchange: Exchange
    project: str
    issue_type: str
    declined: frozenset[str]
    cloud: bool

    @classmethod
    def of(cls, tracker: Tracker, secret: str, caller: Caller, now: datetime) -> Self:
        """Return the client of a tracker."""
        email = tracker.options.get("email")
        proof = base64.b64encode(f"{email}:{secret}".encode()).decode()
        authorization = f"Basic {proof}" if email else f"Bearer {secret}"
        declined = tracker.options.get("declined", _DECLINED).split(",")
        return cls(
            exchange=Exchange(
                caller=caller,
                base_url=tracker.base_url or "",
                headers={"Authorization": authorization},
                now=now,
            ),
            project=tracker.project or "",
            issue_type=tracker.options.get("issue_type", "Task"),
            declined=frozenset(name.strip().casefold() for name in declined),
            cloud=bool(email),
        )

    async def create(self, text: TicketText) -> TicketRef | Fault:
        """Make a ticket; a label holds its key."""
        fields = {
            "project": {"key": self.project},
            "issuetype": {"name": self.issue_type},
            "summary": text.title[:255],
            "description": self._description(text),
            "labels": [_LABEL, _label(text.key)],
        }
        answer = await self.exchange.call("POST", f"{self._api}/issue", {"fields": fields})
        if isinstance(answer, Fault):
            return answer
        return self._ref(json_of(answer)) or unreadable(answer)

    async def find(self, key: str, since: datetime) -> TicketRef | Fault | None:
        """Search for the label, wherever the ticket was moved to; `since` is not needed."""
        del since
        query: dict[str, Any] = {
            "jql": f'labels = "{_label(key)}" ORDER BY created ASC',
            "fields": ["summary"],
            "maxResults": 50,
        }
        for _ in range(_MOST_PAGES):
            path = f"{self._api}/search/jql" if self.cloud else f"{self._api}/search"
            answer = await self.exchange.call("POST", path, query)
            if isinstance(answer, Fault):
                return answer
            page = json_of(answer)
            if not isinstance(page, dict) or not isinstance(page.get("issues"), list):
                return unreadable(answer)
            for issue in page["issues"]:
                return self._ref(issue) or unreadable(answer)
            if not page.get("nextPageToken"):
                return None
            query["nextPageToken"] = page["nextPageToken"]
        return Fault(kind=FaultKind.AWAY, detail="the search has no end")

    async def update(self, ref: TicketRef, text: TicketText) -> Fault | None:
        """Write the description anew."""
        body = {"fields": {"description": self._description(text)}}
        return await self.exchange.change("PUT", f"{self._api}/issue/{ref.ticket}", body)

    async def read(self, ref: TicketRef, etag: str | None) -> Reading | Unchanged | Fault:
        """Read the status; Jira knows no condition for it."""
        del etag
        path = f"{self._api}/issue/{ref.ticket}?fields=status,resolution"
        answer = await self.exchange.call("GET", path)
        if isinstance(answer, Fault):
            return answer
        return self._reading(answer) or unreadable(answer)

    @property
    def _api(self) -> str:
        return "/rest/api/3" if self.cloud else "/rest/api/2"

    def _description(self, text: TicketText) -> Any:
        return document(text) if self.cloud else wiki(text)

    def _reading(self, answer: Answer) -> Reading | None:
        issue = json_of(answer)
        ref = self._ref(issue)
        try:
            status = issue["fields"]["status"]
            category = str(status["statusCategory"]["key"])
            names = {status.get("name"), (issue["fields"].get("resolution") or {}).get("name")}
        except (TypeError, KeyError, AttributeError):
            return None
        found = _STATUSES.get(category, TicketStatus.OPEN)
        if found is TicketStatus.DONE and self._says_declined(names):
            found = TicketStatus.DECLINED
        return Reading(ref=ref, status=found) if ref else None

    def _says_declined(self, names: set[Any]) -> bool:
        return any(str(name).casefold() in self.declined for name in names if name)

    def _ref(self, issue: Any) -> TicketRef | None:
        if not isinstance(issue, Mapping) or not issue.get("id") or not issue.get("key"):
            return None
        name = str(issue["key"])
        url = f"{self.exchange.base_url.rstrip('/')}/browse/{name}"
        return TicketRef(ticket=str(issue["id"]), name=name, url=url)


def _label(key: str) -> str:
    return f"{_LABEL}-{key}"
