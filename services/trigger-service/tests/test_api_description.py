"""Whatever the API's description allows, and what it does not, is answered as it says."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import httpx2
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from heardback.health import Health
from heardback.http import build_app
from trigger_service.app import service
from trigger_service.settings import Settings

EXAMPLES: Final = 12
CHECKED: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
"""What fits the schema may still be refused: fields also mean something together."""


async def test_every_answer_is_as_described_when_anything_is_asked(trigger: Any) -> None:
    routers = service(Settings(database_url=trigger.database.url)).routers
    app = build_app(name="trigger", database=trigger.database, health=Health(), routers=routers)
    loop = asyncio.get_running_loop()

    async def ask(case: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport) as client:
            sent = case.as_transport_kwargs(base_url="http://trigger.example")
            sent.pop("cookies", None)
            content = sent.pop("data", None)
            return await client.request(**sent, content=content)

    def answer(case: Any) -> httpx2.Response:
        return asyncio.run_coroutine_threadsafe(ask(case), loop).result(timeout=60)

    schema = schemathesis.openapi.from_dict(app.openapi())
    for operation in schema.get_all_operations():
        for mode in GenerationMode:
            with suppress(Unsatisfiable):  # where there is nothing that could be wrong
                await asyncio.to_thread(_explore, operation.ok(), mode, answer)


def _explore(
    operation: Any, mode: GenerationMode, answer: Callable[[Any], httpx2.Response]
) -> None:
    checks = CHECKS.get_by_names(CHECKED)

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def explore(case: Any) -> None:
        if mode is GenerationMode.POSITIVE and "program_id" in case.path_parameters:
            case.path_parameters["program_id"] = "purchase"
        case.validate_response(answer(case), checks=checks)

    explore()
