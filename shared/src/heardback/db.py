"""Postgres: the engine, the transaction, and the one owner of commit."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from time import monotonic
from typing import Any, Final

import asyncpg
import orjson
from sqlalchemy import event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from heardback import outbox, timers
from heardback.clock import Clock
from heardback.contracts.payloads import Payload
from heardback.contracts.registry import EventType
from heardback.envelope import OutgoingMessage, attributes_of, json_of
from heardback.errors import Retryable
from heardback.ids import Ids
from heardback.timers import Timer
from heardback.trace import new_traceparent

# Connection lost (08), rolled back (40), out of resources (53), going down (57), I/O (58).
_TRANSIENT_CLASSES: Final = ("08", "40", "53", "57", "58")
# Read only for now: a standby; a cached plan: a migration changed a table under it.
# A table or a column that is not there: a newer version's migration took it from under this
# process, which is about to be replaced. Nothing may be set aside for that.
_TRANSIENT_STATES: Final = ("25006", "0A000", "42P01", "42703")
_COMMAND_SECONDS: Final = 30.0
_RESTED_SECONDS: Final = 1.0
_NOTIFY: Final = text("SELECT pg_notify(current_schema() || '_' || :channel, '')")


def is_transient(error: BaseException) -> bool:
    """Tell whether the same thing may work later: the database, not the statement, is at fault."""
    if isinstance(error, Retryable | OSError | TimeoutError | PoolTimeout | asyncpg.InterfaceError):
        return True
    if isinstance(error, DBAPIError):
        known = error.connection_invalidated or isinstance(error, InterfaceError)
        return known or _says_later(error.orig)
    if isinstance(error, asyncpg.PostgresError):
        return _says_later(error)
    return False


def _says_later(error: object) -> bool:
    state = str(getattr(error, "sqlstate", None) or "")
    return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES


def was_rolled_back(error: BaseException) -> bool:
    """Tell whether the database gave a transaction up for another one's sake; at once is in time.

    A deadlock or a conflict (SQLSTATE class 40); nothing of the transaction is left.
    """
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "").startswith("40")


class Transaction:
    """One unit of work: one connection, one `now`, and what leaves when it commits."""

    def __init__(
        self, connection: AsyncConnection, *, service: str, now: datetime, ids: Ids
    ) -> None:
        self.connection: Final = connection
        self.now: Final = now
        self.ids: Final = ids
        self._source = f"/heardback/{service}"
        self._time = now.isoformat()
        self._outgoing: list[outbox.Row] = []
        self._timers: list[Timer] = []

    def emit(
        self, event_type: EventType, payload: Payload, *, traceparent: str | None = None
    ) -> None:
        """Publish an event when this commits. `traceparent` is that of its cause."""
        self._stage(event_type, payload.key, json_of(payload), traceparent)

    def emit_fields(
        self, event_type: EventType, fields: Mapping[str, Any], *, traceparent: str | None = None
    ) -> None:
        """Publish an event whose payload has these fields, written as they are, when this commits.

        It costs half of `emit`, because nothing checks the fields: have a test read them back.
        """
        self._stage(event_type, fields["customer_id"], orjson.dumps(fields), traceparent)

    def _stage(
        self, event_type: EventType, key: str, value: bytes, traceparent: str | None
    ) -> None:
        attributes = attributes_of(
            event_type,
            id=self.ids.new(),
            source=self._source,
            subject=key,
            time=self._time,
            traceparent=traceparent or new_traceparent(),
        )
        row = event_type.topic.name, key.encode(), value, outbox.pack(attributes)
        self._outgoing.append(row)

    def publish_raw(self, message: OutgoingMessage) -> None:
        """Publish bytes as they are when this commits; for the dead-letter topic."""
        self._outgoing.append(outbox.row_of(message))

    def set_timer(self, timer: Timer) -> None:
        """Set a timer when this commits, in place of the one of the same kind and key."""
        self._timers.append(timer)

    async def cancel_timers(self, kind: str, keys: Collection[str]) -> None:
        """Delete timers, those set earlier in this transaction included."""
        gone = set(keys)
        self._timers = [t for t in self._timers if t.kind != kind or t.key not in gone]
        await timers.cancel_timers(self.connection, kind, keys)

    async def ring(self, channel: str) -> None:
        """Wake the loops that listen on `channel`, in every replica, when this commits."""
        await self.connection.execute(_NOTIFY, {"channel": channel})

    async def flush(self) -> None:
        """Write what leaves; called once by `Database.transaction` right before the commit."""
        if self._outgoing:
            await outbox.stage(self.connection, self._outgoing)
        if self._timers:
            await timers.set_timers(self.connection, self._timers)
            # The loops look for what is due later by themselves, long before it is.
            if min(t.due_at for t in self._timers) < self.now + 2 * timers.LONGEST_SLEEP:
                await self.ring(timers.CHANNEL)


class Database:
    """A service's schema. `transaction()` is the only place that commits."""

    def __init__(
        self, url: str, *, service: str, clock: Clock, ids: Ids, pool_size: int = 8
    ) -> None:
        self.url: Final = url
        self.service: Final = service
        self.clock: Final = clock
        self.ids: Final = ids
        self.engine: Final = connect_engine(url, service, pool_size)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a unit of work; it commits at the end of the block, or rolls back on an error."""
        # Not by `engine.begin`, whose layers take as long as three statements.
        connection = await self.engine.connect()
        try:
            transaction = Transaction(
                connection, service=self.service, now=self.clock.now(), ids=self.ids
            )
            yield transaction
            await transaction.flush()
            await connection.commit()
        finally:
            await connection.close()  # which rolls back what is not committed

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for queries; nothing that it does is kept."""
        async with self.engine.connect() as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def connect_engine(
    url: str, schema: str, pool_size: int, *, command_seconds: float | None = _COMMAND_SECONDS
) -> AsyncEngine:
    """Return an engine whose unqualified names mean the tables in `schema`.

    A statement that takes longer than `command_seconds` fails: the database is not answering.
    """
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=30,
        # The one used last has its plans and caches at hand.
        pool_use_lifo=True,
        json_deserializer=orjson.loads,
        hide_parameters=True,
        connect_args={
            "timeout": 10,
            "command_timeout": command_seconds,
            "server_settings": {
                "search_path": schema,
                "application_name": schema,
                # A plan that is kept from when a table was empty reads all of it ever after.
                "plan_cache_mode": "force_custom_plan",
            },
        },
    )
    event.listen(engine.sync_engine, "checkin", _note_rest)
    event.listen(engine.sync_engine, "checkout", _see_it_is_alive)
    return engine


def _note_rest(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["rests_since"] = monotonic()


def _see_it_is_alive(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Ask a connection that has rested for an answer; one used just now is trusted.

    The pool's own way asks each time, which costs three round trips a transaction.
    """
    if monotonic() - record.info.get("rests_since", monotonic()) > _RESTED_SECONDS:
        try:
            connection.ping()
        except Exception as error:
            raise DisconnectionError from error  # the pool then opens another one
