"""Customers, touchpoints and invitations: loaded and saved in bulk.

Rows are locked in one order, so that replicas wait for each other and never in a circle: timers,
customers by id, invitations by id, counts by key. Touchpoints are only ever added.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.json import encode
from msgspec.structs import asdict
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_new_rows, json_text, upsert_rows
from heardback.driver import Record, copy, fetch
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.cohort import bucket_of
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import State
from trigger_service.domain.invitation import Invitation, InvitationState, Slot
from trigger_service.domain.ledger import Entry, Outcome
from trigger_service.domain.touchpoint import Revocation, Touchpoint
from trigger_service.tables import CUSTOMER, INVITATION, REVOCATION, TOUCHPOINT

LONGEST_COOLDOWN: Final = timedelta(days=3650)
"""No program may have a longer one; a slot that is older says nothing any more."""

# Ids travel as one JSON text: the driver looks at each element of an array several times.
_IDS_GIVEN: Final = "(SELECT json_array_elements_text($1::json))"
_CUSTOMERS: Final = f"""
    SELECT {", ".join(Customer.__struct_fields__)} FROM customer
    WHERE customer_id = ANY(ARRAY{_IDS_GIVEN}) ORDER BY customer_id
"""
_CUSTOMERS_LOCKED: Final = f"{_CUSTOMERS} FOR UPDATE"
_KNOWN: Final = f"""
    SELECT touchpoint_id FROM touchpoint WHERE touchpoint_id = ANY(ARRAY{_IDS_GIVEN})
"""
_SLOTS: Final = f"""
    SELECT customer_id, program_id, type, send_at, state FROM invitation
    WHERE customer_id = ANY(ARRAY{_IDS_GIVEN}) AND state IN ('pending', 'requested', 'shadow')
      AND send_at > $2
    ORDER BY send_at
"""
_REVOCATIONS: Final = f"""
    SELECT customer_id, subject, revoked_at, reason FROM revocation
    WHERE customer_id = ANY(ARRAY{_IDS_GIVEN})
"""
_CUSTOMER_IDS: Final = f"""
    SELECT DISTINCT customer_id FROM invitation WHERE invitation_id = ANY(ARRAY{_IDS_GIVEN})
"""
_INVITATIONS: Final = f"SELECT {', '.join(Invitation.__struct_fields__)} FROM invitation"
_INVITATIONS_LOCKED: Final = f"""
    {_INVITATIONS} WHERE invitation_id = ANY(ARRAY{_IDS_GIVEN}) AND state = $2
    ORDER BY invitation_id FOR UPDATE
"""
_PENDING_OF_LOCKED: Final = f"""
    {_INVITATIONS} WHERE customer_id = ANY(ARRAY{_IDS_GIVEN}) AND state = 'pending'
    ORDER BY invitation_id FOR UPDATE
"""
_MOVE: Final = """
    UPDATE invitation i SET state = m.state, reason = m.reason, send_at = m.send_at
    FROM json_to_recordset($1::json)
         AS m (invitation_id text, state text, reason text, send_at timestamptz)
    WHERE i.invitation_id = m.invitation_id
"""
_CHANGING: Final = tuple(name for name in Customer.__struct_fields__ if name != "customer_id")
_SAVE_CUSTOMERS: Final = f"""
    UPDATE customer c SET {", ".join(f"{name} = r.{name}" for name in _CHANGING)}
    FROM json_populate_recordset(NULL::customer, $1::json) AS r
    WHERE c.customer_id = r.customer_id
"""
_FORGET_FACTS: Final = text("""
    UPDATE touchpoint SET facts = '{}' WHERE customer_id = ANY(CAST(:ids AS text[]))
