"""Writes each service's contract documents, or checks that they are what the code says.

`python -m heardback_local.contracts` writes; with `--check` it names what differs and exits 1.
"""

import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from heardback import asyncapi
from heardback.clock import SystemClock
from heardback.db import Database
from heardback.health import Health
from heardback.http import build_app
from heardback.ids import TimeOrderedIds
from heardback.service import Service
from heardback_local import services
from heardback_local.config import StackConfig
from heardback_local.events_page import events_page
from heardback_local.state import State

REPOSITORY: Final = Path(__file__).resolve().parents[3]
_NO_DATABASE: Final = "postgresql://nobody@127.0.0.1/none"


def documents() -> Iterator[tuple[Path, str]]:
    """Yield each document's path and text."""
    yield REPOSITORY / "docs" / "events.md", events_page()
    for local in services.SERVICES:
        service = _described(local)
        folder = REPOSITORY / "services" / f"{local.name}-service" / "contracts"
        yield folder / "asyncapi.json", _json(_asyncapi(service))
        yield folder / "openapi.json", _json(_openapi(service))
    trigger = REPOSITORY / "services" / "trigger-service" / "contracts"
    for name, schema in _schemas():
        yield trigger / f"{name}.schema.json", _json(schema)


def differing() -> list[Path]:
    """Return the documents on disk that are not what the code says."""
    return [p for p, text in documents() if not p.is_file() or p.read_text("utf-8") != text]


def _described(local: services.Service) -> Service:
    with tempfile.TemporaryDirectory() as folder:
        env = local.env(StackConfig(), State(Path(folder)))
    os.environ.update(env, HEARDBACK_DATABASE_URL=_NO_DATABASE)
    settings = importlib.import_module(f"{local.module}.settings").Settings()
    described: Service = importlib.import_module(f"{local.module}.app").service(settings)
    return described


def _asyncapi(service: Service) -> asyncapi.Document:
    package = importlib.import_module(service.package)
    return asyncapi.document(
        service.name,
        receives=service.handlers,
        sends=service.publishes,
        summary=(package.__doc__ or "").strip(),
    )


def _openapi(service: Service) -> asyncapi.Document:
    database = Database(
        _NO_DATABASE, service=service.name, clock=SystemClock(), ids=TimeOrderedIds()
    )
    app = build_app(name=service.name, database=database, health=Health(), routers=service.routers)
    return app.openapi()


def _schemas() -> Iterator[tuple[str, asyncapi.Document]]:
    """Yield what people write, by name: `program-file` may also say its state."""
    schemas = importlib.import_module("trigger_service.api.schemas")
    written = importlib.import_module("trigger_service.program_files").WrittenProgram
    yield "program", schemas.program_schema()
    yield "program-file", schemas.program_schema(written, name="program-file")
    yield "governance", schemas.governance_schema()


def _json(document: asyncapi.Document) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write the documents, or with `--check` compare them."""
    if sys.argv[1:] == ["--check"]:
        stale = differing()
        for path in stale:
            print(f"{path.relative_to(REPOSITORY)} is not what the code says: make contracts")
        sys.exit(bool(stale))
    for path, text in documents():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
