"""Brings back what dies: the five services, the mailbox, Postgres and the broker."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError

from heardback.embedded.broker import Broker
from heardback.embedded.postgres import EmbeddedPostgres
from heardback.errors import HeardbackError
from heardback_local.journal import Journal
from heardback_local.slots import Slot

_LOOK_SECONDS: Final = 0.1
_AFTER_FAILURE_SECONDS: Final = 1.0
_GRACE_WITHOUT_BROKER_SECONDS: Final = 3.0


class Supervisor:
    """Looks at every part ten times a second.

    A durable broker, Postgres and processes are simply started again. A broker that forgets is
    more: the services stop, `refill_broker` makes the topics and rewinds everything, and the
    services start on what the outboxes publish again.
    """

    def __init__(
        self,
        *,
        postgres: EmbeddedPostgres | None,
        broker: Broker | None,
        services: Sequence[Slot],
        others: Sequence[Slot],
        refill_broker: Callable[[], Awaitable[None]],
        on_change: Callable[[], None],
        journal: Journal,
    ) -> None:
        self._postgres = postgres
        self._broker = broker
        self._services = services
        self._others = others
        self._refill_broker = refill_broker
        self._on_change = on_change
        self._journal = journal
        self._broker_is_empty = False

    @property
    def settled(self) -> bool:
        """Whether everything runs and nothing is being brought back."""
        servers = [server for server in (self._postgres, self._broker) if server is not None]
        everything = [*servers, *self._services, *self._others]
        return not self._broker_is_empty and all(part.running for part in everything)

    async def watch(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self._look()
            except (
                HeardbackError,
                KafkaError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                OSError,
            ) as error:
                self._journal.note(f"not back yet: {error}")
                await asyncio.sleep(_AFTER_FAILURE_SECONDS)

    async def _look(self) -> None:
        if self._postgres is not None and not self._postgres.running:
            self._journal.note("postgres died; starting it again")
            await self._postgres.start()
            self._journal.note("postgres is back")
            self._on_change()
        if self._broker is not None:
            await self._look_at_broker(self._broker)
        for slot in (*self._others, *self._services):
            code = slot.restart_if_due()
            if code is not None:
                self._journal.note(f"{slot.name} ended with {code}; started it again")
                self._on_change()

    async def _look_at_broker(self, broker: Broker) -> None:
        if not broker.running:
            self._journal.note("the broker died; starting it again")
            if not broker.durable:
                self._broker_is_empty = True
                await stop_all(self._services, _GRACE_WITHOUT_BROKER_SECONDS)
            await broker.start()
            self._journal.note("the broker is back")
            self._on_change()
        if self._broker_is_empty:
            await self._refill_broker()
            self._broker_is_empty = False
            self._journal.note("its topics were lost: the outboxes publish again what they keep")
            for slot in self._services:
                slot.start()
            self._on_change()


async def stop_all(slots: Sequence[Slot], grace_seconds: float) -> None:
    """Stop processes side by side."""
    await asyncio.gather(*(slot.stop(grace_seconds) for slot in slots))
