"""The process under test: pinned to one core, its processor time and memory read from Linux."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.stack import TESTED_CORE
from heardback.embedded.processes import Child, Command, run_to_end

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def python(name: str, arguments: Sequence[str], *, env: Mapping[str, str], folder: Path) -> Command:
    """Describe a run of this Python."""
    return Command(
        name=name,
        arguments=[sys.executable, *arguments],
        log=folder / f"{name}.log",
        env={**os.environ, **env},
    )


class Tested:
    """A started process, alone on its core."""

    def __init__(self, command: Command) -> None:
        self._child = Child(command)
        os.sched_setaffinity(self._child.pid, {TESTED_CORE})

    def require_running(self) -> None:
        """Raise what it last said when it has ended by itself."""
        if not self._child.running:
            raise RuntimeError(f"{self._child.command.name}: {self._child.last_words(20)}")

    def cpu_seconds(self) -> float:
        """Return the processor time that it has used, user's and system's."""
        return cpu_seconds(self._child.pid)

    def peak_memory_mb(self) -> float:
        """Return the largest resident size that it has had."""
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(kilobytes.split()[1]) / 1024

    async def stop(self) -> None:
        """Ask it to end; kill it when it does not."""
        await self._child.stop(grace_seconds=10)


async def prepare(command: Command) -> None:
    """Run a command that ends by itself, such as a migration."""
    await run_to_end(command, timeout_seconds=120)


def family_cpu_seconds(parent: int) -> float:
    """Return the processor time of a server and its children, those that have ended included."""
    total = cpu_seconds(parent, ended_children=True)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _parent_of(int(folder.name)) == parent:
            total += cpu_seconds(int(folder.name))
    return total


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def _parent_of(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[1]) if stat else 0


def cpu_seconds(pid: int, *, ended_children: bool = False) -> float:
    ticks = [int(text) for text in _stat(pid)[11:15]]
    return sum(ticks if ended_children else ticks[:2]) / _TICKS
