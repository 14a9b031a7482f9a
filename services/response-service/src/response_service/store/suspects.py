"""The quarantine: suspect answers, and what was decided about them."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_rows
from heardback.vocabulary import Channel, Scale
from response_service.domain.answer import Answer
from response_service.domain.judging import Reason
from response_service.domain.quarantine import State, Suspect
from response_service.tables import QUARANTINE

COLUMNS: Final = """
    quarantine_id, invitation_id, customer_id, scale, score, comment, drivers, reasons,
    answered_at, quarantined_at, client, channel, state, decided_at, decided_by
"""
TYPES: Final[dict[str, Any]] = {"drivers": JSONB, "reasons": JSONB}
_LOCK = text(f"""
    SELECT {COLUMNS} FROM quarantine WHERE quarantine_id = :id FOR UPDATE
""").columns(**TYPES)
_FIND = text("SELECT invitation_id FROM quarantine WHERE quarantine_id = :id")
_NEWEST = text(f"""
    SELECT DISTINCT ON (invitation_id) {COLUMNS} FROM quarantine
    WHERE invitation_id = ANY(CAST(:ids AS text[])) AND state = :state
    ORDER BY invitation_id, quarantined_at DESC, quarantine_id DESC
""").columns(**TYPES)
_SETTLE = text("""
    UPDATE quarantine SET state = :state, decided_at = :decided_at, decided_by = :decided_by
    WHERE quarantine_id = :id
""")


async def insert(connection: AsyncConnection, suspects: Sequence[Suspect]) -> None:
    """Put suspect answers into the quarantine."""
    await insert_rows(connection, QUARANTINE, [_row(suspect) for suspect in suspects])


async def load_newest(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Suspect]:
    """Return the newest answer to each of these invitations that waits for a decision."""
    rows = await connection.execute(_NEWEST, {"ids": list(ids), "state": State.HELD.value})
    return {row.invitation_id: suspect_of(row) for row in rows}


async def find_invitation(connection: AsyncConnection, quarantine_id: str) -> str | None:
    """Return which invitation a suspect answer is to."""
    found: str | None = await connection.scalar(_FIND, {"id": quarantine_id})
    return found


async def lock(connection: AsyncConnection, quarantine_id: str) -> Suspect | None:
    """Return a suspect answer, and hold it until the transaction ends."""
    row = (await connection.execute(_LOCK, {"id": quarantine_id})).first()
    return suspect_of(row) if row else None


async def settle(connection: AsyncConnection, suspect: Suspect) -> None:
    """Save what was decided."""
    fields = {
        "id": suspect.quarantine_id,
        "state": suspect.state.value,
        "decided_at": suspect.decided_at,
        "decided_by": suspect.decided_by,
    }
    await connection.execute(_SETTLE, fields)


def suspect_of(row: Row[Any]) -> Suspect:
    """Return the suspect answer in a row of `COLUMNS`."""
    return Suspect(
        quarantine_id=row.quarantine_id,
        invitation_id=row.invitation_id,
        customer_id=row.customer_id,
        answer=Answer(
            scale=Scale(row.scale), score=row.score, comment=row.comment, drivers=row.drivers
        ),
        reasons=tuple(Reason(reason) for reason in row.reasons),
        answered_at=row.answered_at,
        quarantined_at=row.quarantined_at,
        client=row.client,
        channel=Channel(row.channel) if row.channel else None,
        state=State(row.state),
        decided_at=row.decided_at,
        decided_by=row.decided_by,
    )


def _row(suspect: Suspect) -> dict[str, Any]:
    return {
        "quarantine_id": suspect.quarantine_id,
        "invitation_id": suspect.invitation_id,
        "customer_id": suspect.customer_id,
        "scale": suspect.answer.scale,
        "score": suspect.answer.score,
        "comment": suspect.answer.comment,
        "drivers": dict(suspect.answer.drivers),
        "reasons": suspect.reasons,
        "answered_at": suspect.answered_at,
        "quarantined_at": suspect.quarantined_at,
        "client": suspect.client,
        "channel": suspect.channel,
        "state": suspect.state,
        "decided_at": suspect.decided_at,
        "decided_by": suspect.decided_by,
    }
