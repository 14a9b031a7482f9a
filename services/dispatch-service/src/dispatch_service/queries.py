"""The read side: what planning and replies ask."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.domain.invitation import Invitation
from dispatch_service.domain.learning import Record
from dispatch_service.store import INVITATION_COLUMNS, invitation_in
from heardback.vocabulary import Channel

Records = dict[str, dict[Channel, Record]]
"""How often each channel was answered, by segment."""

_RECORDS: Final = text("""
    SELECT segment, channel, asked, answered FROM channel_score
    WHERE segment = ANY(CAST(:segments AS text[]))
""")
_LATEST_BY_PHONE: Final = text(f"""
    SELECT {INVITATION_COLUMNS}
    FROM invitation i JOIN message m ON m.invitation_id = i.invitation_id
    WHERE i.phone = :phone AND i.expires_at > :now
        AND m.channel = 'sms' AND m.state IN ('sending', 'sent')
    ORDER BY m.seq DESC LIMIT 1
""")


async def channel_records(connection: AsyncConnection, segments: Collection[str]) -> Records:
    """Return what is known of the channels in these segments."""
    found: Records = {segment: {} for segment in segments}
    if segments:
        for row in await connection.execute(_RECORDS, {"segments": list(segments)}):
            record = Record(asked=row.asked, answered=row.answered)
            found[row.segment][Channel(row.channel)] = record
    return found


async def latest_texted(
    connection: AsyncConnection, phone: str, *, now: datetime
) -> Invitation | None:
    """Return the invitation that was last sent to a phone by text, if it can still be answered."""
    row = (await connection.execute(_LATEST_BY_PHONE, {"phone": phone, "now": now})).mappings()
    found = row.first()
    return invitation_in(found) if found else None
