"""Bodies of requests that people write: read up to a limit, as JSON or as YAML."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import orjson
import yaml
from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BeforeValidator

from heardback.contracts.payloads import Instant
from heardback.errors import Invalid, TooLarge, UnsupportedMedia
from heardback.yaml_text import read_yaml

JSON: Final = "application/json"
YAML: Final = "application/yaml"
YAML_TOO: Final = ("text/yaml", "text/x-yaml", "application/x-yaml")
"""What people call YAML besides."""

MOST_BYTES: Final = 1_048_576
"""Of a body that a `BoundedRoute` takes."""

_DATE_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]")


def _as_written(at: object) -> object:
    """Let through what is written as the document says: no number of seconds."""
    if not isinstance(at, str) or not _DATE_TIME.match(at):
        msg = "write it as 2026-03-02T09:00:00Z"
        raise ValueError(msg)
    return at


WrittenInstant = Annotated[Instant, BeforeValidator(_as_written)]
"""An instant as RFC 3339 writes it, and in no other way."""


class Unreadable(Invalid):
    """This can't be read; correct it and send it again."""

    def __init__(self, message: str) -> None:
        super().__init__(errors=[{"field": "", "message": message}])


async def read_document(request: Request, *, most_bytes: int) -> object:
    """Return what the body says, in JSON or YAML.

    Raises: TooLarge, UnsupportedMedia, Unreadable when it is neither.
    """
    kind = media_type(request, JSON, YAML, *YAML_TOO)
    body = await read_body(request, most_bytes=most_bytes)
    return _read_json(body) if kind == JSON else _read_yaml(body)


async def read_body(request: Request, *, most_bytes: int) -> bytes:
    """Return the body.

    Raises: TooLarge as soon as it is; the rest is not read.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise TooLarge(most_bytes=most_bytes)
    return bytes(body)


class _Bounded(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            self._body = await read_body(self, most_bytes=MOST_BYTES)
        return self._body


class BoundedRoute(APIRoute):
    """A route that takes no longer body than `MOST_BYTES`; others are read whole, however long.

    Raises: TooLarge, before anything of the route is done.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def handle_bounded(request: Request) -> Response:
            bounded = _Bounded(request.scope, request.receive)
            await bounded.body()  # here: FastAPI would make a plain 400 of what this raises
            return await handle(bounded)

        return handle_bounded


def media_type(request: Request, *readable: str) -> str:
    """Return what kind of body it is, of those that are `readable`; the first where none is named.

    Raises: UnsupportedMedia.
    """
    kind = request.headers.get("content-type", readable[0]).partition(";")[0].strip().lower()
    if kind not in readable:
        raise UnsupportedMedia(detail=f"Send it as {' or '.join(readable)}.")
    return kind


def _read_json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"this is not JSON: {error}") from None


def _read_yaml(body: bytes) -> object:
    try:
        return read_yaml(body.decode())[0]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Unreadable(f"this is not YAML: {error}") from None
