"""Visits to survey pages, kept for a day."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_rows
from response_service.domain.client import Kind
from response_service.domain.judging import Visit
from response_service.tables import VISIT

_LOAD = text("""
    SELECT invitation_id, score, client, kind, visited_at FROM visit
    WHERE invitation_id = ANY(CAST(:ids AS text[])) AND visited_at > :since
""")


async def insert(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write visits down."""
    await insert_rows(connection, VISIT, rows)


async def load(
    connection: AsyncConnection, ids: Collection[str], *, since: datetime
) -> Mapping[str, list[Visit]]:
    """Return who looked at the pages of these invitations since then."""
    visits: defaultdict[str, list[Visit]] = defaultdict(list)
    for row in await connection.execute(_LOAD, {"ids": list(ids), "since": since}):
        visits[row.invitation_id].append(
            Visit(
                score=row.score,
                client=row.client,
                kind=Kind(row.kind),
                visited_at=row.visited_at,
            )
        )
    return visits
