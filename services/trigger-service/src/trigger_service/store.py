"""Programs, customers, touchpoints, decisions and invitations: loaded and saved in bulk.

Rows are locked in one order, so that replicas wait for each other and never in a circle:
touchpoints by id, customers by id, timers, invitations by id.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Result, Table, Text, any_, bindparam, cast, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_new_rows, insert_rows, upsert_rows
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import State
from trigger_service.domain.invitation import Invitation, InvitationState, Slot
from trigger_service.domain.ledger import Entry
from trigger_service.domain.program import Program, ProgramState
from trigger_service.domain.touchpoint import Touchpoint
from trigger_service.tables import CUSTOMER, DECISION, INVITATION, PROGRAM, TOUCHPOINT

_IDS: Final = any_(cast(bindparam("ids"), ARRAY(Text)))
_CUSTOMERS: Final = select(CUSTOMER).where(CUSTOMER.c.customer_id == _IDS)
_CUSTOMERS_LOCKED: Final = _CUSTOMERS.order_by(CUSTOMER.c.customer_id).with_for_update()
_SLOTS: Final = text("""
    SELECT customer_id, program_id, type, send_at FROM invitation
    WHERE customer_id = ANY(CAST(:ids AS text[])) AND state IN ('pending', 'requested')
    ORDER BY send_at
""")
_PENDING_OF: Final = text("""
    SELECT invitation_id FROM invitation
    WHERE customer_id = ANY(CAST(:ids AS text[])) AND state = 'pending'
""")
_INVITATIONS_LOCKED: Final = (
    select(INVITATION)
    .where(INVITATION.c.invitation_id == _IDS, INVITATION.c.state == bindparam("state"))
    .order_by(INVITATION.c.invitation_id)
    .with_for_update()
)
_MOVE: Final = text("""
    UPDATE invitation i SET state = m.state, reason = m.reason
    FROM unnest(CAST(:ids AS text[]), CAST(:states AS text[]), CAST(:reasons AS text[]))
         AS m (invitation_id, state, reason)
    WHERE i.invitation_id = m.invitation_id
""")
_ARCHIVE_OTHERS: Final = text("""
    UPDATE program SET state = 'archived' WHERE NOT program_id = ANY(CAST(:ids AS text[]))
