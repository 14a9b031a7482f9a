"""Child processes that die with their parent, and the ports they listen on."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from time import monotonic
from typing import Final

from heardback.clock import SystemClock
from heardback.errors import Permanent, Retryable

HOST: Final = "127.0.0.1"
_LAUNCHER: Final = Path(__file__).with_name("launch.py")
_SERVER_PORTS: Final = range(12_000, 32_000)
_RANDOM: Final = SystemRandom()
_given_ports: set[int] = set()
_POLL_SECONDS: Final = 0.02
_POLL_SHARE: Final = 0.05
_LONGEST_POLL_SECONDS: Final = 0.5
_CLOCK: Final = SystemClock()  # other processes live in real time, whatever the caller's clock says


class PortTaken(Permanent):
    """The port is in use by another program; stop that program or choose another port."""

    port: int
    wanted_by: str


class StartFailed(Retryable):
    """The process did not start; its last words are in the log."""

    name: str
    why: str


def wheel_folder(package: str) -> Path:
    """Return the folder of an installed package without importing it.

    Raises: StartFailed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise StartFailed(name=package, why="the package is not installed")
    return Path(spec.origin).parent


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on right now.

    Never the same one twice in a process, and none that the system gives to outgoing connections:
    one of those could take it before the server does.
    """
    while True:
        port = _RANDOM.choice(_SERVER_PORTS)
        if port not in _given_ports and _is_free(port):
            _given_ports.add(port)
            return port


def require_free_port(port: int, wanted_by: str) -> None:
    """Check that `wanted_by` can listen on `port`.

    Raises: PortTaken.
    """
    if not _is_free(port):
        raise PortTaken(port=port, wanted_by=wanted_by)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a socket in TIME_WAIT after a crash is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def accepts_connections(port: int) -> bool:
    """Tell whether somebody listens on the loopback `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]], timeout_seconds: float
) -> bool:
    """Poll until `condition` holds, in real time; tell whether it did before the timeout.

    The longer it takes, the less often it is looked at: to ask costs whoever is waited for, too.
    """
    began = monotonic()
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return True
        waited = monotonic() - began
        if waited > timeout_seconds:
            return False
        await _CLOCK.sleep(min(max(waited * _POLL_SHARE, _POLL_SECONDS), _LONGEST_POLL_SECONDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who a process runs as."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> "User":
        """Return the user of this process."""
        return cls(uid=os.geteuid(), gid=os.getegid())


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run: `arguments[0]` is an absolute path; output is appended to `log`.

    `stop_signal` asks for an orderly end; `death_signal` is sent when the parent dies.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    user: User | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL


class Child:
    """One run of a command; start it on a thread that lives as long as the child shall.

    On Linux the child dies with its parent, even when that is killed by SIGKILL. It has a session
    of its own, so that Ctrl-C reaches the parent alone, which then stops its children in order.
    """

    def __init__(self, command: Command) -> None:
        self.command = command
        command.log.parent.mkdir(parents=True, exist_ok=True)
        with command.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the caller's own command
                [*_launcher(command), *command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if command.env is None else dict(command.env),
                cwd=command.cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code (minus the signal's number if killed), None while it runs."""
        return self._process.poll()

    @property
    def running(self) -> bool:
        return self.exit_code is None

    async def stop(self, grace_seconds: float = 10) -> None:
        """Ask it to end, and kill it when it has not after `grace_seconds`."""
        if self.running:
            self._process.send_signal(self.command.stop_signal)
        if not await wait_until(lambda: not self.running, grace_seconds):
            self.kill()

    def kill(self) -> None:
        """End it at once, as a crash does, and reap it."""
        self._process.kill()
        self._process.wait()

    def last_words(self, lines: int = 5) -> str:
        """Return the end of the log."""
        text = self.command.log.read_text(errors="replace")[-4000:]
        return "\n".join(text.splitlines()[-lines:])


def _launcher(command: Command) -> list[str]:
    user = command.user or User.current()
    numbers = (os.getpid(), int(command.death_signal), user.uid, user.gid)
    return [sys.executable, "-I", "-S", str(_LAUNCHER), *map(str, numbers)]


async def run_to_end(command: Command, timeout_seconds: float) -> None:
    """Run a command and wait until it has ended well.

    Raises: StartFailed (with the last lines of its log; nothing is left running).
    """
    child = Child(command)
    try:
        await wait_until(lambda: not child.running, timeout_seconds)
    finally:
        child.kill()
    if child.exit_code != 0:
        raise StartFailed(name=command.name, why=child.last_words())


async def start_listening(command: Command, port: int, timeout_seconds: float) -> Child:
    """Start a command and wait until it accepts connections on `port`.

    Raises: PortTaken, StartFailed (nothing is left running).
    """
    require_free_port(port, command.name)
    child = Child(command)
    listens = False
    try:
        await wait_until(lambda: not child.running or accepts_connections(port), timeout_seconds)
        listens = child.running and accepts_connections(port)
    finally:
        if not listens:
            child.kill()
    if not listens:
        raise StartFailed(name=command.name, why=child.last_words())
    return child
