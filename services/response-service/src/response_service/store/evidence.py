"""What answers are judged by, read in one statement: one for each part costs more."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.driver import fetch
from response_service.domain.answer import Response
from response_service.domain.judging import SHORTEST_REPEATED_TEXT
from response_service.store.responses import COLUMNS, NEWEST, response_of

# Who wrote the same: by the hash, which is indexed; what is the same by chance of the hash is the
# same to a judge. The newest are enough to tell, however many thousands wrote it.
_LOAD = f"""
    SELECT sent.invitation_id, sent.comment AS said, {COLUMNS}, (
        SELECT count(DISTINCT score) FROM visit v
        WHERE v.invitation_id = sent.invitation_id AND v.visited_at > $3
    ) AS links, ARRAY(
        SELECT customer_id FROM response_revision same
        WHERE md5(same.comment) = md5(sent.comment) AND same.answered_at > $4
        ORDER BY same.answered_at DESC LIMIT 20
    ) AS writers
    FROM unnest($1::text[], $2::text[]) AS sent (invitation_id, comment)
    {NEWEST}
"""


class Evidence(Struct, frozen=True, kw_only=True):
    """What is known of the invitations that answers are to, and of what the answers say.

    `held`: the responses, those that were taken back included. `links`: how many different ones of
    a mail were followed. `writers`: who wrote a comment lately, of many some; short ones are passed
    over.
    """

    held: Mapping[str, Response]
    links: Mapping[str, int]
    writers: Mapping[str, frozenset[str]]


async def load(
    connection: AsyncConnection,
    sent: Sequence[tuple[str, str]],
    *,
    visited_since: datetime,
    written_since: datetime,
) -> Evidence:
    """Return what is known about answers: the invitation of each, and its comment."""
    ids = [invitation_id for invitation_id, _ in sent]
    comments = [text if len(text) >= SHORTEST_REPEATED_TEXT else None for _, text in sent]
    rows = await fetch(connection, _LOAD, ids, comments, visited_since, written_since)
    return Evidence(
        held={row["invitation_id"]: response_of(row) for row in rows if row["revision"]},
        links={row["invitation_id"]: row["links"] for row in rows},
        writers={row["said"]: frozenset(row["writers"]) for row in rows if row["writers"]},
    )
