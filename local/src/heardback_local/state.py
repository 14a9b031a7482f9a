"""The state folder: what the local stack keeps between runs, and who is running it now."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from heardback.errors import Conflict

DEFAULT_FOLDER: Final = Path(".heardback")
_LOG_BYTES: Final = 20 * 1_048_576


class AlreadyRunning(Conflict):
    """A stack already runs on this state folder."""

    folder: Path
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRecord:
    """One process of a running stack, as `heardback status` finds it.

    `ready_url` answers 200 when it is ready; without one, listening on `port` is all there is.
    """

    name: str
    pid: int | None
    port: int
    log: str
    ready_url: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The paths below one state folder."""

    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def mailbox_file(self) -> Path:
        return self.folder / "mailbox.sqlite3"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def kafka(self) -> Path:
        return self.folder / "kafka"

    @property
    def _pid_file(self) -> Path:
        return self.folder / "supervisor.pid"

    @property
    def _records_file(self) -> Path:
        return self.folder / "processes.json"

    @property
    def _broker_file(self) -> Path:
        return self.folder / "broker"

    def log(self, name: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{name}.log"

    def prepare(self) -> None:
        """Make the folders, and set aside logs that have grown large."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > _LOG_BYTES:
                log.replace(log.with_suffix(".log.old"))

    def secret(self, name: str) -> str:
        """Return the secret `name`: random, made once, readable by the owner only."""
        folder = self.folder / "secrets"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / name
        if not path.exists():
            fresh = folder / f"{name}.new"
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(32))
            fresh.rename(path)
        return path.read_text()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Own the folder until the block ends, or the process does.

        Raises: AlreadyRunning.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._pid_file.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyRunning(folder=self.folder, pid=self._recorded_pid()) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                self._records_file.unlink(missing_ok=True)
                file.truncate(0)

    def running_pid(self) -> int | None:
        """Return the pid of the stack that owns the folder, None when nobody does."""
        if not self._pid_file.exists():
            return None
        with self._pid_file.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return self._recorded_pid()
        return None

    def record(self, processes: Sequence[ProcessRecord]) -> None:
        """Write down what runs, for other commands to read."""
        fresh = self._records_file.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(process) for process in processes], indent=1))
        fresh.replace(self._records_file)

    def recorded(self) -> list[ProcessRecord]:
        """Return what was written down last."""
        if not self._records_file.exists():
            return []
        return [ProcessRecord(**entry) for entry in json.loads(self._records_file.read_text())]

    def knew_another_broker(self, identity: str) -> bool:
        """Tell whether another broker was used before."""
        return self._broker_file.exists() and self._broker_file.read_text() != identity

    def remember_broker(self, identity: str) -> None:
        """Note which broker is used, once everything has been rewound to it."""
        self._broker_file.write_text(identity)

    def _recorded_pid(self) -> int:
        text = self._pid_file.read_text().strip()
        return int(text) if text.isdigit() else 0
