"""Responses, and their history."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import json_text
from heardback.driver import Record, fetch
from heardback.vocabulary import Channel, Scale
from response_service.domain.answer import Answer, Response, Revision

COLUMNS: Final = """
    r.response_id, r.revision, r.scale, r.score, r.comment, r.drivers, r.alert_id, r.answered_at,
    r.client, r.taken_back_at
"""
_SCALES: Final = {scale.value: scale for scale in Scale}
_HELD = f"SELECT invitation_id, {COLUMNS} FROM response r WHERE invitation_id = ANY($1::text[])"
_SAVE = """
    WITH given AS (
        SELECT * FROM json_to_recordset($1::json) AS g (
            invitation_id text, response_id text, customer_id text, revision integer,
            survey_id text, survey_version integer, scale text, score smallint, comment text,
            drivers jsonb, alert_id text, answered_at timestamptz, client bytea,
            taken_back_at timestamptz, channel text, stands boolean
        )
    ), history AS (
        INSERT INTO response_revision (invitation_id, revision, customer_id, score, comment,
                                       drivers, answered_at, client, channel)
        SELECT invitation_id, revision, customer_id, score, comment,
               drivers, answered_at, client, channel
        FROM given WHERE channel IS NOT NULL
    )
    INSERT INTO response (invitation_id, response_id, customer_id, revision, survey_id,
                          survey_version, scale, score, comment, drivers, alert_id,
                          answered_at, client, taken_back_at)
    SELECT invitation_id, response_id, customer_id, revision, survey_id,
           survey_version, scale, score, comment, drivers, alert_id,
           answered_at, client, taken_back_at
    FROM given WHERE stands
    ON CONFLICT (invitation_id) DO UPDATE SET (
        revision, survey_id, survey_version, scale, score, comment, drivers, alert_id,
        answered_at, client, taken_back_at
    ) = (
        excluded.revision, excluded.survey_id, excluded.survey_version, excluded.scale,
        excluded.score, excluded.comment, excluded.drivers, excluded.alert_id,
        excluded.answered_at, excluded.client, excluded.taken_back_at
    )
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


async def load(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Response]:
    """Return the responses to these invitations, those that were taken back included."""
    rows = await fetch(connection, _HELD, list(ids))
    return {row["invitation_id"]: response_of(row) for row in rows}


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


async def save(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep answers, in order. Those with a `channel` are new; one that `stands` is the response.

    One at most stands of an invitation.
    """
    if rows:
        await fetch(connection, _SAVE, json_text(rows))


async def mark_taken_back(
    connection: AsyncConnection, revisions: Iterable[tuple[str, int]], *, now: datetime
) -> None:
    """Note that these answers (invitation and revision) were no person's."""
    pairs = list(revisions)
    bound = {"ids": [i for i, _ in pairs], "revisions": [r for _, r in pairs], "now": now}
    await connection.execute(_TAKE_BACK, bound)
