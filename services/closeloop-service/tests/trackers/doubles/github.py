"""GitHub's REST API for issues, as of its version 2022-11-28."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from .base import Double, body_of

TOKEN = "github_pat_11AAAA"


@dataclass
class Issue:
    """An issue of a repository."""

    number: int
    title: str
    body: str
    created_at: datetime
    state: str = "open"
    state_reason: str | None = None
    labels: list[str] = field(default_factory=list)
    deleted: bool = False
    moved_to: str | None = None


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as GitHub words it."""
    body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
    return JSONResponse(body, status, headers=headers)


def rate_limited(reset_at: datetime) -> JSONResponse:
    """Return the primary rate limit: a 403, and not a 429."""
    headers = {
        "x-ratelimit-limit": "5000",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(reset_at.timestamp())),
    }
    return problem(403, "API rate limit exceeded for user ID 1.", headers)


def secondary_limited(seconds: int) -> JSONResponse:
    """Return the secondary rate limit."""
    message = "You have exceeded a secondary rate limit. Please wait a few minutes."
    return problem(403, message, {"retry-after": str(seconds)})


class GitHubDouble(Double):
    """The repository `example/product`, and whatever issues are moved to."""

    page_size = 100

    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[str, Issue] = {}
        self.repositories = {"example/product"}
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        path = "/repos/{owner}/{name}/issues"
        self.app.post(path)(self.create)
        self.app.get(path)(self.every)
        self.app.get(path + "/{number}")(self.read)
        self.app.patch(path + "/{number}")(self.update)

    def add(self, title: str = "Other", body: str = "", **more: Any) -> Issue:
        number = len(self.issues) + 1
        issue = Issue(number=number, title=title, body=body, created_at=self.now, **more)
        self.issues[f"example/product#{number}"] = issue
        return issue

    async def refuse(self, request: Request) -> Response | None:
        if not request.headers.get("user-agent"):
            return problem(403, "Request forbidden by administrative rules.")
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return problem(401, "Bad credentials")
        if request.headers.get("x-github-api-version") != "2022-11-28":
            return problem(400, "Unsupported API version")
        if request.headers.get("accept") != "application/vnd.github+json":
            return problem(415, "Must accept 'application/json'")
        return None

    async def create(self, owner: str, name: str, request: Request) -> Response:
        if f"{owner}/{name}" not in self.repositories:
            return problem(404, "Not Found")
        said = await body_of(request)
        if not isinstance(said, dict):
            return problem(400, "Problems parsing JSON")
        if not said.get("title"):
            errors = [{"resource": "Issue", "field": "title", "code": "missing_field"}]
            return JSONResponse({"message": "Validation Failed", "errors": errors}, 422)
        if len(said["title"]) > 256 or len(said.get("body", "")) > 65_536:
            return problem(422, "Validation Failed")
        issue = self.add(said["title"], said.get("body", ""), labels=said.get("labels", []))
        return JSONResponse(self._shown(f"example/product#{issue.number}", request), 201)

    async def every(self, owner: str, name: str, request: Request) -> Response:
        if f"{owner}/{name}" not in self.repositories:
            return problem(404, "Not Found")
        query = request.query_params
        since = datetime.fromisoformat(query["since"]) if "since" in query else None
        found = [
            self._shown(key, request)
            for key, issue in sorted(self.issues.items(), key=lambda i: -i[1].number)
            if not issue.deleted
            and key.startswith(f"{owner}/{name}#")
            and (query.get("state") == "all" or issue.state == "open")
            and (since is None or issue.created_at >= since)
        ]
        size = min(int(query.get("per_page", 30)), self.page_size)
        page = int(query.get("page", 1))
        headers = {}
        if len(found) > page * size:
            following = request.url.include_query_params(page=page + 1)
            headers["link"] = f'<{following}>; rel="next", <{following}>; rel="last"'
        return JSONResponse(found[(page - 1) * size : page * size], headers=headers)

    async def read(self, owner: str, name: str, number: int, request: Request) -> Response:
        issue = self.issues.get(f"{owner}/{name}#{number}")
        if issue is None:
            return problem(404, "Not Found")
        if issue.deleted:
            return problem(410, "This issue was deleted")
        if issue.moved_to is not None:
            project, _, new = issue.moved_to.partition("#")
            place = request.url.replace(path=f"/repos/{project}/issues/{new}")
            return JSONResponse(
                {"message": "Moved Permanently", "url": str(place)},
                301,
                headers={"location": str(place)},
            )
        body = self._shown(f"{owner}/{name}#{number}", request)
        etag = f'W/"{hashlib.sha256(orjson.dumps(body)).hexdigest()}"'
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers={"etag": etag})
        return JSONResponse(body, headers={"etag": etag})

    async def update(self, owner: str, name: str, number: int, request: Request) -> Response:
        key = f"{owner}/{name}#{number}"
        issue = self.issues.get(key)
        if issue is None or issue.deleted:
            return problem(410 if issue else 404, "Not Found")
        said = await body_of(request)
        if not isinstance(said, dict):
            return problem(400, "Problems parsing JSON")
        issue.title, issue.body = said.get("title", issue.title), said.get("body", issue.body)
        return JSONResponse(self._shown(key, request))

    def move(self, key: str, to: str) -> None:
        """Transfer an issue to another repository, whose next number it gets."""
        issue = self.issues[key]
        project, _, number = to.partition("#")
        self.repositories.add(project)
        self.issues[to] = Issue(
            number=int(number), title=issue.title, body=issue.body, created_at=issue.created_at
        )
        issue.moved_to = to

    def _shown(self, key: str, request: Request) -> dict[str, Any]:
        project, issue = key.partition("#")[0], self.issues[key]
        base = str(request.base_url).rstrip("/")
        return {
            "id": 9_000 + issue.number,
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "state": issue.state,
            "state_reason": issue.state_reason,
            "labels": [{"id": 1, "name": name} for name in issue.labels],
            "html_url": f"https://github.com/{project}/issues/{issue.number}",
            "repository_url": f"{base}/repos/{project}",
        }
