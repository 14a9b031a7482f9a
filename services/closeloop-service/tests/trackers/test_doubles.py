"""The doubles refuse what the real trackers refuse, so that our clients are held to it."""

from typing import Any

import httpx2
import pytest

from .doubles import asana, github, jira, linear, receiver
from .doubles.base import Double

JSON = {"content-type": "application/json", "user-agent": "test"}
GITHUB = {
    **JSON,
    "authorization": f"Bearer {github.TOKEN}",
    "accept": "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
}
JIRA = {**JSON, "authorization": jira.BASIC}
LINEAR = {**JSON, "authorization": linear.KEY}
ASANA = {**JSON, "authorization": f"Bearer {asana.TOKEN}"}
ISSUES = "/repos/example/product/issues"
ISSUE = "/rest/api/3/issue"
DOCUMENT = {"type": "doc", "version": 1, "content": []}
FIELDS = {
    "project": {"key": "CX"},
    "issuetype": {"name": "Task"},
    "summary": "Late",
    "description": DOCUMENT,
}
CREATE = "mutation C($input: IssueCreateInput!) { issueCreate(input: $input) { success } }"


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key != name}


def task(**data: Any) -> dict[str, Any]:
    return {"data": {"name": "Late", "projects": [asana.PROJECT], **data}}


@pytest.mark.parametrize(
    ("double", "path", "headers", "body", "status"),
    [
        (github.GitHubDouble, ISSUES, GITHUB, {"title": "Late"}, 201),
        (github.GitHubDouble, ISSUES, without(GITHUB, "authorization"), {"title": "Late"}, 401),
        (github.GitHubDouble, ISSUES, {**GITHUB, "authorization": github.TOKEN}, {}, 401),
        (github.GitHubDouble, ISSUES, {**GITHUB, "user-agent": ""}, {"title": "Late"}, 403),
        (github.GitHubDouble, ISSUES, GITHUB, {"body": "no title"}, 422),
        (github.GitHubDouble, ISSUES, GITHUB, {"title": "x" * 257}, 422),
        (github.GitHubDouble, "/repos/example/other/issues", GITHUB, {"title": "Late"}, 404),
        (jira.JiraDouble, ISSUE, JIRA, {"fields": FIELDS}, 201),
        (jira.JiraDouble, ISSUE, {**JIRA, "authorization": "Bearer x"}, {"fields": FIELDS}, 401),
        (jira.JiraDouble, ISSUE, {**JIRA, "content-type": "text/plain"}, {"fields": FIELDS}, 415),
        (jira.JiraDouble, ISSUE, JIRA, {"fields": {**FIELDS, "summary": "a\nb"}}, 400),
        (jira.JiraDouble, ISSUE, JIRA, {"fields": {**FIELDS, "description": "plain"}}, 400),
        (jira.JiraDouble, ISSUE, JIRA, {"fields": {**FIELDS, "labels": ["a b"]}}, 400),
        (jira.JiraDouble, ISSUE, JIRA, {"fields": {**FIELDS, "project": {"key": "NO"}}}, 400),
        (jira.JiraDouble, "/rest/api/3/search/jql", JIRA, {"jql": "order by key"}, 400),
        (linear.LinearDouble, "/graphql", {**LINEAR, "content-type": "text/plain"}, {}, 400),
        (linear.LinearDouble, "/graphql", {**LINEAR, "authorization": "x"}, {}, 401),
        (linear.LinearDouble, "/graphql", LINEAR, {"query": CREATE, "variables": {}}, 400),
        (asana.AsanaDouble, "/api/1.0/tasks", ASANA, task(), 201),
        (asana.AsanaDouble, "/api/1.0/tasks", without(ASANA, "authorization"), task(), 401),
        (asana.AsanaDouble, "/api/1.0/tasks", ASANA, {"name": "no envelope"}, 400),
        (asana.AsanaDouble, "/api/1.0/tasks", ASANA, task(projects=[]), 400),
        (asana.AsanaDouble, "/api/1.0/tasks", ASANA, task(projects=["1"]), 404),
        (receiver.ReceiverDouble, "/tickets", JSON, {"type": "improvement.opened"}, 401),
    ],
)
async def test_double_takes_only_what_the_real_one_takes(
    double: type[Double], path: str, headers: dict[str, str], body: dict[str, Any], status: int
) -> None:
    transport = httpx2.ASGITransport(app=double().app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.post(path, json=body, headers=headers)
    assert answer.status_code == status, answer.text
