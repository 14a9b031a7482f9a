"""A service against its own OpenAPI document: Schemathesis sends what fits and what does not."""

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import orjson
from fastapi import FastAPI

from heardback.testing.browser import serve

_EXAMPLES_VARIABLE: Final = "HEARDBACK_TEST_EXAMPLES"
_ACCEPTED: Final = ["2xx", "3xx", "401", "404", "409", "422", "429", "503"]


async def check_contract(
    app: FastAPI,
    folder: Path,
    *,
    api_key: str,
    known: Mapping[str, Sequence[str]],
    beyond_schemas: Mapping[str, str],
    left_out: Sequence[str] = (),
    unchecked: Mapping[str, str] = MappingProxyType({}),
    examples: int = 8,
) -> None:
    """Serve `app`, and send every operation what its schema allows and what it does not.

    Every check that Schemathesis has is on, over all of its phases, the same requests at each run.
    `known`: values that exist, by parameter (`path.token`), without which nothing but refusals
    would be seen. `beyond_schemas`: which operations may refuse (422) what fits their schema, and
    by which rule that a schema can't say. `left_out`: ids of operations; `unchecked`: of one that
    is not held to one check. `examples` for each operation and phase; the environment variable
    HEARDBACK_TEST_EXAMPLES overrides it.
    Raises: AssertionError; it tells what broke, and how to see it again.
    """
    settings = folder / "schemathesis.toml"
    settings.write_text(_settings(known, beyond_schemas, unchecked))
    examples = int(os.environ.get(_EXAMPLES_VARIABLE, examples))
    excluded = [word for name in left_out for word in ("--exclude-operation-id", name)]
    async with serve(app) as url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--no-color"),
            *("--config-file", str(settings)),
            *("run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {api_key}"),
            *("--max-examples", str(examples), "--generation-deterministic"),
            *("--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off"),
            *excluded,
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    if process.returncode != 0:
        raise AssertionError(said.decode(errors="replace"))


def _settings(
    known: Mapping[str, Sequence[str]],
    beyond_schemas: Iterable[str],
    unchecked: Mapping[str, str],
) -> str:
    """Return Schemathesis' settings: half of the values of a parameter are ones that exist."""
    lines = []
    for number, values in enumerate(known.values()):
        lines += [f"[dictionaries.known{number}]", f"values = {orjson.dumps(values).decode()}"]
    lines.append("[parameters]")
    for number, parameter in enumerate(known):
        lines.append(f'"{parameter}" = {{ dictionary = "known{number}", probability = 0.5 }}')
    accepted = f"positive_data_acceptance.expected-statuses = {_ACCEPTED}"
    checks = [(operation, accepted) for operation in beyond_schemas]
    checks += [(operation, f"{check}.enabled = false") for operation, check in unchecked.items()]
    for operation, said in checks:
        lines += ["[[operations]]", f'include-operation-id = "{operation}"', f"checks.{said}"]
    return "\n".join([*lines, ""])
