"""The fast lane: the routes that are asked for all day, without the framework's layers around them.

They are routes of the app like all others, which is how they come into its description. But the
lane looks at a request first, and what is for one of them goes straight to its handler. Measured
on survey pages, the layers (routing, telemetry, exit stacks) took more time than all of the rest.
"""

import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

Handle = Callable[[Request], Coroutine[Any, Any, Response]]
_PATH: Final = re.compile(r"(/[a-z]+/)\{([a-z_]+)\}")


class FastRoute(APIRoute):
    """A route whose handler takes the request alone, and returns a response whatever happens.

    It is in the fast lane where its path is `/<start>/{<name>}`.
    """

    def get_route_handler(self) -> Handle:
        """Return what answers a request."""
        handle: Handle = self.endpoint
        return handle


def fast_lane(app: FastAPI) -> ASGIApp:
    """Return `app` with its fast routes before everything else.

    `app.state.routers` are the routers that it was built of.
    """
    routers: Iterable[APIRouter] = getattr(app.state, "routers", ())
    lane = {
        (method, place[1]): (place[2], route.get_route_handler())
        for router in routers
        for route in router.routes
        if isinstance(route, FastRoute) and (place := _PATH.fullmatch(route.path))
        for method in route.methods or ()
    }
    if not lane:
        return app

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            start, slash, value = scope["path"].rpartition("/")
            found = lane.get((scope["method"], start + slash))
            if found and value:
                name, handle = found
                scope["app"], scope["path_params"] = app, {name: value}
                response = await handle(Request(scope, receive))
                await response(scope, receive, send)
                return
        await app(scope, receive, send)

    return serve
