"""Bodies of requests that people write: read up to a limit, as JSON or as YAML."""

from typing import Final

import orjson
import yaml
from fastapi import Request

from heardback.errors import Invalid, TooLarge, UnsupportedMedia
from heardback.yaml_text import read_yaml

JSON: Final = "application/json"
YAML: Final = "application/yaml"
YAML_TOO: Final = ("text/yaml", "text/x-yaml", "application/x-yaml")
"""What people call YAML besides."""


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
