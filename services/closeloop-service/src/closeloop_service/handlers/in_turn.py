"""One topic that several parts listen to."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from heardback.db import Transaction
from heardback.envelope import Event

Handler = Callable[[Transaction, Sequence[Event[Any]]], Awaitable[None]]


def in_turn(*handlers: Handler) -> Handler:
    """Return a handler that gives each batch to all `handlers`, in this order, in one transaction.

    Projections come first: what follows reads them, and they take their lock before any task's.
    """

    async def on_events(tx: Transaction, events: Sequence[Event[Any]]) -> None:
        for handler in handlers:
            await handler(tx, events)

    return on_events
