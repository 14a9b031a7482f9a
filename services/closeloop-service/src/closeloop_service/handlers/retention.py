"""Forgets what is kept for a while only: stories, conversations, and answers to commands."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.store import alerts, conversations, idempotency
from heardback.db import Database, Transaction
from heardback.timers import Timer

FORGET: Final = "forget"
"""The kind of its timers; the key says what is forgotten."""
Forgetting = Callable[[AsyncConnection, datetime], Awaitable[bool]]
"""Forgets one batch of what is too old at an instant; tells whether there may be more."""

STORIES_KEPT: Final = timedelta(days=400)
ALERTS_KEPT: Final = timedelta(days=90)

_BATCH: Final = 5_000
_MESSAGES: Final = 100
"""Messages to ops are few, and each may have thousands of alerts."""


async def start(database: Database) -> None:
    """Have it begin; for every start of a replica, because a timer that is there is set anew."""
    async with database.transaction() as tx:
        for what in KINDS:
            tx.set_timer(Timer(kind=FORGET, key=what, due_at=tx.now))


async def on_forget_due(tx: Transaction, timers: Sequence[Timer]) -> None:
    """Forget one batch of each; go on at once while there is more."""
    for timer in timers:
        every, forget = KINDS[timer.key]
        more = await forget(tx.connection, tx.now)
        due_at = tx.now if more else tx.now + every
        tx.set_timer(Timer(kind=FORGET, key=timer.key, due_at=due_at))


async def _stories(connection: AsyncConnection, now: datetime) -> bool:
    return await conversations.forget_before(connection, now - STORIES_KEPT, limit=_BATCH)


async def _alerts(connection: AsyncConnection, now: datetime) -> bool:
    return await alerts.forget_before(connection, now - ALERTS_KEPT, limit=_MESSAGES)


async def _answers(connection: AsyncConnection, now: datetime) -> bool:
    return await idempotency.forget_expired(connection, now, limit=_BATCH)


KINDS: Final[Mapping[str, tuple[timedelta, Forgetting]]] = {
    "stories": (timedelta(days=1), _stories),
    "alerts": (timedelta(days=1), _alerts),
    "answers": (timedelta(hours=1), _answers),
}
"""What is forgotten, how often, and by what."""
