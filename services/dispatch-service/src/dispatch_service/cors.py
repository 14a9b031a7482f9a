"""Routes that scripts on other sites may read: CORS without a preflight, and without cookies.

Source: the Fetch standard. A GET, and a POST of `text/plain`, need no preflight.
"""

from collections.abc import Collection
from typing import Final

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Receive, Scope, Send

ANY: Final = "*"


def origins_in(setting: str) -> frozenset[str]:
    """Return the origins that a setting lists: `https://shop.example.com`, or `*` for any.

    Raises: ValueError, which says what is none.
    """
    origins = frozenset(part.strip().rstrip("/") for part in setting.split(",") if part.strip())
    for origin in origins - {ANY}:
        scheme, _, host = origin.partition("://")
        if scheme not in ("https", "http") or not host or "/" in host:
            msg = f"an origin is `https://` and a host, or `*`; {origin!r} is not"
            raise ValueError(msg)
    return origins


def open_to(origins: Collection[str]) -> type[APIRoute]:
    """Return the class of routes whose answers, errors too, may be read from these origins."""

    class OpenRoute(APIRoute):
        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            origin = Headers(scope=scope).get("origin", "")
            readable = ANY in origins or origin in origins

            async def send_opened(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(scope=message)
                    headers.add_vary_header("Origin")
                    if origin and readable:
                        headers["Access-Control-Allow-Origin"] = origin
                await send(message)

            await super().handle(scope, receive, send_opened)

    return OpenRoute
