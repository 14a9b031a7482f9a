"""Whole stacks with the demo's programs, on ports and in folders of their own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import pytest

from heardback.embedded.apache_kafka import why_not_available
from heardback.embedded.processes import wait_until
from heardback.testing.stack import KAFKA_VARIABLE
from heardback_local.config import StackConfig
from heardback_local.demo_programs import PROGRAMS_FOLDER
from heardback_local.ports import Ports
from heardback_local.readiness import why_none_ready
from heardback_local.reset import reset
from heardback_local.stack import Stack
from heardback_local.state import State

Kafka = Literal["embedded", "apache"]
StartStack = Callable[..., AbstractAsyncContextManager[Stack]]
HeardbackCommand = Callable[..., "subprocess.CompletedProcess[str]"]

_HEARDBACK: Final = (sys.executable, "-m", "heardback_local.cli")
_READY_SECONDS: Final = 90
_QUICK: Final = {"HEARDBACK_SEND_LEASE_SECONDS": "12", "HEARDBACK_SMTP_TIMEOUT_SECONDS": "5"}
"""What was being sent when a sender died is taken over soon. A mailbox that only waits for the
processor is not given up: what is in doubt is tried again after a minute or two."""
_STOP_SECONDS: Final = 60


@pytest.fixture(scope="session")
def kafka() -> Kafka:
    """The broker of the stacks; HEARDBACK_TEST_KAFKA says which."""
    if os.environ.get(KAFKA_VARIABLE, "embedded") != "apache":
        return "embedded"
    obstacle = why_not_available()
    if obstacle is not None:
        pytest.skip(obstacle)
    return "apache"


@pytest.fixture
def start_stack(tmp_path: Path, kafka: Kafka) -> Iterator[StartStack]:
    """Start a stack for one test: `async with start_stack(replicas=2) as stack`."""
    folder = tmp_path / "state"

    @asynccontextmanager
    async def start(*, replicas: int = 1) -> AsyncIterator[Stack]:
        config = StackConfig(
            state=folder,
            ports=Ports.free(),
            kafka=kafka,
            replicas=replicas,
            programs=PROGRAMS_FOLDER,
            extra_env=_QUICK,
        )
        async with Stack(config) as stack:
            yield stack

    yield start
    reset(State(folder))


@pytest.fixture(scope="session")
def heardback() -> HeardbackCommand:
    """Run the command line to its end: `heardback("simulate", "--check")`."""

    def run(*arguments: object, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*_HEARDBACK, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def demo_stack(tmp_path_factory: pytest.TempPathFactory, kafka: Kafka) -> Iterator[Path]:
    """The state folder of a stack that `heardback up` runs while the tests do."""
    folder = tmp_path_factory.mktemp("stack") / "state"
    ports = [f"--port={name}={port}" for name, port in Ports.free().by_name().items()]
    where = [f"--state={folder}", f"--kafka={kafka}", f"--programs={PROGRAMS_FOLDER}", *ports]
    log = folder.with_name("up.log")
    with log.open("w") as output:
        up = subprocess.Popen([*_HEARDBACK, "up", "--quiet", *where], stdout=output, stderr=output)
    try:
        settled = asyncio.run(wait_until(lambda: _ready_or_over(State(folder), up), _READY_SECONDS))
        assert settled and up.poll() is None, f"heardback up:\n{log.read_text()}"
        yield folder
    finally:
        up.terminate()
        up.wait(_STOP_SECONDS)
        reset(State(folder))


async def _ready_or_over(state: State, up: "subprocess.Popen[bytes]") -> bool:
    if up.poll() is not None:
        return True
    records = state.recorded()
    return bool(records) and not await why_none_ready(records)
