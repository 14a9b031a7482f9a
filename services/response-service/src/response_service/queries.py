"""The read side: what a survey page is about, and what is in the quarantine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.contracts.payloads import LATEST
from heardback.errors import Invalid
from response_service.domain.answer import Response
from response_service.domain.invitation import Invitation
from response_service.domain.quarantine import State, Suspect, SuspectUnknown
from response_service.store import invitations, suspects


class Asked(Struct, frozen=True, kw_only=True):
    """An invitation, and the answer to it that counts if there is one."""

    invitation: Invitation
    held: Response | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A suspect answer with the invitation that it is to."""

    suspect: Suspect
    invitation: Invitation


class UnreadableCursor(Invalid):
    """The cursor is none that this list gave; take `next` as it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a list that has the newest first: what follows is older."""

    at: datetime
    quarantine_id: str

    @classmethod
    def of(cls, listed: Listed) -> Self:
        """Return the place of a suspect answer."""
        suspect = listed.suspect
        return cls(at=suspect.quarantined_at, quarantine_id=suspect.quarantine_id)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the place that a cursor says.

        Raises: UnreadableCursor.
        """
        time, _, quarantine_id = text.partition("~")
        try:
            at = datetime.fromisoformat(time)
        except ValueError:
            raise UnreadableCursor from None
        if at.tzinfo is None or "\0" in quarantine_id:
            raise UnreadableCursor
        return cls(at=at, quarantine_id=quarantine_id)

    @property
    def text(self) -> str:
        """The cursor that says this place."""
        return f"{self.at:%Y-%m-%dT%H:%M:%S.%fZ}~{self.quarantine_id}"


TOP: Final = Place(at=LATEST, quarantine_id="")
"""The place before the newest one."""

# The newest first; what is decided last stands last in nobody's way.
_LIST = text(f"""
    SELECT {suspects.COLUMNS} FROM quarantine
    WHERE state = :state
      AND (quarantined_at, quarantine_id) < (CAST(:before AS timestamptz), CAST(:id AS text))
    ORDER BY quarantined_at DESC, quarantine_id DESC LIMIT :limit
""").columns(**suspects.TYPES)
_ONE = text(f"""
    SELECT {suspects.COLUMNS} FROM quarantine WHERE quarantine_id = :id
""").columns(**suspects.TYPES)
_COUNTS = text("""
    SELECT state, count(*) AS answers FROM quarantine GROUP BY state
""")


async def quarantine(
    connection: AsyncConnection,
    state: State,
    *,
    after: Place = TOP,
    limit: int = 50,
) -> list[Listed]:
    """Return suspect answers in a state, the newest first, from a place on."""
    bound = {"state": state.value, "before": after.at, "id": after.quarantine_id, "limit": limit}
    rows = [suspects.suspect_of(row) for row in await connection.execute(_LIST, bound)]
    return await _with_invitations(connection, rows)


async def suspect(connection: AsyncConnection, quarantine_id: str) -> Listed:
    """Return the suspect answer under this id.

    Raises: SuspectUnknown.
    """
    row = (await connection.execute(_ONE, {"id": quarantine_id})).first()
    if row is None:
        raise SuspectUnknown(quarantine_id=quarantine_id)
    return (await _with_invitations(connection, [suspects.suspect_of(row)]))[0]


async def quarantine_counts(connection: AsyncConnection) -> dict[State, int]:
    """Return how many suspect answers are in each state."""
    counts = dict.fromkeys(State, 0)
    for row in await connection.execute(_COUNTS):
        counts[State(row.state)] = row.answers
    return counts


async def _with_invitations(connection: AsyncConnection, rows: Sequence[Suspect]) -> list[Listed]:
    asked = await invitations.load(connection, {row.invitation_id for row in rows})
    return [Listed(suspect=row, invitation=asked[row.invitation_id]) for row in rows]
