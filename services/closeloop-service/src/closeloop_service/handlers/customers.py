"""What the product says of customers."""

from collections.abc import Sequence
from typing import Any

from closeloop_service.domain.customer import customer_after
from closeloop_service.store import alerts, customers, improvements
from closeloop_service.store.tasks import BOARD
from heardback.db import Transaction
from heardback.envelope import Event


async def on_customers(tx: Transaction, events: Sequence[Event[Any]]) -> None:
    """Keep the newest profile of each customer; of one who is erased, nothing but that."""
    known = await customers.load_customers(tx.connection, {event.key for event in events})
    latest = dict(known)
    for event in events:
        latest[event.key] = customer_after(latest[event.key], event.data, now=tx.now)
    erased = [
        customer_id
        for customer_id, customer in latest.items()
        if customer.erased_at and not known[customer_id].erased_at
    ]
    if erased:
        await customers.lock_erasure(tx.connection)
        await improvements.forget(tx, erased)
    changed = [c for customer_id, c in latest.items() if c != known[customer_id]]
    await customers.save_customers(tx.connection, changed)
    if erased:
        if await customers.forget(tx.connection, erased, now=tx.now):
            await tx.ring(BOARD)
        await alerts.forget_customers(tx.connection, erased)
