"""Asana's REST API for tasks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from .base import Double, body_of, is_json

TOKEN = "2/1200/abc"
PROJECT = "1200000000000001"


@dataclass
class Task:
    """A task of the project."""

    gid: str
    name: str
    notes: str
    modified_at: datetime
    completed: bool = False
    section: str = "Untitled section"


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as Asana words it."""
    errors = {"errors": [{"message": message, "help": "https://developers.asana.com"}]}
    return JSONResponse(errors, status, headers=headers)


def rate_limited(seconds: int) -> JSONResponse:
    """Return Asana's rate limit."""
    message = "You have made too many requests recently."
    return problem(429, message, {"Retry-After": str(seconds)})


class AsanaDouble(Double):
    """One project."""

    page_size = 100

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[str, Task] = {}
        self.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
        self.app.post("/api/1.0/tasks")(self.create)
        self.app.get("/api/1.0/tasks")(self.every)
        self.app.get("/api/1.0/tasks/{gid}")(self.read)
        self.app.put("/api/1.0/tasks/{gid}")(self.update)

    def add(self, name: str = "Other", notes: str = "") -> Task:
        gid = str(1_200_000_000_000_100 + len(self.tasks))
        self.tasks[gid] = Task(gid=gid, name=name, notes=notes, modified_at=self.now)
        return self.tasks[gid]

    async def refuse(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return problem(401, "Not Authorized")
        if request.method in ("POST", "PUT") and not is_json(request):
            return problem(415, "Unsupported media type")
        return None

    async def create(self, request: Request) -> Response:
        data = ((await body_of(request)) or {}).get("data")
        if not isinstance(data, dict):
            return problem(400, "Missing input: data")
        if not data.get("projects") and not data.get("workspace"):
            return problem(400, "You should specify one of workspace, parent, projects")
        if data["projects"] != [PROJECT]:
            return problem(404, "projects: Not a recognized ID")
        task = self.add(data["name"], data.get("notes", ""))
        return JSONResponse({"data": self._shown(task)}, 201)

    async def every(self, request: Request) -> Response:
        query = request.query_params
        if query.get("project") != PROJECT:
            return problem(404, "project: Not a recognized ID")
        since = datetime.fromisoformat(query["modified_since"])
        found = [task for task in self.tasks.values() if task.modified_at >= since]
        size = min(int(query.get("limit", 20)), self.page_size)
        start = int(query.get("offset", "0").removeprefix("eyJ"))
        following = None
        if len(found) > start + size:
            following = {"offset": f"eyJ{start + size}", "path": "/tasks", "uri": "https://…"}
        wants_notes = "notes" in query.get("opt_fields", "").split(",")
        page = [
            {**self._shown(task), **({"notes": task.notes} if wants_notes else {})}
            for task in found[start : start + size]
        ]
        return JSONResponse({"data": page, "next_page": following})

    async def read(self, gid: str) -> Response:
        if gid not in self.tasks:
            return problem(404, f"task: Unknown object: {gid}")
        return JSONResponse({"data": self._shown(self.tasks[gid])})

    async def update(self, gid: str, request: Request) -> Response:
        if gid not in self.tasks:
            return problem(404, f"task: Unknown object: {gid}")
        data = ((await body_of(request)) or {}).get("data")
        if not isinstance(data, dict):
            return problem(400, "Missing input: data")
        self.tasks[gid].notes = data.get("notes", self.tasks[gid].notes)
        return JSONResponse({"data": self._shown(self.tasks[gid])})

    def _shown(self, task: Task) -> dict[str, Any]:
        return {
            "gid": task.gid,
            "name": task.name,
            "completed": task.completed,
            "permalink_url": f"https://app.asana.com/0/{PROJECT}/{task.gid}",
            "memberships": [{"project": {"gid": PROJECT}, "section": {"name": task.section}}],
        }
