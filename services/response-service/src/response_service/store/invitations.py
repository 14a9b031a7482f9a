"""Invitations, and the short codes of their links."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.bulk import insert_new_rows
from heardback.driver import Record, fetch
from heardback.vocabulary import Channel
from response_service.domain.invitation import Invitation
from response_service.tables import INVITATION, SHORT_CODE

NAMES: Final = Invitation.__struct_fields__
_LISTED: Final = ", ".join(NAMES)
_CHANNELS: Final = {channel.value: channel for channel in Channel}
_BY_IDS = f"SELECT {_LISTED} FROM invitation WHERE invitation_id = ANY($1::text[])"
# Two tabs at once take turns here, the first answer included: there is no response row to lock yet.
# In a fixed order, so that two replicas don't wait for each other.
_LOCK = f"{_BY_IDS} ORDER BY invitation_id FOR NO KEY UPDATE"
_BY_CODES = text("""
    SELECT code, invitation_id FROM short_code WHERE code = ANY(CAST(:codes AS text[]))
""")
_FOLLOW = text("""
    UPDATE invitation i SET channel = s.channel
    FROM unnest(CAST(:ids AS text[]), CAST(:channels AS text[])) AS s (invitation_id, channel)
    WHERE i.invitation_id = s.invitation_id
""")
_OPEN = text("""
    UPDATE invitation i SET opened_at = o.opened_at
    FROM unnest(CAST(:ids AS text[]), CAST(:times AS timestamptz[])) AS o (invitation_id, opened_at)
    WHERE i.invitation_id = o.invitation_id AND i.opened_at IS NULL
    RETURNING i.invitation_id
""")


async def insert_new(
    connection: AsyncConnection, invitations: Sequence[Invitation]
) -> frozenset[str]:
    """Save the invitations that are not known yet; return which were new."""
    rows = [{name: getattr(invitation, name) for name in NAMES} for invitation in invitations]
    new = await insert_new_rows(connection, INVITATION, rows, key=("invitation_id",))
    return frozenset(key for (key,) in new)


async def insert_codes(connection: AsyncConnection, codes: Mapping[str, Invitation]) -> None:
    """Save the codes of short links."""
    rows = [
        {"code": code, "invitation_id": i.invitation_id, "expires_at": i.expires_at}
        for code, i in codes.items()
    ]
    await insert_new_rows(connection, SHORT_CODE, rows, key=("code",))


async def load(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Invitation]:
    """Return the invitations under these ids."""
    return _by_id(await fetch(connection, _BY_IDS, list(ids)))


async def lock(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Invitation]:
    """Return the invitations under these ids, and hold them until the transaction ends."""
    return _by_id(await fetch(connection, _LOCK, list(ids)))


async def load_codes(connection: AsyncConnection, codes: Collection[str]) -> dict[str, str]:
    """Return the invitation of each of these short codes."""
    rows = await connection.execute(_BY_CODES, {"codes": list(codes)})
    return {row.code: row.invitation_id for row in rows}


async def follow_channels(connection: AsyncConnection, channels: Mapping[str, Channel]) -> None:
    """Note by which channel each invitation was sent last."""
    bound = {"ids": list(channels), "channels": [channel.value for channel in channels.values()]}
    await connection.execute(_FOLLOW, bound)


async def mark_opened(connection: AsyncConnection, times: Mapping[str, datetime]) -> frozenset[str]:
    """Note when each invitation was opened first; return those of which that is news."""
    bound = {"ids": list(times), "times": list(times.values())}
    return frozenset((await connection.execute(_OPEN, bound)).scalars())


def _by_id(rows: Iterable[Record]) -> dict[str, Invitation]:
    invitations = {}
    for row in rows:
        values = dict(row)
        values["channel"] = _CHANNELS[values["channel"]]
        invitations[values["invitation_id"]] = Invitation(**values)
    return invitations
