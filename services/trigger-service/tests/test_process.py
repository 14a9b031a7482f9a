"""The whole process: migrate, run, answer, stop; and refuse programs that are wrong."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest

from heardback.embedded.broker import Broker
from heardback.embedded.processes import HOST, Child, Command, free_port, run_to_end
from heardback.testing.stack import ServiceDatabase, service_environment
from heardback.testing.waiting import until

Start = Callable[..., Command]


@pytest.fixture
async def start(
    service_database: ServiceDatabase, broker: Broker, tmp_path: Path
) -> AsyncIterator[Start]:
    """Describe a run of the service, on one fresh database."""
    url = await service_database("trigger")

    def command(*arguments: str, **settings: str) -> Command:
        return Command(
            name="trigger",
            arguments=[sys.executable, "-m", "trigger_service", *arguments],
            log=tmp_path / "trigger.log",
            env=service_environment(url, broker, **settings),
        )

    await run_to_end(command("migrate"), 60)
    yield command


async def test_process_is_ready_and_stops_at_once_when_asked(start: Start) -> None:
    port = free_port()
    child = Child(start(HTTP_PORT=str(port)))
    try:
        async with httpx2.AsyncClient(base_url=f"http://{HOST}:{port}") as http:

            async def is_ready() -> bool:
                try:
                    return (await http.get("/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await until(is_ready, seconds=60)
            assert len((await http.get("/programs")).json()["programs"]) == 9
            assert (await http.get("/metrics")).status_code == 200
        await child.stop(grace_seconds=20)
        assert child.exit_code == 0
    finally:
        child.kill()


async def test_process_refuses_to_start_when_a_program_is_wrong(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "wrong.yaml").write_text("id: a\ndelay: soon\n")
    child = Child(start(HTTP_PORT=str(free_port()), PROGRAMS_FOLDER=str(tmp_path)))
    try:
        await until(lambda: not child.running, seconds=60)
        assert child.exit_code == 1
        log = child.command.log.read_text()
        assert "wrong.yaml:2: delay: 'soon' is not a duration" in log
        assert "Traceback" not in log
    finally:
        child.kill()
