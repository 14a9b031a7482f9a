"""What is known of callbacks: those that were taken, and the messages that they are about."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.domain.suppression import Addressee
from dispatch_service.suppression_store import ADDRESSEE, addressee_in
from dispatch_service.tables import PROVIDER_EVENT
from heardback.bulk import insert_new_rows
from heardback.db import Transaction
from heardback.vocabulary import Channel

KEPT: Final = timedelta(days=30)
"""How long it is known that a callback was taken."""
_LONGEST_ID: Final = 200

# A union, because each half has an index of its own.
_MESSAGES: Final = text(f"""
    WITH found AS (
        SELECT message_id, reference, channel, address, invitation_id FROM message
        WHERE message_id = ANY(CAST(:ids AS text[]))
        UNION
        SELECT message_id, reference, channel, address, invitation_id FROM message
        WHERE reference = ANY(CAST(:references AS text[]))
    )
    SELECT m.message_id, m.reference, m.channel AS message_channel, m.address, {ADDRESSEE}
    FROM found m LEFT JOIN invitation i ON i.invitation_id = m.invitation_id
""")
_FORGET: Final = text("""
    DELETE FROM provider_event WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM provider_event WHERE received_at < :before
        LIMIT 500 FOR UPDATE SKIP LOCKED
    ))
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message that a callback is about, and whom it is for, where we still know."""

    message_id: str
    reference: str | None
    channel: Channel
    address: str
    addressee: Addressee | None


async def insert_unheard(tx: Transaction, provider: str, event_ids: Sequence[str]) -> set[str]:
    """Note that these were taken; return those that were not before. What is old is forgotten."""
    rows = [
        {"provider": provider, "event_id": event_id, "received_at": tx.now}
        for event_id in sorted(set(map(short_id, event_ids)))
    ]
    new = await insert_new_rows(tx.connection, PROVIDER_EVENT, rows, key=("provider", "event_id"))
    await tx.connection.execute(_FORGET, {"before": tx.now - KEPT})
    return {event_id for _, event_id in new}


def short_id(event_id: str) -> str:
    """Return an id that an index takes: its hash where it is long."""
    if len(event_id) <= _LONGEST_ID:
        return event_id
    return hashlib.sha256(event_id.encode()).hexdigest()


async def messages(
    connection: AsyncConnection, *, ids: Sequence[str], references: Sequence[str]
) -> list[Found]:
    """Return the messages that have one of the ids, or one of the providers' references."""
    values = {"ids": list(ids), "references": list(references)}
    rows = (await connection.execute(_MESSAGES, values)).mappings()
    return [
        Found(
            message_id=row["message_id"],
            reference=row["reference"],
            channel=Channel(row["message_channel"]),
            address=row["address"],
            addressee=addressee_in(row) if row["invitation_id"] else None,
        )
        for row in rows
    ]