""")


async def replace_programs(connection: AsyncConnection, programs: Sequence[Program]) -> None:
    """Keep `programs` as they are now; archive all others."""
    rows = [_row(PROGRAM, p) for p in sorted(programs, key=lambda program: program.program_id)]
    await upsert_rows(connection, PROGRAM, rows, key=("program_id",))
    await connection.execute(_ARCHIVE_OTHERS, {"ids": [p.program_id for p in programs]})


async def load_programs(connection: AsyncConnection) -> dict[str, Program]:
    """Return every program by its id, archived ones included."""
    rows = await connection.execute(select(PROGRAM))
    return {row.program_id: _program(row._mapping) for row in rows}


async def add_touchpoints(
    connection: AsyncConnection, touchpoints: Sequence[Touchpoint], *, now: datetime
) -> list[Touchpoint]:
    """Keep the touchpoints that are not known yet; return those, in the order given."""
    first: dict[str, Touchpoint] = {}
    for touchpoint in touchpoints:
        first.setdefault(touchpoint.touchpoint_id, touchpoint)
    rows = [
        {
            "touchpoint_id": key,
            "source": touchpoint.source,
            "event_id": touchpoint.event_id,
            "customer_id": touchpoint.customer_id,
            "name": touchpoint.name,
            "occurred_at": touchpoint.occurred_at,
            "received_at": now,
        }
        for key, touchpoint in sorted(first.items())
    ]
    new = await insert_new_rows(connection, TOUCHPOINT, rows, key=("touchpoint_id",))
    return [touchpoint for key, touchpoint in first.items() if (key,) in new]


async def lock_customers(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, Customer]:
    """Return these customers by id, new ones as unknown; nobody else decides on them meanwhile."""
    ids = sorted(set(customer_ids))
    rows = [{"customer_id": customer_id} for customer_id in ids]
    await insert_new_rows(connection, CUSTOMER, rows, key=("customer_id",))
    return _customers(await connection.execute(_CUSTOMERS_LOCKED, {"ids": ids}))


async def load_customers(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, Customer]:
    """Return these customers by id, as they are right now."""
    return _customers(await connection.execute(_CUSTOMERS, {"ids": list(customer_ids)}))


async def lock_states(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, State]:
    """Return what decisions on these customers rest upon; nobody else decides meanwhile."""
    customers = await lock_customers(connection, customer_ids)
    slots: dict[str, list[Slot]] = {customer_id: [] for customer_id in customers}
    # A statement of its own, after the lock: it sees the slots of whoever held the lock before.
    for row in await connection.execute(_SLOTS, {"ids": list(customers)}):
        slot = Slot(program_id=row.program_id, type=ProgramType(row.type), send_at=row.send_at)
        slots[row.customer_id].append(slot)
    return {
        key: State(customer=customer, slots=tuple(slots[key]))
        for key, customer in customers.items()
    }


async def save_customers(connection: AsyncConnection, customers: Sequence[Customer]) -> None:
    """Save customers that this transaction has locked."""
    rows = [_row(CUSTOMER, customer) for customer in customers]
    await upsert_rows(connection, CUSTOMER, rows, key=("customer_id",))


async def add_entries(
    connection: AsyncConnection, entries: Sequence[Entry], *, now: datetime
) -> None:
    """Keep decisions, and the invitations that they led to."""
    decisions = [
        {
            "customer_id": entry.customer.customer_id,
            "decision_id": entry.decision_id,
            "touchpoint_id": entry.touchpoint.touchpoint_id,
            "source": entry.touchpoint.source,
            "program_id": entry.program_id,
            "invitation_id": entry.invitation and entry.invitation.invitation_id,
            "verdict": entry.verdict,
            "reasons": entry.decision.reasons,
            "is_decisive": entry.is_decisive,
            "decided_at": now,
        }
        for entry in entries
    ]
    await insert_rows(connection, DECISION, decisions)
    invitations = [_row(INVITATION, entry.invitation) for entry in entries if entry.invitation]
    await insert_rows(connection, INVITATION, invitations)


async def pending_invitations_of(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> list[str]:
    """Return the ids of what waits to be sent to these customers."""
    return list((await connection.execute(_PENDING_OF, {"ids": list(customer_ids)})).scalars())


async def lock_invitations(
    connection: AsyncConnection, invitation_ids: Collection[str], *, state: InvitationState
) -> list[Invitation]:
    """Return those of the invitations that are in `state`, for this transaction to move."""
    bound = {"ids": list(invitation_ids), "state": state}
    rows = await connection.execute(_INVITATIONS_LOCKED, bound)
    return [_invitation(row._mapping) for row in rows]


async def save_moves(connection: AsyncConnection, invitations: Sequence[Invitation]) -> None:
    """Save the state and the reason of invitations that this transaction has locked."""
    await connection.execute(
        _MOVE,
        {
            "ids": [invitation.invitation_id for invitation in invitations],
            "states": [invitation.state for invitation in invitations],
            "reasons": [invitation.reason for invitation in invitations],
        },
    )


def _row(table: Table, item: object) -> dict[str, Any]:
    return {column.name: getattr(item, column.name) for column in table.c}


def _customers(rows: Result[Any]) -> dict[str, Customer]:
    # Each row's own mapping takes three times as long, and every touchpoint comes by here.
    names = list(rows.keys())
    customers = (Customer(**dict(zip(names, row, strict=True))) for row in rows)
    return {customer.customer_id: customer for customer in customers}


def _program(row: Mapping[Any, Any]) -> Program:
    words = {
        "state": ProgramState(row["state"]),
        "type": ProgramType(row["type"]),
        "channel": Channel(row["channel"]),
    }
    return Program(**{**row, **words})


def _invitation(row: Mapping[Any, Any]) -> Invitation:
    words = {
        "state": InvitationState(row["state"]),
        "type": ProgramType(row["type"]),
        "channel": Channel(row["channel"]),
    }
    return Invitation(**{**row, **words})
