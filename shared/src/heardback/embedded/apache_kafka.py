"""Apache Kafka itself: one KRaft process, its jars resolved by Maven; needs Java 17 or later."""

import asyncio
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from heardback.embedded.processes import (
    HOST,
    Child,
    Command,
    StartFailed,
    free_port,
    run_to_end,
    start_listening,
)

VERSION: Final = "4.1.1"
_NAME: Final = "kafka"
_JAVA: Final = 17
_POM: Final = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>heardback</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def why_not_available() -> str | None:
    """Say what is missing for running Apache Kafka, or None when nothing is."""
    if shutil.which("java") is None:
        return f"Apache Kafka needs Java {_JAVA} or later, and there is no java on the PATH."
    found = _java_version()
    if found < _JAVA:
        return f"Apache Kafka needs Java {_JAVA} or later, and java is version {found}."
    if not _jars_complete() and shutil.which("mvn") is None:
        return "Apache Kafka is fetched by Maven, and there is no mvn on the PATH."
    return None


class ApacheKafka:
    """A broker and controller in one process; topics outlive a restart."""

    durable = True
    idempotent = True
    session_seconds = 6  # it takes no less

    def __init__(self, folder: Path, port: int, log: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.log = log or self.folder / "kafka.log"
        self.port = port
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
        """Start it, at first fetching the jars (90 MB) and formatting its folder.

        Raises: PortTaken, StartFailed (nothing is left running).
        """
        obstacle = why_not_available()
        if obstacle is not None:
            raise StartFailed(name=_NAME, why=obstacle)
        self.folder.mkdir(parents=True, exist_ok=True)
        if not _jars_complete():
            await _fetch_jars(self.log)
        settings = self.folder / "server.properties"
        settings.write_text(self._settings(free_port()))
        formatting = _format_command(settings, self.folder / "cluster_id", self.log)
        await run_to_end(formatting, timeout_seconds=60)
        self._child = await start_listening(self._command(settings), self.port, timeout_seconds=90)

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(grace_seconds=20)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    def _command(self, settings: Path) -> Command:
        return Command(
            name=_NAME,
            arguments=[*_java("-Xms256m", "-Xmx512m"), "kafka.Kafka", str(settings)],
            log=self.log,
            cwd=self.folder,
        )

    def _settings(self, controller_port: int) -> str:
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{HOST}:{controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{HOST}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "10",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def _java_version() -> int:
    command = [_program("java"), "-version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else 0


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise StartFailed(name=_NAME, why=f"there is no {name} on the PATH")
    return path


def _jars() -> Path:
    return Path.home() / ".cache" / "heardback" / f"kafka-{VERSION}"


def _jars_complete() -> bool:
    return (_jars() / "complete").exists()


async def _fetch_jars(log: Path) -> None:
    """Let Maven resolve the coordinates and copy all jars into the cache.

    Raises: StartFailed.
    """
    folder = _jars()
    folder.mkdir(parents=True, exist_ok=True)
    pom = folder / "pom.xml"
    pom.write_text(_POM)
    command = Command(
        name="mvn",
        arguments=[
            *(_program("mvn"), "--batch-mode", "--quiet", f"--file={pom}"),
            "dependency:copy-dependencies",
            *("-DincludeScope=runtime", f"-DoutputDirectory={folder / 'lib'}"),
        ],
        log=log,
    )
    await run_to_end(command, timeout_seconds=600)
    (folder / "complete").touch()


def _java(*options: str) -> list[str]:
    return [_program("java"), *options, "-cp", f"{_jars() / 'lib'}/*"]


def _format_command(settings: Path, cluster_id: Path, log: Path) -> Command:
    """Return what prepares the data folder; it stays as it is once it was."""
    if not cluster_id.exists():
        cluster_id.write_text(secrets.token_hex(11))
    return Command(
        name="kafka format",
        arguments=[
            *_java(),
            "kafka.tools.StorageTool",
            *("format", "--ignore-formatted"),
            *("--cluster-id", cluster_id.read_text(), "--config", str(settings)),
        ],
        log=log,
    )


def main() -> None:
    """Fetch the jars, or say why that can't be."""
    obstacle = why_not_available()
    if obstacle is not None:
        sys.exit(obstacle)
    if not _jars_complete():
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_fetch_jars(Path(folder) / "maven.log"))
    sys.stdout.write(f"Apache Kafka is in {_jars()}.\n")


if __name__ == "__main__":
    main()
