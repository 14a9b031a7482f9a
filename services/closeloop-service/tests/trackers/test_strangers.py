"""What strangers say or answer leads trackers, their people and our token nowhere."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from closeloop_service.domain.rules import TrackerKind
from closeloop_service.trackers.interface import Fault, FaultKind, TicketRef, TrackerClient
from heardback.testing.browser import serve

from .doubles.github import problem
from .doubles.jira import TOKEN, JiraDouble
from .stages import NOW, Stage, a_text, stage_of

ClientOf = Callable[..., TrackerClient]
Serve = Callable[[TrackerKind], Any]


class Elsewhere:
    """A server of somebody else; `calls`: what came to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.app = FastAPI()
        self.app.get("/{path:path}")(self.any)

    async def any(self, path: str) -> list[str]:
        self.calls.append(path)
        return []


async def test_github_token_goes_to_no_other_host_wherever_an_answer_leads(
    serve_tracker: Serve, client_of: ClientOf
) -> None:
    stage: Stage = await serve_tracker(TrackerKind.GITHUB)
    client = client_of(stage)
    ref = await client.create(a_text())
    assert isinstance(ref, TicketRef)
    thief = Elsewhere()
    async with serve(thief.app) as url:
        moved = problem(301, "Moved Permanently", {"location": f"{url}/repos/a/b/issues/1"})
        stage.double.failures.append(moved)
        gone = await client.read(ref, None)
        assert isinstance(gone, Fault)
        assert gone.kind is FaultKind.GONE
        page = JSONResponse([], headers={"link": f'<{url}/issues?page=2>; rel="next"'})
        stage.double.failures.append(page)
        assert await client.find("unknown", NOW) is None
    assert thief.calls == []


async def test_jira_data_center_shows_customers_words_as_they_are(client_of: ClientOf) -> None:
    stage = stage_of(TrackerKind.JIRA)
    double = JiraDouble(cloud=False)
    async with serve(double.app) as url:
        tracker = replace(stage.tracker, base_url=url, options={})
        client = client_of(stage, tracker=tracker, secret=TOKEN)
        text = a_text(quotes=(r"[~admin] {html} !x.png! c:\new *b*",))
        assert isinstance(await client.create(text), TicketRef)
    (issue,) = double.issues.values()
    assert r"“\[\~admin\] \{html\} \!x.png\! c:&#92;new \*b\*”" in issue.description
