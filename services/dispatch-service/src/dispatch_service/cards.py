"""What waits in the customer's own app: read for many customers at once, and put away."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service import moves, queue_store
from dispatch_service.adapters.interface import Parcel
from dispatch_service.domain.conversation import WaitingFor
from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.message import Kind, Message
from dispatch_service.domain.suppression import Suppression, Target, covers
from dispatch_service.store import (
    INVITATION_COLUMNS,
    MESSAGE_COLUMNS,
    invitation_in,
    message_in,
)
from dispatch_service.surveys import Surveys
from heardback.bulk import json_text
from heardback.db import Database, Transaction

CHANGED: Final = "cards"
"""The bell that rings when somebody's cards may have changed."""
MOST: Final = 10
"""So many cards wait for one customer: the newest."""
_LOOKED_AT: Final = 10 * MOST
"""Among so many: reminders stand in for what they remind of, and some are on the list."""

Card = Mapping[str, Any]
Found = tuple[Message, Invitation]

_WAITING: Final = text(f"""
    SELECT {MESSAGE_COLUMNS}, {INVITATION_COLUMNS}
    FROM json_array_elements_text(CAST(:customers AS json)) AS c (customer_id)
    CROSS JOIN LATERAL (
        SELECT w.* FROM message w JOIN invitation a ON a.invitation_id = w.invitation_id
        WHERE w.customer_id = c.customer_id AND w.channel = 'in_app' AND w.state = 'sent'
            AND w.dismissed_at IS NULL AND w.deadline_at > :now
            AND (w.kind = 'follow_up' OR (a.answered_at IS NULL AND a.state <> 'dropped'
                AND a.drop_reason IS NULL))
        ORDER BY w.seq DESC LIMIT {_LOOKED_AT}
    ) m
    JOIN invitation i ON i.invitation_id = m.invitation_id
    ORDER BY m.seq
""")
_ABOUT: Final = text("""
    SELECT invitation_id FROM message
    WHERE message_id = :message_id AND customer_id = :customer_id AND channel = 'in_app'
        AND kind <> 'follow_up'
""")
_PUT_AWAY: Final = text("""
    UPDATE message SET dismissed_at = :now
    WHERE customer_id = :customer_id AND channel = 'in_app' AND dismissed_at IS NULL
        AND (message_id = :message_id OR (invitation_id = :invitation_id AND kind <> 'follow_up'))
""")
_LEAVE: Final = text("""
    UPDATE invitation SET way_out_seen_at = coalesce(way_out_seen_at, :now)
    WHERE invitation_id = :invitation_id
""")


class Shelf:
    """The cards, as customers see them."""

    def __init__(self, compose: Callable[[Parcel], Card]) -> None:
        """`compose` makes the card of a parcel."""
        self._compose = compose
        self._surveys = Surveys()

    async def of(
        self, database: Database, customer_ids: Collection[str]
    ) -> Mapping[str, Sequence[Card]]:
        """Return the cards that wait for each of these customers, in the order of their sending."""
        now = database.clock.now()
        surveys = self._surveys
        async with database.read() as connection:
            found = await _waiting(connection, customer_ids, now=now)
            wanted = {(i.survey_id, i.survey_version) for _, i in found}
            await surveys.load(connection, wanted)
        cards: dict[str, list[Card]] = defaultdict(list)
        for message, invitation in found:
            survey = surveys.known(invitation.survey_id, invitation.survey_version)
            if survey is not None:
                parcel = Parcel(message=message, invitation=invitation, survey=survey, now=now)
                cards[message.customer_id].append(self._compose(parcel))
        return {customer_id: made[-MOST:] for customer_id, made in cards.items()}


async def dismiss(tx: Transaction, customer_id: str, message_id: str) -> None:
    """Put a card away; nothing more is said about its invitation unless somebody writes.

    To do so again, or with what is not there, changes nothing.
    """
    values = {"customer_id": customer_id, "message_id": message_id, "now": tx.now}
    left = await tx.connection.scalar(_ABOUT, values)
    # Timers are locked before messages, and these before their conversation, here as everywhere.
    await moves.stop_waiting(tx, [] if left is None else [left], WaitingFor)
    await tx.connection.execute(_PUT_AWAY, {**values, "invitation_id": left})
    if left is not None:
        await tx.connection.execute(_LEAVE, {"invitation_id": left, "now": tx.now})
    await tx.ring(CHANGED)


async def _waiting(
    connection: AsyncConnection, customer_ids: Collection[str], *, now: datetime
) -> list[Found]:
    values = {"customers": json_text(sorted(customer_ids)), "now": now}
    rows = (await connection.execute(_WAITING, values)).mappings().all()
    found = [(message_in(row), invitation_in(row)) for row in rows]
    entries = await queue_store.suppressions_of(connection, [message for message, _ in found])
    return [one for one in _newest(found) if not _is_suppressed(one, entries)]


def _newest(found: Sequence[Found]) -> list[Found]:
    """Return one card for each invitation: a reminder stands in for what it reminds of."""
    newest = {m.invitation_id: m.message_id for m, _ in found if m.kind is not Kind.FOLLOW_UP}
    return [
        (message, invitation)
        for message, invitation in found
        if message.kind is Kind.FOLLOW_UP or newest[message.invitation_id] == message.message_id
    ]


def _is_suppressed(one: Found, entries: Sequence[Suppression]) -> bool:
    message, invitation = one
    target = Target(
        kind=message.kind,
        customer_id=message.customer_id,
        address=message.address,
        channel=message.channel,
        program_id=invitation.program_id,
        program_type=invitation.program_type,
    )
    return any(covers(entry, target) for entry in entries)
