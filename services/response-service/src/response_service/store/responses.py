"""Responses, and their history."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_rows, upsert_rows
from heardback.driver import fetch
from heardback.vocabulary import Channel, Scale
from response_service.domain.answer import Answer, Response, Revision
from response_service.domain.judging import SHORTEST_REPEATED_TEXT
from response_service.tables import RESPONSE, RESPONSE_REVISION

_HELD = """
    SELECT invitation_id, response_id, revision, scale, score, comment, drivers, alert_id,
           answered_at, client, taken_back_at
    FROM response WHERE invitation_id = ANY($1::text[])
"""
_HISTORY = text("""
    SELECT v.invitation_id, v.revision, r.scale, v.score, v.comment, v.drivers, v.client,
           v.channel, v.answered_at, v.taken_back_at IS NOT NULL AS taken_back
    FROM response_revision v JOIN response r ON r.invitation_id = v.invitation_id
    WHERE v.invitation_id = ANY(CAST(:ids AS text[])) ORDER BY v.invitation_id, v.revision
""").columns(drivers=JSONB)
_TAKE_BACK = text("""
    UPDATE response_revision v SET taken_back_at = :now
    FROM unnest(CAST(:ids AS text[]), CAST(:revisions AS integer[])) AS g (invitation_id, revision)
    WHERE v.invitation_id = g.invitation_id AND v.revision = g.revision
""")
# By the hash, which is indexed; what is the same by chance of the hash is the same to a judge.
# The newest are enough to tell, however many thousands wrote the same.
_REPEATS = """
    SELECT given.comment, array_agg(DISTINCT newest.customer_id) AS customers
    FROM unnest($1::text[]) AS given (comment) CROSS JOIN LATERAL (
        SELECT customer_id FROM response
        WHERE md5(comment) = md5(given.comment) AND answered_at > $2
        ORDER BY answered_at DESC LIMIT 20
    ) AS newest
    GROUP BY given.comment
"""


async def load(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Response]:
    """Return the responses to these invitations, those that were taken back included."""
    return {
        row["invitation_id"]: Response(
            response_id=row["response_id"],
            revision=row["revision"],
            answer=Answer(
                scale=Scale(row["scale"]),
                score=row["score"],
                comment=row["comment"],
                drivers=row["drivers"],
            ),
            alert_id=row["alert_id"],
            answered_at=row["answered_at"],
            client=row["client"],
            taken_back_at=row["taken_back_at"],
        )
        for row in await fetch(connection, _HELD, list(ids))
    }


async def load_history(
    connection: AsyncConnection, ids: Collection[str]
) -> dict[str, list[Revision]]:
    """Return every answer to these invitations that ever counted, the oldest first."""
    histories: dict[str, list[Revision]] = {}
    for row in await connection.execute(_HISTORY, {"ids": list(ids)}):
        revision = Revision(
            revision=row.revision,
            answer=Answer(
                scale=Scale(row.scale), score=row.score, comment=row.comment, drivers=row.drivers
            ),
            client=row.client,
            answered_at=row.answered_at,
            taken_back=row.taken_back,
            channel=Channel(row.channel) if row.channel else None,
        )
        histories.setdefault(row.invitation_id, []).append(revision)
    return histories


async def save(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make these the responses; `rows` name an invitation once."""
    await upsert_rows(connection, RESPONSE, rows, key=("invitation_id",))


async def append_history(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep answers that count from now on."""
    await insert_rows(connection, RESPONSE_REVISION, rows)


async def mark_taken_back(
    connection: AsyncConnection, revisions: Iterable[tuple[str, int]], *, now: datetime
) -> None:
    """Note that these answers (invitation and revision) were no person's."""
    pairs = list(revisions)
    bound = {"ids": [i for i, _ in pairs], "revisions": [r for _, r in pairs], "now": now}
    await connection.execute(_TAKE_BACK, bound)


async def load_repeats(
    connection: AsyncConnection, comments: Collection[str], *, since: datetime
) -> dict[str, frozenset[str]]:
    """Return who wrote each of these comments lately, of many some; short ones are passed over."""
    long = [comment for comment in comments if len(comment) >= SHORTEST_REPEATED_TEXT]
    if not long:
        return {}
    rows = await fetch(connection, _REPEATS, long, since)
    return {row["comment"]: frozenset(row["customers"]) for row in rows}
