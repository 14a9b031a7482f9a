"""Customers, touchpoints and invitations: loaded and saved in bulk.

Rows are locked in one order, so that replicas wait for each other and never in a circle: timers,
customers by id, invitations by id, counts by key. Touchpoints are only ever added.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Result, Table, Text, any_, bindparam, cast, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_new_rows, insert_rows, upsert_rows
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import State
from trigger_service.domain.invitation import Invitation, InvitationState, Slot
from trigger_service.domain.ledger import Entry, Outcome
from trigger_service.domain.touchpoint import Revocation, Touchpoint
from trigger_service.tables import CUSTOMER, INVITATION, REVOCATION, TOUCHPOINT

LONGEST_COOLDOWN: Final = timedelta(days=3650)
"""No program may have a longer one; a slot that is older says nothing any more."""

_IDS: Final = any_(cast(bindparam("ids"), ARRAY(Text)))
_CUSTOMERS: Final = (
    select(CUSTOMER).where(CUSTOMER.c.customer_id == _IDS).order_by(CUSTOMER.c.customer_id)
)
_CUSTOMERS_LOCKED: Final = _CUSTOMERS.with_for_update()
_KNOWN: Final = select(TOUCHPOINT.c.touchpoint_id).where(TOUCHPOINT.c.touchpoint_id == _IDS)
_SLOTS: Final = text("""
    SELECT customer_id, program_id, type, send_at, state FROM invitation
    WHERE customer_id = ANY(CAST(:ids AS text[])) AND state IN ('pending', 'requested', 'shadow')
      AND send_at > :since
    ORDER BY send_at
""")
_REVOCATIONS: Final = text("""
    SELECT customer_id, subject, revoked_at, reason FROM revocation
    WHERE customer_id = ANY(CAST(:ids AS text[]))
""")
_CUSTOMER_IDS: Final = text("""
    SELECT DISTINCT customer_id FROM invitation WHERE invitation_id = ANY(CAST(:ids AS text[]))
""")
_INVITATIONS_LOCKED: Final = (
    select(INVITATION)
    .where(INVITATION.c.invitation_id == _IDS, INVITATION.c.state == bindparam("state"))
    .order_by(INVITATION.c.invitation_id)
    .with_for_update()
)
_PENDING_OF_LOCKED: Final = (
    select(INVITATION)
    .where(INVITATION.c.customer_id == _IDS, INVITATION.c.state == InvitationState.PENDING.value)
    .order_by(INVITATION.c.invitation_id)
    .with_for_update()
)
_MOVE: Final = text("""
    UPDATE invitation i SET state = m.state, reason = m.reason, send_at = m.send_at
    FROM unnest(CAST(:ids AS text[]), CAST(:states AS text[]), CAST(:reasons AS text[]),
                CAST(:times AS timestamptz[])) AS m (invitation_id, state, reason, send_at)
    WHERE i.invitation_id = m.invitation_id
""")
_FORGET_FACTS: Final = text("""
    UPDATE touchpoint SET facts = '{}' WHERE customer_id = ANY(CAST(:ids AS text[]))
