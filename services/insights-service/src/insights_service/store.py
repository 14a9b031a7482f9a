"""Facts and rollups, in bulk: a few statements a batch, whatever its size.

Rows are written in the order of their keys, facts before rollups, so that replicas which meet on
the same rows wait for each other and never in a circle.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Table, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_new_rows, upsert_rows
from heardback.vocabulary import Category, Scale
from insights_service.domain.facts import Alert, Cell, Decision, Fact, InvitationStep, TaskStep
from insights_service.domain.facts import Response as ResponseFact
from insights_service.tables import ALERT, DECISION, INVITATION_STEP, RESPONSE, TASK_STEP

FactT = TypeVar("FactT", bound=Fact)

TABLES: Final[Mapping[type[Fact], Table]] = {
    Decision: DECISION,
    InvitationStep: INVITATION_STEP,
    ResponseFact: RESPONSE,
    Alert: ALERT,
    TaskStep: TASK_STEP,
}
"""Where the facts of each kind are kept; the primary key is their natural key."""

_RESPONSES_OF: Final = (
    select(RESPONSE)
    .where(RESPONSE.c.response_id == text("ANY(CAST(:ids AS text[]))"))
    .order_by(RESPONSE.c.response_id)
    .with_for_update()
)
_ADD: Final = text("""
    INSERT INTO rollup (measure, detail, day, program_id, touchpoint, segment, count)
    SELECT * FROM unnest(
        CAST(:measures AS text[]), CAST(:details AS text[]), CAST(:days AS date[]),
        CAST(:programs AS text[]), CAST(:touchpoints AS text[]), CAST(:segments AS text[]),
        CAST(:counts AS bigint[]))
    ON CONFLICT (measure, detail, day, program_id, touchpoint, segment)
    DO UPDATE SET count = rollup.count + excluded.count
""")


async def add_new(connection: AsyncConnection, facts: Sequence[FactT]) -> list[FactT]:
    """Keep the `facts`, all of one kind, that are not known yet; return those."""
    if not facts:
        return []
    table = TABLES[type(facts[0])]
    key = [column.name for column in table.primary_key]
    by_key = {tuple(getattr(fact, name) for name in key): fact for fact in reversed(facts)}
    rows = [_row(table, by_key[natural]) for natural in sorted(by_key)]
    new = await insert_new_rows(connection, table, rows, key=key)
    return [by_key[natural] for natural in sorted(new)]


async def lock_responses(
    connection: AsyncConnection, response_ids: Sequence[str]
) -> dict[str, ResponseFact]:
    """Return the responses under these ids as they stand, by id; nobody changes them meanwhile."""
    if not response_ids:
        return {}
    rows = await connection.execute(_RESPONSES_OF, {"ids": list(response_ids)})
    return {row.response_id: _response(row._asdict()) for row in rows}


async def replace_responses(connection: AsyncConnection, facts: Sequence[ResponseFact]) -> None:
    """Keep these responses in place of their earlier revisions."""
    rows = [_row(RESPONSE, fact) for fact in facts]
    await upsert_rows(connection, RESPONSE, rows, key=("response_id",))


async def add_to_rollups(connection: AsyncConnection, changes: Mapping[Cell, int]) -> None:
    """Change each rollup by its count; last in a transaction, since others wait for these rows."""
    if not changes:
        return
    cells = sorted(changes)
    await connection.execute(
        _ADD,
        {
            "measures": [cell.measure for cell in cells],
            "details": [cell.detail for cell in cells],
            "days": [cell.day for cell in cells],
            "programs": [cell.program_id for cell in cells],
            "touchpoints": [cell.touchpoint for cell in cells],
            "segments": [cell.segment for cell in cells],
            "counts": [changes[cell] for cell in cells],
        },
    )


def _row(table: Table, fact: Fact) -> dict[str, Any]:
    return {column.name: getattr(fact, column.name) for column in table.c}


def _response(row: Mapping[str, Any]) -> ResponseFact:
    words = {"category": Category(row["category"]), "scale": Scale(row["scale"])}
    return ResponseFact(**{**row, **words})
