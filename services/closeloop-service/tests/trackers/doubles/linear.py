"""Linear's GraphQL API for issues: errors come in bodies, with 200 or 400."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from .base import Double, body_of, is_json

KEY = "lin_api_abc"
TEAM = "9cfb482a-81e3-4154-b5b9-2c805e70a02d"


@dataclass
class Issue:
    """An issue of the team."""

    id: str
    identifier: str
    title: str
    description: str
    state: str = "backlog"
    trashed: bool = False


def failed(message: str, code: str, status: int = 200) -> JSONResponse:
    """Return an error as Linear words it."""
    error = {"message": message, "extensions": {"code": code, "userError": True}}
    return JSONResponse({"data": None, "errors": [error]}, status)


def rate_limited(reset_at: datetime) -> JSONResponse:
    """Return Linear's rate limit: a 400, with the reset in milliseconds."""
    response = failed("Rate limit exceeded.", "RATELIMITED", 400)
    response.headers["x-ratelimit-requests-remaining"] = "0"
    response.headers["x-ratelimit-requests-reset"] = str(int(reset_at.timestamp() * 1000))
    return response


class LinearDouble(Double):
    """One team, called ENG."""

    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[str, Issue] = {}
        self.app.post("/graphql")(self.ask)

    async def refuse(self, request: Request) -> Response | None:
        if not is_json(request):
            return failed("This operation has been blocked as a potential CSRF.", "BAD", 400)
        if request.headers.get("authorization") != KEY:
            return failed("Authentication required, not authenticated", "AUTHENTICATION_ERROR", 401)
        return None

    async def ask(self, request: Request) -> Response:
        said = await body_of(request)
        query, variables = said["query"], said["variables"]
        operation = re.search(r"\{\s*(\w+)\(", query)
        # The names after "$" must be those that come with it, or Linear does not run it.
        declared = set(re.findall(r"\$(\w+):", query))
        if operation is None or declared != set(variables):
            return failed("Variable is not defined.", "GRAPHQL_VALIDATION_FAILED", 400)
        return getattr(self, f"_{operation.group(1)}")(variables)

    def _issueCreate(self, variables: dict[str, Any]) -> Response:  # noqa: N802
        fields = variables["input"]
        if fields.get("teamId") != TEAM:
            return failed("Argument Validation Error", "INVALID_INPUT")
        if uuid.UUID(fields["id"]).version != 4 or not fields.get("title"):
            return failed("Argument Validation Error", "INVALID_INPUT")
        if fields["id"] in self.issues:
            return failed("Entity with this id already exists", "INVALID_INPUT")
        number = len(self.issues) + 1
        issue = Issue(
            id=fields["id"],
            identifier=f"ENG-{number}",
            title=fields["title"],
            description=fields.get("description", ""),
        )
        self.issues[issue.id] = issue
        return JSONResponse({"data": {"issueCreate": {"success": True, "issue": shown(issue)}}})

    def _issueUpdate(self, variables: dict[str, Any]) -> Response:  # noqa: N802
        issue = self.issues.get(variables["id"])
        if issue is None:
            return failed("Entity not found: Issue", "INPUT_ERROR")
        issue.description = variables["input"]["description"]
        return JSONResponse({"data": {"issueUpdate": {"success": True, "issue": shown(issue)}}})

    def _issue(self, variables: dict[str, Any]) -> Response:
        issue = self.issues.get(variables["id"])
        if issue is None:
            return failed("Entity not found: Issue", "INPUT_ERROR")
        return JSONResponse({"data": {"issue": shown(issue)}})


def shown(issue: Issue) -> dict[str, Any]:
    """Return an issue as it is asked for."""
    return {
        "id": issue.id,
        "identifier": issue.identifier,
        "url": f"https://linear.app/example/issue/{issue.identifier}",
        "trashed": issue.trashed or None,
        "state": {"type": issue.state},
    }