""")


async def lock_customers(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, Customer]:
    """Return these customers by id, new ones as unknown; nobody else decides on them meanwhile."""
    ids = sorted(set(customer_ids))
    known = _customers(await connection.execute(_CUSTOMERS_LOCKED, {"ids": ids}))
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
    customers |= _customers(await connection.execute(_CUSTOMERS, {"ids": list(customers)}))
    return await _states(connection, customers, now=now)


async def _states(
    connection: AsyncConnection, customers: Mapping[str, Customer], *, now: datetime
) -> dict[str, State]:
    slots: dict[str, list[Slot]] = {customer_id: [] for customer_id in customers}
    bound = {"ids": list(customers), "since": now - LONGEST_COOLDOWN}
    for customer_id, program_id, kind, send_at, state in await connection.execute(_SLOTS, bound):
        slots[customer_id].append(
            Slot(
                program_id=program_id,
                type=ProgramType(kind),
                send_at=send_at,
                state=InvitationState(state),
            )
        )
    revocations: dict[str, dict[str, Revocation]] = {}
    for row in await connection.execute(_REVOCATIONS, {"ids": list(customers)}):
        revocations.setdefault(row.customer_id, {})[row.subject] = Revocation(**row._mapping)
    return {
        key: State(customer=customer, slots=tuple(slots[key]), revocations=revocations.get(key, {}))
        for key, customer in customers.items()
    }


async def _add_customers(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, Customer]:
    """Add customers of whom nothing is known; return them, or what another replica just knew."""
    unknown = {key: Customer(customer_id=key) for key in customer_ids}
    rows = [_customer_row(customer) for customer in unknown.values()]
    added = await insert_new_rows(connection, CUSTOMER, rows, key=("customer_id",))
    others = [key for key in customer_ids if (key,) not in added]
    if others:
        unknown |= _customers(await connection.execute(_CUSTOMERS_LOCKED, {"ids": others}))
    return unknown


async def save_customers(connection: AsyncConnection, customers: Iterable[Customer]) -> None:
    """Save customers that this transaction has locked."""
    rows = [_customer_row(customer) for customer in customers]
    await upsert_rows(connection, CUSTOMER, rows, key=("customer_id",))


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
    known = set((await connection.execute(_KNOWN, {"ids": list(first)})).scalars())
    return [touchpoint for key, touchpoint in first.items() if key not in known]


async def add_entries(
    connection: AsyncConnection, entries: Sequence[Entry], *, now: datetime
) -> None:
    """Keep touchpoints with what was decided, and the invitations that this led to.

    Raises: DBAPIError when another replica decided on one of them just now; the batch is tried
    again, and then finds it.
    """
    await insert_rows(connection, TOUCHPOINT, [_touchpoint_row(entry, now) for entry in entries])
    invitations = [
        _row(INVITATION, outcome.invitation)
        for entry in entries
        for outcome in entry.outcomes
        if outcome.invitation is not None
    ]
    await insert_rows(connection, INVITATION, invitations)


async def save_revocations(connection: AsyncConnection, revocations: Iterable[Revocation]) -> None:
    """Save what was undone, of customers that this transaction has locked."""
    rows = [_row(REVOCATION, revocation) for revocation in revocations]
    await upsert_rows(connection, REVOCATION, rows, key=("customer_id", "subject"))


async def customers_of(
    connection: AsyncConnection, invitation_ids: Collection[str]
) -> Sequence[str]:
    """Return the ids of the customers whom these invitations are for."""
    rows = await connection.execute(_CUSTOMER_IDS, {"ids": list(invitation_ids)})
    return rows.scalars().all()


async def lock_invitations(
    connection: AsyncConnection, invitation_ids: Collection[str], *, state: InvitationState
) -> list[Invitation]:
    """Return those of the invitations that are in `state`, for this transaction to move."""
    bound = {"ids": list(invitation_ids), "state": state}
    return _invitations(await connection.execute(_INVITATIONS_LOCKED, bound))


async def lock_pending_of(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> list[Invitation]:
    """Return what waits to be sent to these customers, for this transaction to move."""
    if not customer_ids:
        return []
    bound = {"ids": list(customer_ids)}
    return _invitations(await connection.execute(_PENDING_OF_LOCKED, bound))


async def save_moves(connection: AsyncConnection, invitations: Sequence[Invitation]) -> None:
    """Save where invitations stand that this transaction has locked."""
    await connection.execute(
        _MOVE,
        {
            "ids": [invitation.invitation_id for invitation in invitations],
            "states": [invitation.state for invitation in invitations],
            "reasons": [invitation.reason for invitation in invitations],
            "times": [invitation.send_at for invitation in invitations],
        },
    )


def _row(table: Table, item: object) -> dict[str, Any]:
    names, values = _columns(table)
    return dict(zip(names, values(item), strict=True))


@cache
def _columns(table: Table) -> tuple[tuple[str, ...], "attrgetter[tuple[Any, ...]]"]:
    names = tuple(str(column.name) for column in table.c)
    return names, attrgetter(*names)


def _customer_row(customer: Customer) -> dict[str, Any]:
    return _row(CUSTOMER, customer)


def _touchpoint_row(entry: Entry, now: datetime) -> dict[str, Any]:
    touchpoint = entry.touchpoint
    return {
        "touchpoint_id": touchpoint.touchpoint_id,
        "source": touchpoint.source,
        "event_id": touchpoint.event_id,
        "customer_id": touchpoint.customer_id,
        "name": touchpoint.name,
        "subject": touchpoint.subject,
        "occurred_at": touchpoint.occurred_at,
        "decided_at": now,
        "facts": {} if entry.customer.erased_at else touchpoint.facts,
        "verdict": entry.verdict,
        "outcomes": [_outcome(outcome) for outcome in entry.outcomes],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    program = outcome.decision.program
    return {
        "program": program and program.program_id,
        "version": program and program.version,
        "invitation": outcome.invitation and outcome.invitation.invitation_id,
        "against": list(outcome.decision.against.items()),
    }


def _customers(rows: Result[Any]) -> dict[str, Customer]:
    # Each row's own mapping takes three times as long, and every touchpoint comes by here.
    names = list(rows.keys())
    customers = (_customer(dict(zip(names, row, strict=True))) for row in rows)
    return {customer.customer_id: customer for customer in customers}


def _customer(row: dict[str, Any]) -> Customer:
    del row["bucket"]
    return Customer(**row)


def _invitations(rows: Result[Any]) -> list[Invitation]:
    return [_invitation(row._mapping) for row in rows]


def _invitation(row: Mapping[Any, Any]) -> Invitation:
    words = {
        "state": InvitationState(row["state"]),
        "type": ProgramType(row["type"]),
        "channels": tuple(Channel(channel) for channel in row["channels"]),
    }
    return Invitation(**{**row, **words})
