"""The bodies of requests: read up to a limit, as JSON or as YAML."""

from typing import Final

import orjson
import yaml
from fastapi import Request

from heardback.bodies import JSON, YAML, YAML_TOO, media_type, read_body
from heardback.yaml_text import read_yaml
from trigger_service.faults import Fault, InvalidDocument

LINES: Final = "application/x-ndjson"
MOST_DOCUMENT_BYTES: Final = 65_536
MOST_FILE_BYTES: Final = 8 * 1_048_576


async def read_document(request: Request) -> object:
    """Return what the body says, in JSON or YAML.

    Raises: TooLarge, UnsupportedMedia, InvalidDocument when it is neither.
    """
    kind = media_type(request, JSON, YAML, *YAML_TOO)
    body = await read_body(request, most_bytes=MOST_DOCUMENT_BYTES)
    return read_json(body) if kind == JSON else _read_yaml(body)


def read_json(body: bytes) -> object:
    """Return what JSON says.

    Raises: InvalidDocument.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidDocument([Fault(path=(), message=f"this is not JSON: {error}")]) from None


def _read_yaml(body: bytes) -> object:
    try:
        return read_yaml(body.decode())[0]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidDocument([Fault(path=(), message=f"this is not YAML: {error}")]) from None
