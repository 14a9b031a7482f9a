"""Digests: a timer for each reader, which sets itself for their next working day."""

from collections.abc import Sequence

from closeloop_service.domain.digest import (
    DIGEST,
    Waiting,
    end_of_day,
    next_start,
    readers,
    text_of,
)
from closeloop_service.domain.grouping import derived_id
from closeloop_service.domain.rules import Rules
from closeloop_service.queries.digests import Asked, what_waits
from closeloop_service.rulebook.keeper import Keeper
from closeloop_service.store import alert_messages
from closeloop_service.store.alert_messages import NewMessage, What
from closeloop_service.store.alerts import OPS_ALERTS
from closeloop_service.store.digest_timers import digest_timers
from heardback.db import Transaction
from heardback.timers import Timer


async def keep_timers(tx: Transaction, rules: Rules) -> None:
    """Have a timer for each reader, where the rules are new; one that is due is left to fire."""
    there = await digest_timers(tx.connection)
    for key, reader in readers(rules).items():
        due_at = next_start(reader.calendar, tx.now)
        is_due = key in there and there[key] <= tx.now
        if due_at is not None and not is_due and there.get(key) != due_at:
            tx.set_timer(Timer(kind=DIGEST, key=key, due_at=due_at))


async def on_digests_due(keeper: Keeper, tx: Transaction, timers: Sequence[Timer]) -> None:
    """Tell readers what waits for them, once a day, and set their timers for the next one.

    A digest that comes late, after downtime, still comes, but not on another day than its own.
    """
    rules = await keeper.in_force(tx.connection)
    known = readers(rules)
    asked = []
    for timer in timers:
        reader = known.get(timer.key)
        if reader is None:
            continue
        due_at = next_start(reader.calendar, tx.now)
        if due_at is not None:
            tx.set_timer(Timer(kind=DIGEST, key=reader.key, due_at=due_at))
        today_ends_at = end_of_day(reader.calendar, timer.due_at)
        if tx.now < today_ends_at and not reader.is_away(tx.now):
            asked.append(Asked(reader=reader, today_ends_at=today_ends_at))
    if not asked:
        return
    waits = await what_waits(tx.connection, asked, tx.now)
    found = (_message(one, waits[one.reader.key]) for one in asked)
    if await alert_messages.add(tx, [message for message in found if message is not None]):
        await tx.ring(OPS_ALERTS)


def _message(asked: Asked, waiting: Waiting) -> NewMessage | None:
    reader, content = asked.reader, text_of(asked.reader, waiting)
    if content is None:
        return None
    # The day, by the reader's own calendar, makes a second one impossible.
    day = asked.today_ends_at.isoformat()
    return NewMessage(
        message_id=derived_id("digest", reader.key, day),
        target_id=reader.target_id,
        what=What.DIGEST,
        content=content,
    )
