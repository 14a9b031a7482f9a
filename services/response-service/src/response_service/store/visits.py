"""Visits to survey pages, kept for a day."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_rows
from heardback.driver import fetch
from response_service.domain.client import Kind
from response_service.domain.judging import Visit
from response_service.tables import VISIT

# Most invitations are looked at once or twice, which tells nothing; those stay where they are.
_LOAD = """
    SELECT invitation_id, score, client, kind, visited_at FROM visit
    WHERE visited_at > $2 AND invitation_id = ANY(ARRAY(
        SELECT invitation_id FROM visit
        WHERE invitation_id = ANY($1::text[]) AND visited_at > $2
        GROUP BY invitation_id HAVING count(DISTINCT score) >= $3
    ))
"""


async def insert(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write visits down."""
    await insert_rows(connection, VISIT, rows)


async def load(
    connection: AsyncConnection, ids: Collection[str], *, since: datetime, links: int
) -> Mapping[str, list[Visit]]:
    """Return who looked at the pages of these invitations since then.

    Where fewer than `links` different ones were followed, that is nobody.
    """
    visits: defaultdict[str, list[Visit]] = defaultdict(list)
    for row in await fetch(connection, _LOAD, list(ids), since, links):
        visits[row["invitation_id"]].append(
            Visit(
                score=row["score"],
                client=row["client"],
                kind=Kind(row["kind"]),
                visited_at=row["visited_at"],
            )
        )
    return visits
