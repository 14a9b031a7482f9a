"""The local stack: everything started in order, watched, and stopped in the opposite order."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from heardback.contracts import topics
from heardback.embedded.processes import StartFailed, require_free_port, run_to_end, wait_until
from heardback.embedded.topics import ensure_topics
from heardback_local.config import StackConfig
from heardback_local.journal import Journal
from heardback_local.parts import Parts
from heardback_local.provision import provision, start_topics_over
from heardback_local.readiness import NotReady, why_none_ready
from heardback_local.services import SERVICES, Service
from heardback_local.state import State
from heardback_local.supervisor import Supervisor, stop_all

_GRACE_SECONDS: Final = 10.0
_MIGRATION_SECONDS: Final = 120.0
_READY_SECONDS: Final = 90.0


class Stack:
    """Use as `async with Stack(config) as stack`: inside, all is ready and watched.

    Raises on entry: AlreadyRunning, PortTaken, StartFailed, NotReady; then nothing is left running.
    """

    def __init__(self, config: StackConfig, services: Sequence[Service] = SERVICES) -> None:
        self.config = config
        self.state = State(config.state.absolute())
        self._parts = Parts(config, self.state, services)
        self._supervisor = Supervisor(
            postgres=self._parts.postgres,
            broker=self._parts.broker,
            services=self._parts.services,
            others=[self._parts.mailbox],
            refill_broker=self._refill_broker,
            on_change=self._record,
            journal=Journal(self.state.log("supervisor")),
        )
        self._watching: asyncio.Task[None] | None = None
        self._held = ExitStack()

    async def __aenter__(self) -> Self:
        self._held.enter_context(self.state.locked())
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    @property
    def kafka_bootstrap(self) -> str:
        """Where Kafka clients connect."""
        return self._parts.kafka_bootstrap

    @property
    def superuser_url(self) -> str:
        """The URL under which the superuser connects to the stack's database."""
        return self._parts.superuser_url

    @property
    def logs(self) -> Mapping[str, Path]:
        """The log file of each process and of the supervisor, by name."""
        names = ["supervisor", *(record.name for record in self._parts.records())]
        return {name: self.state.log(name) for name in names}

    def url(self, name: str, replica: int = 0) -> str:
        """Return where a service, or the `mailbox`, answers HTTP."""
        return self._parts.slot(name, replica).url

    def env(self, service: str) -> Mapping[str, str]:
        """Return the environment that the first replica of a service has beyond the user's own."""
        definition = next(found for found in self._parts.definitions if found.name == service)
        return self._parts.env(definition, self._parts.slot(service).port)

    async def wait_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
        """Wait until everything runs and says that it is ready.

        Raises: NotReady.
        """

        async def ready() -> bool:
            return self._supervisor.settled and not await why_none_ready(self._parts.records())

        if not await wait_until(ready, timeout_seconds):
            raise NotReady(why=await why_none_ready(self._parts.records()))

    async def kill(self, name: str, replica: int = 0) -> None:
        """Kill a process of a service, or the `mailbox`, as a crash does; it is started again."""
        self._parts.slot(name, replica).kill()

    def kill_postgres(self) -> None:
        """Kill the stack's own Postgres, as a crash does; it is started again."""
        assert self._parts.postgres is not None
        self._parts.postgres.kill()

    def kill_broker(self) -> None:
        """Kill the stack's own broker, as a crash does; it is started again."""
        assert self._parts.broker is not None
        self._parts.broker.kill()

    async def watch(self) -> None:
        """Stay until cancelled; raises what ended the supervision, if anything did."""
        assert self._watching is not None
        await asyncio.shield(self._watching)

    async def _start(self) -> None:
        parts = self._parts
        self.state.prepare()
        for name, port in parts.own_ports():
            require_free_port(port, name)
        if parts.postgres is not None:
            await parts.postgres.start()
        await provision(parts.server_url, map(parts.owner, parts.schemas))
        if parts.broker is not None:
            await parts.broker.start()
        await self._migrate()
        await self._prepare_broker()
        for slot in parts.processes:
            slot.start()
        self._record()
        await self._wait_for_first_readiness()
        self._watching = asyncio.create_task(self._supervisor.watch())

    async def _stop(self) -> None:
        try:
            if self._watching is not None:
                self._watching.cancel()
                with suppress(asyncio.CancelledError):
                    await self._watching
            await stop_all(self._parts.services, _GRACE_SECONDS)
            await stop_all([self._parts.mailbox], _GRACE_SECONDS)
            for server in (self._parts.broker, self._parts.postgres):
                if server is not None:
                    await server.stop()
        finally:
            self._held.close()

    async def _migrate(self) -> None:
        commands = [self._parts.slot(schema).command("migrate") for schema in self._parts.schemas]
        runs = (run_to_end(command, _MIGRATION_SECONDS) for command in commands)
        for outcome in await asyncio.gather(*runs, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def _prepare_broker(self) -> None:
        identity, broker = self._parts.broker_identity, self._parts.broker
        forgets = broker is not None and not broker.durable
        if forgets or self.state.knew_another_broker(identity):
            await self._refill_broker()
        else:
            await ensure_topics(self.kafka_bootstrap, topics.ALL)
        self.state.remember_broker(identity)

    async def _refill_broker(self) -> None:
        await ensure_topics(self.kafka_bootstrap, topics.ALL)
        await start_topics_over(self.superuser_url, self._parts.schemas)

    async def _wait_for_first_readiness(self) -> None:
        async def ready_or_dead() -> bool:
            dead = any(not slot.running for slot in self._parts.processes)
            return dead or not await why_none_ready(self._parts.records())

        in_time = await wait_until(ready_or_dead, _READY_SECONDS)
        for slot in self._parts.processes:
            if not slot.running:
                raise StartFailed(name=slot.name, why=slot.last_words())
        if not in_time:
            raise NotReady(why=await why_none_ready(self._parts.records()))

    def _record(self) -> None:
        self.state.record(self._parts.records())
