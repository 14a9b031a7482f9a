"""Load and save invitations and responses."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import RowMapping, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_new_rows
from heardback.vocabulary import Channel
from response_service.domain.answer import Answer, Response
from response_service.domain.invitation import Invitation
from response_service.tables import INVITATION

_NAMES: Final = tuple(Invitation.__slots__)
_BY_ID = select(INVITATION).where(INVITATION.c.invitation_id == text(":id"))
# Two tabs at once take turns here, the first answer included: there is no response row to lock yet.
_LOCK = _BY_ID.with_for_update()
_HELD = text("""
    SELECT response_id, revision, score, comment, alert_id, answered_at
    FROM response WHERE invitation_id = :id
""")
_SAVE = text("""
    WITH history AS (
        INSERT INTO response_revision
            (invitation_id, revision, customer_id, score, comment, answered_at)
        VALUES (:id, :revision, :customer_id, :score, :comment, :answered_at)
    )
    INSERT INTO response
        (invitation_id, response_id, customer_id, revision, score, comment, alert_id, answered_at)
    VALUES
        (:id, :response_id, :customer_id, :revision, :score, :comment, :alert_id, :answered_at)
    ON CONFLICT (invitation_id) DO UPDATE SET
        revision = excluded.revision, score = excluded.score, comment = excluded.comment,
        alert_id = excluded.alert_id, answered_at = excluded.answered_at
""")


async def insert_invitations(
    connection: AsyncConnection, invitations: Sequence[Invitation]
) -> None:
    """Save the invitations that are not known yet."""
    rows = [{name: getattr(invitation, name) for name in _NAMES} for invitation in invitations]
    await insert_new_rows(connection, INVITATION, rows, key=("invitation_id",))


async def load_invitation(connection: AsyncConnection, invitation_id: str) -> Invitation | None:
    """Return the invitation under this id."""
    row = (await connection.execute(_BY_ID, {"id": invitation_id})).mappings().first()
    return _invitation(row) if row else None


async def lock_invitation(connection: AsyncConnection, invitation_id: str) -> Invitation | None:
    """Return the invitation under this id, and hold it until the transaction ends."""
    row = (await connection.execute(_LOCK, {"id": invitation_id})).mappings().first()
    return _invitation(row) if row else None


async def load_response(connection: AsyncConnection, invitation_id: str) -> Response | None:
    """Return the answer to an invitation."""
    row = (await connection.execute(_HELD, {"id": invitation_id})).first()
    if row is None:
        return None
    return Response(
        response_id=row.response_id,
        revision=row.revision,
        answer=Answer(score=row.score, comment=row.comment),
        alert_id=row.alert_id,
        answered_at=row.answered_at,
    )


async def save_response(
    connection: AsyncConnection, invitation: Invitation, response: Response
) -> None:
    """Make `response` the answer that counts, and keep it in the history."""
    fields = {
        "id": invitation.invitation_id,
        "customer_id": invitation.customer_id,
        "response_id": response.response_id,
        "revision": response.revision,
        "score": response.answer.score,
        "comment": response.answer.comment,
        "alert_id": response.alert_id,
        "answered_at": response.answered_at,
    }
    await connection.execute(_SAVE, fields)


def _invitation(row: RowMapping) -> Invitation:
    fields: dict[str, Any] = {name: row[name] for name in _NAMES}
    return Invitation(**{**fields, "channel": Channel(row["channel"])})
