"""The HTTP of closeloop-service keeps to its OpenAPI document, whatever it is sent."""

from pathlib import Path
from typing import Any

from heardback.testing.openapi import check_contract

CURSOR = dict.fromkeys(("list_tasks", "list_queue"), "a cursor is one that a page gave")
KEY = "an Idempotency-Key is new for each command; and words are those that the playbooks name"
ENDLESS = ["stream_changes"]
"""A stream of events ends when its reader goes; test_changes.py has it."""


async def test_http_keeps_to_its_contract_whatever_it_is_sent(
    api: Any, open_tasks: Any, tmp_path: Path
) -> None:
    task_ids = await open_tasks(3)
    known = {
        "path.task_id": task_ids,
        "path.customer_id": ["c1", "c2"],
    }
    commands = [
        operation["operationId"]
        for path in api.app.openapi()["paths"].values()
        for method, operation in path.items()
        if method == "post"
    ]
    await check_contract(
        api.app,
        tmp_path,
        api_key="none",
        known=known,
        beyond_schemas={**CURSOR, **dict.fromkeys(commands, KEY)},
        left_out=ENDLESS,
        # GET /tasks/bulk is answered too: as a task that is none.
        unchecked={"move_tasks": "allow_header_conformance"},
    )
