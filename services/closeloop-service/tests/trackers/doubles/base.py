"""What every double has: it remembers what was asked, and can be made to fail."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

Respond = Callable[[Request], Awaitable[Response]]


class Lost:
    """The double does what it is asked, and its answer never arrives."""


class Double:
    """A tracker. `failures`: what the next calls get instead; `calls`: what was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.failures: deque[Response | Lost | None] = deque()
        self.app = FastAPI()
        self.app.middleware("http")(self._between)

    async def _between(self, request: Request, call_next: Respond) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        self.calls.append((request.method, f"{request.url.path}{query}"))
        failure = self.failures.popleft() if self.failures else None
        if isinstance(failure, Response):
            return failure
        refusal = await self.refuse(request)
        response = refusal or await call_next(request)
        # A server that dies after its work is done: the caller can't know.
        return JSONResponse({"message": "bad gateway"}, 502) if failure else response

    async def refuse(self, request: Request) -> Response | None:
        """Return the refusal of a call that the real one would not take."""
        raise NotImplementedError

    def asked(self, method: str) -> list[str]:
        """Return the paths that were asked for by this method."""
        return [path for asked, path in self.calls if asked == method]


def is_json(request: Request) -> bool:
    """Tell whether the body is said to be JSON."""
    return request.headers.get("content-type", "").partition(";")[0] == "application/json"


async def body_of(request: Request) -> Any:
    """Return the body, None if it is no JSON."""
    try:
        return await request.json()
    except ValueError:
        return None
