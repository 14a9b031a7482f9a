"""A place in the stack for one Python process, which is started again when it dies."""

import os
import sys
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from heardback.embedded.processes import HOST, Child, Command
from heardback_local.state import ProcessRecord, State

_FIRST_WAIT_SECONDS: Final = 0.2
_LONGEST_WAIT_SECONDS: Final = 5.0
_HEALTHY_AFTER_SECONDS: Final = 15.0


class Slot:
    """Runs `python -m module`; each start asks `env` anew, given the port.

    `choose_port` is asked at each start: a replica takes any free one.
    """

    def __init__(
        self,
        name: str,
        module: str,
        *,
        state: State,
        choose_port: Callable[[], int],
        env: Callable[[int], Mapping[str, str]],
    ) -> None:
        self.name = name
        self.module = module
        self.log = state.log(name)
        self.port = 0
        self._choose_port = choose_port
        self._env = env
        self._child: Child | None = None
        self._started_at = 0.0
        self._deaths = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    def start(self) -> None:
        """Start the process; does not wait until it is ready."""
        self.port = self._choose_port()
        self._started_at = monotonic()
        self._child = Child(self.command())

    def restart_if_due(self) -> int | None:
        """Start a dead process again once its backoff has passed; return the exit code then.

        Each death doubles the wait, until a run has lasted a while.
        """
        child = self._child
        if child is None or child.exit_code is None:
            return None
        lived = monotonic() - self._started_at
        if lived > _HEALTHY_AFTER_SECONDS:
            self._deaths = 0
        if lived < min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(self._deaths, 10)):
            return None
        self._deaths += 1
        code = child.exit_code
        self.start()
        return code

    async def stop(self, grace_seconds: float) -> None:
        """End the process; nothing starts it again until `start`."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop(grace_seconds)

    def kill(self) -> None:
        """End the process as a crash does; it is started again."""
        if self._child is not None:
            self._child.kill()

    def last_words(self) -> str:
        """Return the end of its log."""
        return self._child.last_words() if self._child is not None else ""

    def command(self, *arguments: str) -> Command:
        """Return how the module is run, for the server or for a task such as `migrate`."""
        return Command(
            name=" ".join((self.name, *arguments)),
            arguments=[sys.executable, "-m", self.module, *arguments],
            log=self.log,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self._env(self.port)},
        )

    def record(self) -> ProcessRecord:
        """Describe it for `heardback status`."""
        return ProcessRecord(
            name=self.name,
            pid=self._child.pid if self._child is not None and self.running else None,
            port=self.port,
            log=str(self.log),
            ready_url=f"{self.url}/readyz",
        )
