"""Responses, and their history."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.driver import Record, copy, fetch
from heardback.vocabulary import Channel, Scale
from response_service.domain.answer import Answer, Response, Revision
from response_service.tables import RESPONSE_REVISION

COLUMNS: Final = """
    r.response_id, r.revision, r.scale, r.score, r.comment, r.drivers, r.alert_id, r.answered_at,
    r.client, r.taken_back_at
"""
# The limit of one has Postgres look each one up by its key: it would rather read a small table.
NEWEST: Final = """
    LEFT JOIN LATERAL (
        SELECT * FROM response_revision WHERE invitation_id = sent.invitation_id
        ORDER BY revision DESC LIMIT 1
    ) AS r ON true
"""
_SCALES: Final = {scale.value: scale for scale in Scale}
_HELD = f"""
    SELECT sent.invitation_id, {COLUMNS} FROM unnest($1::text[]) AS sent (invitation_id) {NEWEST}
"""
_HISTORY = text("""
    SELECT invitation_id, revision, scale, score, comment, drivers, client, channel, answered_at,
           taken_back_at IS NOT NULL AS taken_back
    FROM response_revision
    WHERE invitation_id = ANY(CAST(:ids AS text[])) ORDER BY invitation_id, revision
""").columns(drivers=JSONB)
# Of what is gone, nobody is told any more; an alert that holds on has gone over to what counts now.
_TAKE_BACK = text("""
    UPDATE response_revision v SET taken_back_at = :now, alert_id = NULL
    FROM unnest(CAST(:ids AS text[]), CAST(:revisions AS integer[])) AS g (invitation_id, revision)
    WHERE v.invitation_id = g.invitation_id AND v.revision = g.revision
""")


class Said(Struct, frozen=True, kw_only=True):
    """A row: an answer that counts from now on. `drivers`: as JSON text."""

    invitation_id: str
    revision: int
    response_id: str
    customer_id: str
    survey_id: str
    survey_version: int
    scale: Scale
    score: int
    comment: str | None
    drivers: str
    alert_id: str | None
    answered_at: datetime
    client: bytes | None
    channel: Channel


async def load(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Response]:
    """Return the responses to these invitations, those that were taken back included."""
    rows = await fetch(connection, _HELD, list(ids))
    return {row["invitation_id"]: response_of(row) for row in rows if row["revision"]}


def response_of(row: Record) -> Response:
    """Return the response in a row that holds `COLUMNS`."""
    return Response(
        response_id=row["response_id"],
        revision=row["revision"],
        answer=Answer(
            scale=_SCALES[row["scale"]],
            score=row["score"],
            comment=row["comment"],
            drivers=row["drivers"],
        ),
        alert_id=row["alert_id"],
        answered_at=row["answered_at"],
        client=row["client"],
        taken_back_at=row["taken_back_at"],
    )


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


async def save(connection: AsyncConnection, said: Sequence[Said]) -> None:
    """Keep answers. The last one to an invitation is the response from now on."""
    await copy(connection, RESPONSE_REVISION, Said.__struct_fields__, list(map(astuple, said)))


async def mark_taken_back(
    connection: AsyncConnection, revisions: Iterable[tuple[str, int]], *, now: datetime
) -> None:
    """Note that these answers (invitation and revision) were no person's."""
    pairs = list(revisions)
    bound = {"ids": [i for i, _ in pairs], "revisions": [r for _, r in pairs], "now": now}
    await connection.execute(_TAKE_BACK, bound)
