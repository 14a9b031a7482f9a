"""Customers as the product's events tell of them, and their erasure."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import Text, any_, bindparam, cast, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.customer import Customer
from closeloop_service.tables import CUSTOMER
from heardback.bulk import upsert_rows

_IDS: Final = any_(cast(bindparam("ids"), ARRAY(Text)))
_CUSTOMERS: Final = select(CUSTOMER).where(CUSTOMER.c.customer_id == _IDS)
_ERASED: Final = (
    select(CUSTOMER.c.customer_id)
    .where(CUSTOMER.c.customer_id == _IDS)
    .where(CUSTOMER.c.erased_at.is_not(None))
)
# Other topics' batches are written by other loops, perhaps at once. They share this lock and look
# for the erased after they have it; an erasure has it alone, so it finds all that they wrote.
_SHARE: Final = text("SELECT pg_advisory_xact_lock_shared(hashtext('closeloop erasure'))")
_ALONE: Final = text("SELECT pg_advisory_xact_lock(hashtext('closeloop erasure'))")
_FORGET: Final = (
    text("DELETE FROM story WHERE customer_id = ANY(CAST(:ids AS text[]))"),
    text("""
        UPDATE invitation SET recipient = NULL
        WHERE customer_id = ANY(CAST(:ids AS text[])) AND recipient IS NOT NULL
    """),
    text("""
        UPDATE answer SET comment = NULL
        WHERE customer_id = ANY(CAST(:ids AS text[])) AND comment IS NOT NULL
    """),
)
# What they said, and what was written to them and noted of them. Who did what, and when, stays.
_FORGET_WORDS: Final = (
    text("""
        UPDATE message SET subject = NULL, text = ''
        WHERE task_id IN (SELECT task_id FROM task WHERE customer_id = ANY(CAST(:ids AS text[])))
    """),
    text("""
        UPDATE task_history SET note = '', details = details - 'subject'
        WHERE task_id IN (SELECT task_id FROM task WHERE customer_id = ANY(CAST(:ids AS text[])))
            AND note <> ''
    """),
)
# Locked in the order of every other change of tasks. The line has open boards show it.
_FORGET_IN_TASKS: Final = text("""
    WITH known AS (
        SELECT task_id FROM task
        WHERE customer_id = ANY(CAST(:ids AS text[]))
            AND (jsonb_strip_nulls(recipient) <> '{}' OR comment IS NOT NULL)
        ORDER BY task_id FOR UPDATE
    ), blanked AS (
        UPDATE task SET recipient = '{}', comment = NULL, version = version + 1
        FROM known WHERE task.task_id = known.task_id
        RETURNING task.task_id, task.customer_id
    )
    INSERT INTO task_history (task_id, customer_id, occurred_at, what, note, details, changed_in)
    SELECT task_id, customer_id, :now, 'erased', '', '{}',
        CAST(CAST(pg_current_xact_id() AS text) AS bigint)
    FROM blanked
""")


async def load_customers(
    connection: AsyncConnection, customer_ids: Collection[str]
) -> dict[str, Customer]:
    """Return these customers by id; those that are new are not known to be anything yet."""
    rows = await connection.execute(_CUSTOMERS, {"ids": list(customer_ids)})
    known = {row.customer_id: Customer(**row._mapping) for row in rows}
    return {
        customer_id: known.get(customer_id) or Customer(customer_id=customer_id)
        for customer_id in customer_ids
    }


async def save_customers(connection: AsyncConnection, customers: Sequence[Customer]) -> None:
    """Save customers, each at most once."""
    rows = [asdict(customer) for customer in sorted(customers, key=lambda c: c.customer_id)]
    await upsert_rows(connection, CUSTOMER, rows, key=("customer_id",))


async def erased_of(connection: AsyncConnection, customer_ids: Collection[str]) -> set[str]:
    """Return those of whom nothing may be kept; nobody else is erased until this commits."""
    await connection.execute(_SHARE)
    rows = await connection.execute(_ERASED, {"ids": list(customer_ids)})
    return set(rows.scalars())


async def lock_erasure(connection: AsyncConnection) -> None:
    """Wait until no batch is under way that might write of customers who are erased now."""
    await connection.execute(_ALONE)


async def forget(
    connection: AsyncConnection, customer_ids: Collection[str], *, now: datetime
) -> bool:
    """Drop the stories of these customers, their words, and how to reach them.

    Tells whether tasks changed.
    """
    bound = {"ids": sorted(customer_ids)}
    for statement in _FORGET:
        await connection.execute(statement, bound)
    changed = await connection.execute(_FORGET_IN_TASKS, {**bound, "now": now})
    # After the tasks: whoever wrote of one meanwhile had it locked.
    for statement in _FORGET_WORDS:
        await connection.execute(statement, bound)
    return changed.rowcount > 0
