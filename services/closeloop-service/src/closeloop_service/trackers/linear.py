"""Linear, by its GraphQL API.

`project` is the id of a team. The secret is an API key, or the token of an OAuth application.
Source: Linear, "GraphQL API", "Rate limiting".
"""

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from closeloop_service.domain.improvement import TicketStatus
from closeloop_service.domain.rules import Tracker
from closeloop_service.domain.ticket import TicketText
from closeloop_service.trackers.exchange import Exchange, fault_of, json_of, message_in, unreadable
from closeloop_service.trackers.interface import Fault, FaultKind, Reading, TicketRef, Unchanged
from closeloop_service.trackers.wording import markdown
from heardback.calls.http import Answer, Caller, Silence

_BASE_URL: Final = "https://api.linear.app"
_ISSUE: Final = "id identifier url trashed state { type }"
_CREATE: Final = f"""mutation Create($input: IssueCreateInput!) {{
  issueCreate(input: $input) {{ success issue {{ {_ISSUE} }} }}
}}"""
_UPDATE: Final = f"""mutation Update($id: String!, $input: IssueUpdateInput!) {{
  issueUpdate(id: $id, input: $input) {{ success issue {{ {_ISSUE} }} }}
}}"""
_READ: Final = f"query Read($id: String!) {{ issue(id: $id) {{ {_ISSUE} }} }}"
_STATUSES: Final = {
    "started": TicketStatus.PLANNED,
    "completed": TicketStatus.DONE,
    "canceled": TicketStatus.DECLINED,
    "duplicate": TicketStatus.DECLINED,
}
_NO_ENTRY: Final = ("AUTHENTICATION_ERROR", "FORBIDDEN")
_NOT_FOUND: Final = "entity not found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """A team in Linear."""

    exchange: Exchange
    team_id: str

    @classmethod
    def of(cls, tracker: Tracker, secret: str, caller: Caller, now: datetime) -> Self:
        """Return the client of a tracker."""
        proof = secret if secret.startswith("lin_api_") else f"Bearer {secret}"
        base_url = tracker.base_url or _BASE_URL
        headers = {"Authorization": proof}
        exchange = Exchange(caller=caller, base_url=base_url, headers=headers, now=now)
        return cls(exchange=exchange, team_id=tracker.project or "")

    async def create(self, text: TicketText) -> TicketRef | Fault:
        """Make an issue under an id of our own, so that a repeat is refused."""
        issue_id = issue_id_of(text.key)
        fields = {
            "id": issue_id,
            "teamId": self.team_id,
            "title": text.title[:255],
            "description": markdown(text),
        }
        made = await self._ask(_CREATE, {"input": fields})
        if isinstance(made, Fault):
            if made.kind is not FaultKind.REFUSED:
                return made
            found = await self._issue(issue_id)
            return made if isinstance(found, Fault) else _ref(found)
        return _ref(made["issueCreate"]["issue"])

    async def find(self, key: str, since: datetime) -> TicketRef | Fault | None:
        """Read the issue that has the id of the key; `since` is not needed."""
        del since
        found = await self._issue(issue_id_of(key))
        if isinstance(found, Fault):
            return None if found.kind is FaultKind.GONE else found
        return _ref(found)

    async def update(self, ref: TicketRef, text: TicketText) -> Fault | None:
        """Write the description anew."""
        variables = {"id": ref.ticket, "input": {"description": markdown(text)}}
        answer = await self._ask(_UPDATE, variables)
        return answer if isinstance(answer, Fault) else None

    async def read(self, ref: TicketRef, etag: str | None) -> Reading | Unchanged | Fault:
        """Read the issue; one in the trash is gone."""
        del etag
        issue = await self._issue(ref.ticket)
        if isinstance(issue, Fault):
            return issue
        status = _STATUSES.get(issue["state"]["type"], TicketStatus.OPEN)
        return Reading(ref=_ref(issue), status=status)

    async def _issue(self, issue_id: str) -> dict[str, Any] | Fault:
        answer = await self._ask(_READ, {"id": issue_id})
        if isinstance(answer, Fault):
            return answer
        issue: dict[str, Any] = answer["issue"]
        if issue.get("trashed"):
            return Fault(kind=FaultKind.GONE, detail="the issue is in the trash")
        return issue

    async def _ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any] | Fault:
        """Ask, and return `data`, whose one member is there; errors come with any status."""
        body = {"query": query, "variables": dict(variables)}
        heard = await self.exchange.send("POST", "/graphql", body)
        if isinstance(heard, Silence):
            return fault_of(heard, self.exchange.now)
        said = json_of(heard)
        if isinstance(said, dict) and said.get("errors"):
            return _fault(heard, said["errors"], self.exchange.now)
        if heard.status >= 400:
            return fault_of(heard, self.exchange.now)
        data = said.get("data") if isinstance(said, dict) else None
        whole = isinstance(data, dict) and all(_is_whole(member) for member in data.values())
        return data if isinstance(data, dict) and whole else unreadable(heard)


def issue_id_of(key: str) -> str:
    """Return the id that an issue has in Linear: a UUID of version 4, as it asks for."""
    return str(uuid.UUID(bytes=hashlib.sha256(key.encode()).digest()[:16], version=4))


def _is_whole(member: Any) -> bool:
    issue: Any = member.get("issue", member) if isinstance(member, dict) else None
    try:
        return bool(issue["id"] and issue["identifier"] and issue["state"]["type"])
    except (TypeError, KeyError):
        return False


def _ref(issue: Mapping[str, Any]) -> TicketRef:
    return TicketRef(ticket=issue["id"], name=issue["identifier"], url=issue.get("url"))


def _fault(answer: Answer, errors: Any, now: datetime) -> Fault:
    detail = f"HTTP {answer.status}: {message_in(answer)}"[:300]
    codes = set(_codes(errors))
    if "RATELIMITED" in codes or answer.status == 429:
        wait = _seconds_to_reset(answer, now)
        return Fault(kind=FaultKind.BUSY, detail=detail, retry_after_seconds=wait)
    if answer.status in (401, 403) or codes.intersection(_NO_ENTRY):
        return Fault(kind=FaultKind.KEY_REFUSED, detail=detail)
    if answer.status >= 500 or "INTERNAL_SERVER_ERROR" in codes:
        return Fault(kind=FaultKind.AWAY, detail=detail, in_doubt=True)
    gone = _NOT_FOUND in message_in(answer).lower()
    return Fault(kind=FaultKind.GONE if gone else FaultKind.REFUSED, detail=detail)


def _codes(errors: Any) -> Iterator[str]:
    for error in errors if isinstance(errors, list) else ():
        extensions = error.get("extensions") if isinstance(error, dict) else None
        if isinstance(extensions, dict):
            yield str(extensions.get("code"))


def _seconds_to_reset(answer: Answer, now: datetime) -> float | None:
    """Linear says when the allowance is whole again in milliseconds since 1970."""
    asked = answer.retry_after_seconds(now)
    resets = [
        float(value) / 1000 - now.timestamp()
        for name, value in answer.headers.items()
        if name.startswith("x-ratelimit-") and name.endswith("-reset") and value.isdigit()
    ]
    ahead = [seconds for seconds in resets if seconds > 0]
    return asked if asked is not None else max(ahead, default=None)
