"""Load and save invitations, attempts and suppressions, a batch in each statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.domain.invitation import Claim, DropReason, Invitation, Result, State
from dispatch_service.tables import ATTEMPT, INVITATION, SUPPRESSION
from heardback.bulk import insert_new_rows, insert_rows
from heardback.vocabulary import Channel

ALL_SURVEYS: Final = "all"
"""The scope of a suppression that covers every program."""

_COLUMNS: Final = """i.invitation_id, i.customer_id, i.program_id, i.touchpoint, i.survey_id,
    i.segment, i.channel, i.email, i.name, i.occurred_at, i.expires_at, i.traceparent"""

# `now` is a parameter: a volatile bound can't limit the index scan.
_DUE = text(f"""
    SELECT {_COLUMNS}, i.attempts, i.state, EXISTS (
        SELECT FROM suppression s WHERE s.customer_id = i.customer_id
        UNION ALL SELECT FROM suppression s WHERE s.address = lower(i.email)
    ) AS suppressed
    FROM invitation i
    WHERE i.due_at <= :now ORDER BY i.due_at LIMIT :limit
    FOR UPDATE OF i SKIP LOCKED
""")
_MARK_SENDING = text("""
    UPDATE invitation SET state = 'sending', attempts = attempts + 1, due_at = :lease_until
    WHERE invitation_id = ANY(CAST(:ids AS text[]))
""")
_MARK_DROPPED = text("""
    UPDATE invitation i
    SET state = 'dropped', drop_reason = d.reason, due_at = NULL, settled_at = :now
    FROM unnest(CAST(:ids AS text[]), CAST(:reasons AS text[])) AS d (invitation_id, reason)
    WHERE i.invitation_id = d.invitation_id
""")
_LOCK_QUEUED = text(f"""
    SELECT {_COLUMNS} FROM invitation i
    WHERE i.invitation_id = ANY(CAST(:ids AS text[])) AND i.state = 'queued'
    ORDER BY i.invitation_id FOR UPDATE
""")
_FINISH_ATTEMPTS = text("""
    UPDATE attempt a SET finished_at = r.finished_at, outcome = r.outcome, detail = r.detail
    FROM unnest(
        CAST(:ids AS text[]), CAST(:numbers AS int[]), CAST(:finished AS timestamptz[]),
        CAST(:outcomes AS text[]), CAST(:details AS text[])
    ) AS r (invitation_id, number, finished_at, outcome, detail)
    WHERE a.invitation_id = r.invitation_id AND a.number = r.number
""")
# Only the attempt that holds the invitation settles it: a late one was taken over meanwhile.
_SETTLE = text("""
    UPDATE invitation i SET state = r.state, due_at = r.due_at, settled_at = r.settled_at
    FROM unnest(
        CAST(:ids AS text[]), CAST(:numbers AS int[]), CAST(:states AS text[]),
        CAST(:due AS timestamptz[]), CAST(:settled AS timestamptz[])
    ) AS r (invitation_id, number, state, due_at, settled_at)
    WHERE i.invitation_id = r.invitation_id AND i.attempts = r.number AND i.state = 'sending'
    RETURNING i.invitation_id
""")


async def insert_queued(
    connection: AsyncConnection, invitations: Sequence[Invitation], *, now: datetime
) -> None:
    """Queue the invitations that are not known yet."""
    rows = [
        {**_fields(invitation), "state": State.QUEUED.value, "due_at": now}
        for invitation in invitations
    ]
    await insert_new_rows(connection, INVITATION, rows, key=("invitation_id",))


async def lock_due(
    connection: AsyncConnection, *, now: datetime, limit: int
) -> list[tuple[Claim, bool]]:
    """Return what is due as the claims that it would become, each with: is it suppressed."""
    rows = (await connection.execute(_DUE, {"now": now, "limit": limit})).mappings()
    return [
        (
            Claim(
                invitation=_invitation(row),
                number=row["attempts"] + 1,
                claimed_at=now,
                again=row["state"] == State.SENDING,
            ),
            row["suppressed"],
        )
        for row in rows
    ]


async def save_claims(
    connection: AsyncConnection, claims: Sequence[Claim], *, lease_until: datetime
) -> None:
    """Write the intent to send, so that whoever finds it later knows of the attempt."""
    if not claims:
        return
    ids = [claim.invitation.invitation_id for claim in claims]
    await connection.execute(_MARK_SENDING, {"ids": ids, "lease_until": lease_until})
    rows = [
        {
            "invitation_id": claim.invitation.invitation_id,
            "number": claim.number,
            "customer_id": claim.invitation.customer_id,
            "claimed_at": claim.claimed_at,
        }
        for claim in claims
    ]
    await insert_rows(connection, ATTEMPT, rows)


async def lock_queued(connection: AsyncConnection, ids: Sequence[str]) -> list[Invitation]:
    """Return those of the invitations that still wait, locked against being claimed."""
    rows = (await connection.execute(_LOCK_QUEUED, {"ids": list(ids)})).mappings()
    return [_invitation(row) for row in rows]


async def save_dropped(
    connection: AsyncConnection,
    dropped: Sequence[tuple[Invitation, DropReason]],
    *,
    now: datetime,
) -> None:
    """Note that these will not be sent, and why."""
    if dropped:
        ids = [invitation.invitation_id for invitation, _ in dropped]
        reasons = [reason.value for _, reason in dropped]
        await connection.execute(_MARK_DROPPED, {"ids": ids, "reasons": reasons, "now": now})


async def save_results(connection: AsyncConnection, results: Sequence[Result]) -> set[str]:
    """Record what became of attempts; return the invitations that they still held."""
    ids = [result.claim.invitation.invitation_id for result in results]
    numbers = [result.claim.number for result in results]
    finished = [result.finished_at for result in results]
    attempts = {
        "ids": ids,
        "numbers": numbers,
        "finished": finished,
        "outcomes": [result.outcome.value for result in results],
        "details": [result.detail for result in results],
    }
    await connection.execute(_FINISH_ATTEMPTS, attempts)
    settled = {
        "ids": ids,
        "numbers": numbers,
        "states": [result.state.value for result in results],
        "due": [result.retry_at for result in results],
        "settled": [None if r.retry_at else r.finished_at for r in results],
    }
    return set((await connection.execute(_SETTLE, settled)).scalars())


async def suppress(connection: AsyncConnection, invitation: Invitation, *, now: datetime) -> bool:
    """Put the recipient on the suppression list; False: was there already."""
    row = {
        "customer_id": invitation.customer_id,
        "address": (invitation.email or "").lower(),
        "scope": ALL_SURVEYS,
        "invitation_id": invitation.invitation_id,
        "suppressed_at": now,
    }
    key = ("customer_id", "address", "scope")
    return bool(await insert_new_rows(connection, SUPPRESSION, [row], key=key))


async def load_invitation(connection: AsyncConnection, invitation_id: str) -> Invitation | None:
    """Return the invitation under this id."""
    statement = text(f"SELECT {_COLUMNS} FROM invitation i WHERE i.invitation_id = :id")
    row = (await connection.execute(statement, {"id": invitation_id})).mappings().first()
    return _invitation(row) if row else None


def _invitation(row: RowMapping) -> Invitation:
    fields: dict[str, Any] = {name: row[name] for name in Invitation.__slots__}
    return Invitation(**{**fields, "channel": Channel(row["channel"])})


def _fields(invitation: Invitation) -> dict[str, Any]:
    return {name: getattr(invitation, name) for name in Invitation.__slots__}
