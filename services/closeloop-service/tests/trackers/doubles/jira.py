"""Jira Cloud's REST API 3, and Data Center's 2, for issues."""

import base64
import re
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from .base import Double, body_of, is_json

EMAIL, TOKEN = "cx@example.com", "ATATT3xFfGF0"
BASIC = "Basic " + base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
_BLOCKS = {
    "doc": {"paragraph", "bulletList", "heading", "blockquote"},
    "paragraph": {"text"},
    "heading": {"text"},
    "bulletList": {"listItem"},
    "listItem": {"paragraph"},
    "blockquote": {"paragraph"},
}


@dataclass
class Issue:
    """An issue. `indexed`: the search knows it; Jira's learns of it some seconds later."""

    id: str
    key: str
    summary: str
    description: Any
    labels: list[str] = field(default_factory=list)
    status: tuple[str, str] = ("To Do", "new")
    resolution: str | None = None
    indexed: bool = True


def problem(status: int, *messages: str, **errors: str) -> JSONResponse:
    """Return an error as Jira words it."""
    return JSONResponse({"errorMessages": list(messages), "errors": errors}, status)


def rate_limited(seconds: int) -> JSONResponse:
    """Return Jira's rate limit."""
    headers = {"Retry-After": str(seconds), "X-RateLimit-Remaining": "0"}
    return JSONResponse({"errorMessages": ["Rate limit exceeded"]}, 429, headers=headers)


def is_document(node: Any, kind: str = "doc") -> bool:
    """Tell whether this is a document as Jira takes it."""
    if not isinstance(node, dict) or node.get("type") != kind:
        return False
    if kind == "text":
        return bool(node.get("text"))
    if kind == "doc" and node.get("version") != 1:
        return False
    content = node.get("content")
    return isinstance(content, list) and all(
        isinstance(child, dict)
        and child.get("type") in _BLOCKS[kind]
        and is_document(child, child["type"])
        for child in content
    )


class JiraDouble(Double):
    """The project CX, of the type of issue Task. `cloud`: API 3, which takes documents only."""

    def __init__(self, *, cloud: bool = True) -> None:
        super().__init__()
        self.cloud = cloud
        self.issues: dict[str, Issue] = {}
        self.page_size = 50
        self.empty_pages = 0
        api = "/rest/api/3" if cloud else "/rest/api/2"
        self.app.post(f"{api}/issue", status_code=201)(self.create)
        self.app.post(f"{api}/search/jql" if cloud else f"{api}/search")(self.search)
        self.app.get(api + "/issue/{issue}")(self.read)
        self.app.put(api + "/issue/{issue}")(self.update)

    async def refuse(self, request: Request) -> Response | None:
        wanted = BASIC if self.cloud else f"Bearer {TOKEN}"
        if request.headers.get("authorization") != wanted:
            return problem(401, "Client must be authenticated to access this resource.")
        if request.method in ("POST", "PUT") and not is_json(request):
            return Response(status_code=415)
        return None

    async def create(self, request: Request) -> Response:
        fields = ((await body_of(request)) or {}).get("fields", {})
        errors = {}
        if fields.get("project") != {"key": "CX"}:
            errors["project"] = "valid project is required"
        if fields.get("issuetype") != {"name": "Task"}:
            errors["issuetype"] = "Specify a valid issue type"
        summary = fields.get("summary", "")
        if not summary or len(summary) > 255 or "\n" in summary:
            errors["summary"] = "The summary is invalid."
        if not self._takes(fields.get("description")):
            errors["description"] = "Operation value must be an Atlassian Document"
        if any(" " in label or len(label) > 255 for label in fields.get("labels", [])):
            errors["labels"] = "The label contains spaces which is invalid."
        if errors:
            return problem(400, **errors)
        number = len(self.issues) + 1
        issue = Issue(
            id=str(10_000 + number),
            key=f"CX-{number}",
            summary=summary,
            description=fields["description"],
            labels=fields.get("labels", []),
        )
        self.issues[issue.id] = issue
        place = f"{request.base_url}rest/api/3/issue/{issue.id}"
        return JSONResponse({"id": issue.id, "key": issue.key, "self": place}, 201)

    async def search(self, request: Request) -> Response:
        said = await body_of(request)
        label = re.fullmatch(r'labels = "([^"]+)" ORDER BY created ASC', said.get("jql", ""))
        if label is None:
            return problem(400, "Unbounded JQL queries are not allowed here.")
        found = [i for i in self.issues.values() if i.indexed and label.group(1) in i.labels]
        # A page of Cloud's search may be empty and yet not be the last one.
        turn = int(said.get("nextPageToken") or 0)
        start = max(0, turn - self.empty_pages) * self.page_size
        page = found[start : start + self.page_size] if turn >= self.empty_pages else []
        last = turn >= self.empty_pages and start + self.page_size >= len(found)
        body: dict[str, Any] = {
            "issues": [{"id": i.id, "key": i.key, "fields": {}} for i in page],
            "isLast": last,
        }
        if not last:
            body["nextPageToken"] = str(turn + 1)
        return JSONResponse(body)

    async def read(self, issue: str) -> Response:
        found = self._find(issue)
        if found is None:
            return problem(404, "Issue does not exist or you do not have permission to see it.")
        name, category = found.status
        status = {"name": name, "statusCategory": {"id": 2, "key": category}}
        resolution = {"name": found.resolution} if found.resolution else None
        fields = {"status": status, "resolution": resolution}
        return JSONResponse({"id": found.id, "key": found.key, "fields": fields})

    async def update(self, issue: str, request: Request) -> Response:
        found = self._find(issue)
        if found is None:
            return problem(404, "Issue does not exist or you do not have permission to see it.")
        description = ((await body_of(request)) or {}).get("fields", {}).get("description")
        if not self._takes(description):
            return problem(400, description="Operation value must be an Atlassian Document")
        found.description = description
        return Response(status_code=204)

    def _takes(self, description: Any) -> bool:
        return is_document(description) if self.cloud else isinstance(description, str)

    def _find(self, issue: str) -> Issue | None:
        by_key = {known.key: known for known in self.issues.values()}
        return self.issues.get(issue) or by_key.get(issue)