""")


_TYPES: Final[Mapping[str, ProgramType]] = {kind.value: kind for kind in ProgramType}
_CHANNELS: Final[Mapping[str, Channel]] = {channel.value: channel for channel in Channel}
_STATES: Final[Mapping[str, InvitationState]] = {state.value: state for state in InvitationState}


async def lock_customers(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, Customer]:
    """Return these customers by id, new ones as unknown; nobody else decides on them meanwhile."""
    ids = sorted(set(customer_ids))
    known = _customers(await fetch(connection, _CUSTOMERS_LOCKED, json_text(ids)))
    missing = [customer_id for customer_id in ids if customer_id not in known]
    if missing:
        known |= await _add_customers(connection, missing)
    return known


async def lock_states(
    connection: AsyncConnection, customer_ids: Collection[str], *, now: datetime
) -> dict[str, State]:
    """Return what decisions on these customers rest upon; nobody else decides meanwhile."""
    customers = await lock_customers(connection, customer_ids)
    # Statements of their own, after the lock: they see what whoever held it before has written.
    return await _states(connection, customers, now=now)


async def read_states(
    connection: AsyncConnection, customer_ids: Collection[str], *, now: datetime
) -> dict[str, State]:
    """Return the same as it is just now, for looking only: nothing is locked, nobody made known."""
    customers = {customer_id: Customer(customer_id=customer_id) for customer_id in customer_ids}
    customers |= _customers(await fetch(connection, _CUSTOMERS, json_text(list(customers))))
    return await _states(connection, customers, now=now)


async def _states(
    connection: AsyncConnection, customers: Mapping[str, Customer], *, now: datetime
) -> dict[str, State]:
    ids = json_text(list(customers))
    slots: dict[str, tuple[Slot, ...]] = {}
    since = now - LONGEST_COOLDOWN
    for customer_id, program_id, kind, send_at, state in await fetch(
        connection, _SLOTS, ids, since
    ):
        slot = Slot(program_id=program_id, type=_TYPES[kind], send_at=send_at, state=_STATES[state])
        slots[customer_id] = (*slots.get(customer_id, ()), slot)
    revocations: dict[str, dict[str, Revocation]] = {}
    for row in await fetch(connection, _REVOCATIONS, ids):
        revocations.setdefault(row["customer_id"], {})[row["subject"]] = Revocation(**row)
    return {
        key: State(
            customer=customer, slots=slots.get(key, ()), revocations=revocations.get(key, {})
        )
        for key, customer in customers.items()
    }


async def _add_customers(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, Customer]:
    """Add customers of whom nothing is known; return them, or what another replica just knew."""
    unknown = {key: Customer(customer_id=key) for key in customer_ids}
    rows = [
        {"customer_id": key, "bucket": bucket_of(key), "attributes": {}, "uses": {}}
        for key in customer_ids
    ]
    added = await insert_new_rows(connection, CUSTOMER, rows, key=("customer_id",))
    others = [key for key in customer_ids if (key,) not in added]
    if others:
        unknown |= _customers(await fetch(connection, _CUSTOMERS_LOCKED, json_text(others)))
    return unknown


async def save_customers(connection: AsyncConnection, customers: Sequence[Customer]) -> None:
    """Save customers that this transaction has locked."""
    if customers:
        await fetch(connection, _SAVE_CUSTOMERS, encode(customers).decode())


async def forget_facts(connection: AsyncConnection, customer_ids: Collection[str]) -> None:
    """Blank what was kept of the touchpoints of customers who are erased."""
    await connection.execute(_FORGET_FACTS, {"ids": list(customer_ids)})


async def unknown_touchpoints(
    connection: AsyncConnection, touchpoints: Iterable[Touchpoint]
) -> list[Touchpoint]:
    """Return those that nothing was decided on yet, each once, in the order given."""
    first: dict[str, Touchpoint] = {}
    for touchpoint in touchpoints:
        first.setdefault(touchpoint.touchpoint_id, touchpoint)
    known = {row[0] for row in await fetch(connection, _KNOWN, json_text(list(first)))}
    return [touchpoint for key, touchpoint in first.items() if key not in known]


async def add_entries(
    connection: AsyncConnection, entries: Sequence[Entry], *, now: datetime
) -> None:
    """Keep touchpoints with what was decided, and the invitations that this led to.

    Raises: DBAPIError when another replica decided on one of them just now; the batch is tried
    again, and then finds it.
    """
    touchpoints = [_touchpoint_row(entry, now) for entry in entries]
    await copy(connection, TOUCHPOINT, _TOUCHPOINT_COLUMNS, touchpoints)
    invitations = [
        _invitation_row(outcome.invitation)
        for entry in entries
        for outcome in entry.outcomes
        if outcome.invitation is not None
    ]
    await copy(connection, INVITATION, Invitation.__struct_fields__, invitations)


async def save_revocations(connection: AsyncConnection, revocations: Iterable[Revocation]) -> None:
    """Save what was undone, of customers that this transaction has locked."""
    rows = [asdict(revocation) for revocation in revocations]
    await upsert_rows(connection, REVOCATION, rows, key=("customer_id", "subject"))


async def customers_of(
    connection: AsyncConnection, invitation_ids: Collection[str]
) -> Sequence[str]:
    """Return the ids of the customers whom these invitations are for."""
    ids = json_text(list(invitation_ids))
    return [row["customer_id"] for row in await fetch(connection, _CUSTOMER_IDS, ids)]


async def lock_invitations(
    connection: AsyncConnection, invitation_ids: Collection[str], *, state: InvitationState
) -> list[Invitation]:
    """Return those of the invitations that are in `state`, for this transaction to move."""
    ids = json_text(list(invitation_ids))
    return _invitations(await fetch(connection, _INVITATIONS_LOCKED, ids, state.value))


async def lock_pending_of(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> list[Invitation]:
    """Return what waits to be sent to these customers, for this transaction to move."""
    if not customer_ids:
        return []
    ids = json_text(list(customer_ids))
    return _invitations(await fetch(connection, _PENDING_OF_LOCKED, ids))


async def save_moves(connection: AsyncConnection, invitations: Sequence[Invitation]) -> None:
    """Save where invitations stand that this transaction has locked."""
    await fetch(connection, _MOVE, encode(invitations).decode())


_TOUCHPOINT_COLUMNS: Final = (
    *("touchpoint_id", "source", "event_id", "customer_id", "name", "subject", "occurred_at"),
    *("decided_at", "facts", "verdict", "outcomes"),
)


def _touchpoint_row(entry: Entry, now: datetime) -> tuple[object, ...]:
    touchpoint = entry.touchpoint
    return (
        touchpoint.touchpoint_id,
        touchpoint.source,
        touchpoint.event_id,
        touchpoint.customer_id,
        touchpoint.name,
        touchpoint.subject,
        touchpoint.occurred_at,
        now,
        "{}" if entry.customer.erased_at else json_text(touchpoint.facts),
        entry.verdict,
        json_text([_outcome(outcome) for outcome in entry.outcomes]),
    )


def _outcome(outcome: Outcome) -> dict[str, object]:
    program = outcome.decision.program
    return {
        "program": program and program.program_id,
        "version": program and program.version,
        "invitation": outcome.invitation and outcome.invitation.invitation_id,
        "against": tuple(outcome.decision.against.items()),
    }


def _invitation_row(invitation: Invitation) -> tuple[object, ...]:
    row = asdict(invitation)
    row["channels"] = json_text(row["channels"])
    return tuple(row.values())


def _customers(rows: Sequence[Record]) -> dict[str, Customer]:
    return {row["customer_id"]: Customer(**row) for row in rows}


def _invitations(rows: Sequence[Record]) -> list[Invitation]:
    return [_invitation(**row) for row in rows]


def _invitation(*, state: str, type: str, channels: list[str], **same: Any) -> Invitation:  # noqa: A002
    return Invitation(
        state=_STATES[state],
        type=_TYPES[type],
        channels=tuple(_CHANNELS[channel] for channel in channels),
        **same,
    )
