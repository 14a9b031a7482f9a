"""Child processes: orderly stop, hard stop, and no orphans."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from heardback.embedded.processes import Child, Command, StartFailed, run_to_end, wait_until

SLEEPER = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
IGNORING = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True:
    signal.pause()
"""
STUBBORN = [sys.executable, "-c", IGNORING]
PARENT = """
import sys, signal
from pathlib import Path
from heardback.embedded.processes import Child, Command
child = Child(Command(name="child", arguments=sys.argv[2:], log=Path(sys.argv[1])))
print(child.pid, flush=True)
signal.pause()
"""


def _is_up(log: Path) -> bool:
    return "up" in log.read_text()


def _alive(pid: int) -> bool:
    try:
        state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def test_child_ends_by_the_stop_signal_when_stopped(tmp_path: Path) -> None:
    child = Child(Command(name="sleeper", arguments=SLEEPER, log=tmp_path / "log"))
    assert await wait_until(lambda: _is_up(tmp_path / "log"), 10)
    await child.stop()
    assert child.exit_code == -signal.SIGTERM


async def test_child_is_killed_when_it_ignores_the_stop_signal(tmp_path: Path) -> None:
    child = Child(Command(name="stubborn", arguments=STUBBORN, log=tmp_path / "log"))
    assert await wait_until(lambda: _is_up(tmp_path / "log"), 10)
    await child.stop(grace_seconds=0.1)
    assert child.exit_code == -signal.SIGKILL


async def test_failure_says_the_last_words_when_a_command_ends_badly(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
    with pytest.raises(StartFailed) as failure:
        await run_to_end(Command(name="task", arguments=arguments, log=tmp_path / "log"), 10)
    assert (failure.value.name, failure.value.why) == ("task", "the disk is full")


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux can tell a child of its parent's end"
)
async def test_child_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(log), *SLEEPER], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert await wait_until(lambda: _is_up(log), 10)
        os.kill(parent.pid, signal.SIGKILL)
    assert await wait_until(lambda: not _alive(pid), 10)
