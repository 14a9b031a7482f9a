"""GitHub Issues, by its REST API.

`project` is `owner/repository`. Options: `labels`, comma-separated; `planned_label`, by which an
open issue is known to be worked on.
Source: GitHub REST API, version 2022-11-28.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.rules import Tracker
from closeloop_service.domain.ticket import TicketText
from closeloop_service.trackers.exchange import Exchange, json_of, unreadable
from closeloop_service.trackers.interface import Fault, FaultKind, Reading, TicketRef, Unchanged
from closeloop_service.trackers.wording import markdown
from heardback.calls.http import Answer, Caller

_BASE_URL: Final = "https://api.github.com"
_HEADERS: Final = {
    "Accept": "application/vnd.github+json",
    "X-GitHub-Api-Version": "2022-11-28",
}
_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_MOST_PAGES: Final = 20
_NEXT: Final = re.compile(r'<([^>]+)>;\s*rel="next"')
_NOT_MENDED: Final = ("not_planned", "duplicate")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub:
    """A repository's issues."""

    exchange: Exchange
    project: str
    labels: tuple[str, ...]
    planned_label: str | None

    @classmethod
    def of(cls, tracker: Tracker, secret: str, caller: Caller, now: datetime) -> Self:
        """Return the client of a tracker."""
        labels = tracker.options.get("labels", "").split(",")
        return cls(
            exchange=Exchange(
                caller=caller,
                base_url=tracker.base_url or _BASE_URL,
                headers={**_HEADERS, "Authorization": f"Bearer {secret}"},
                now=now,
            ),
            project=tracker.project or "",
            labels=tuple(name.strip() for name in labels if name.strip()),
            planned_label=tracker.options.get("planned_label"),
        )

    async def create(self, text: TicketText) -> TicketRef | Fault:
        """Make an issue; a comment that nobody sees holds its key."""
        body: dict[str, Any] = {"title": text.title[:256], "body": _body(text)}
        if self.labels:
            body["labels"] = list(self.labels)
        answer = await self.exchange.call("POST", f"/repos/{self.project}/issues", body)
        if isinstance(answer, Fault):
            return answer
        if answer.status != 201:
            detail = f"HTTP {answer.status}: the repository has moved; name it anew in the rules"
            return Fault(kind=FaultKind.REFUSED, detail=detail)
        return _ref(json_of(answer)) or unreadable(answer)

    async def find(self, key: str, since: datetime) -> TicketRef | Fault | None:
        """Look through the newest issues: GitHub's search learns of an issue only after a while."""
        start = (since - _CLOCKS_DIFFER).astimezone(UTC)
        since_text = quote(start.strftime("%Y-%m-%dT%H:%M:%SZ"))
        path = (
            f"/repos/{self.project}/issues?state=all&since={since_text}"
            "&sort=created&direction=desc&per_page=30"
        )
        for _ in range(_MOST_PAGES):
            answer = await self.exchange.call("GET", path)
            if isinstance(answer, Fault):
                return answer
            issues = json_of(answer)
            if not isinstance(issues, list):
                return unreadable(answer)
            for issue in issues:
                if _marker(key) in str(issue.get("body")):
                    return _ref(issue) or unreadable(answer)
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None or not self._is_ours(following.group(1)):
                return None
            path = following.group(1)
        return Fault(kind=FaultKind.AWAY, detail="the list of issues has no end")

    async def update(self, ref: TicketRef, text: TicketText) -> Fault | None:
        """Write the body anew."""
        return await self.exchange.change("PATCH", _path(ref), {"body": _body(text)})

    async def read(self, ref: TicketRef, etag: str | None) -> Reading | Unchanged | Fault:
        """Read the issue, also where it was moved to; one that is unchanged costs no allowance."""
        condition = {"If-None-Match": etag} if etag else {}
        answer = await self.exchange.call("GET", _path(ref), headers=condition)
        if isinstance(answer, Answer) and answer.status in (301, 302, 307, 308):
            place = answer.headers.get("location", "")
            if not self._is_ours(place):
                return Fault(kind=FaultKind.GONE, detail="the issue was moved out of our sight")
            answer = await self.exchange.call("GET", place)
        if isinstance(answer, Fault):
            return answer
        if answer.status == 304:
            return Unchanged()
        issue = json_of(answer)
        found = _ref(issue)
        if found is None:
            return unreadable(answer)
        return Reading(ref=found, status=self._status(issue), etag=answer.headers.get("etag"))

    def _status(self, issue: Mapping[str, Any]) -> TicketStatus:
        if issue.get("state") == "closed":
            mended = issue.get("state_reason") not in _NOT_MENDED
            return TicketStatus.DONE if mended else TicketStatus.DECLINED
        labels = {label.get("name") for label in issue.get("labels") or ()}
        return TicketStatus.PLANNED if self.planned_label in labels else TicketStatus.OPEN

    def _is_ours(self, url: str) -> bool:
        """Tell whether the token may go there: to no other host than the one it is for."""
        here, there = urlsplit(self.exchange.base_url), urlsplit(url)
        return (here.scheme, here.netloc) == (there.scheme, there.netloc)


def _body(text: TicketText) -> str:
    return f"{markdown(text)}\n\n{_marker(text.key)}"


def _marker(key: str) -> str:
    return f"<!-- heardback {key} -->"


def _path(ref: TicketRef) -> str:
    project, _, number = ref.ticket.partition("#")
    return f"/repos/{project}/issues/{number}"


def _ref(issue: Any) -> TicketRef | None:
    if not isinstance(issue, Mapping) or "number" not in issue or "html_url" not in issue:
        return None
    # https://api.github.com/repos/<owner>/<repository>
    project = str(issue.get("repository_url", "")).partition("/repos/")[2]
    name = f"{project}#{issue['number']}"
    return TicketRef(ticket=name, name=name, url=str(issue["html_url"])) if project else None
