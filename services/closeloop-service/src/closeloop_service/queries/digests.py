"""What waits for the readers of digests, for all of them at once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from closeloop_service.domain.digest import Reader, Waiting
from closeloop_service.domain.grouping import MOST_NAMED, Item, one_line, task_path
from heardback.bulk import json_text

_ASKED: Final = """
    FROM json_to_recordset(CAST(:asked AS json)) AS asked
        (key text, owner text, teams jsonb, today_ends_at timestamptz)
"""
_OWN: Final = {"owner": "task.owner = asked.owner", "team": "task.team = asked.teams ->> 0"}
_COUNTS: Final = {
    whose: text(f"""
        SELECT asked.key, mine.late, mine.due_today, mine.on_customer, queue.unowned {_ASKED}
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE due_at <= :now) AS late,
                count(*) FILTER (WHERE due_at > :now AND due_at < today_ends_at) AS due_today,
                count(*) FILTER (WHERE state = 'waiting') AS on_customer
            FROM task WHERE active AND {own}
        ) AS mine
        CROSS JOIN LATERAL (
            SELECT count(*) AS unowned FROM task
            WHERE active AND owner IS NULL
                AND team IN (SELECT jsonb_array_elements_text(asked.teams))
        ) AS queue
    """)
    for whose, own in _OWN.items()
}
_URGENT: Final = {
    whose: text(f"""
        SELECT asked.key, first.* {_ASKED}
        CROSS JOIN LATERAL (
            SELECT task_id, recipient ->> 'name' AS name, customer_id, score, touchpoint, running,
                due_at, owner
            FROM task WHERE active AND {own} AND due_at < today_ends_at
            ORDER BY due_at, task_id LIMIT :most
        ) AS first
        ORDER BY asked.key, first.due_at, first.task_id
    """)
    for whose, own in _OWN.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A reader, and when the day is over that it is where they work."""

    reader: Reader
    today_ends_at: datetime


async def what_waits(
    connection: AsyncConnection, asked: Sequence[Asked], now: datetime
) -> Mapping[str, Waiting]:
    """Return what waits for each reader, by the reader's key."""
    found: dict[str, Waiting] = {}
    for whose in _OWN:
        of_kind = [one for one in asked if (one.reader.owner is None) == (whose == "team")]
        if of_kind:
            found |= await _what_waits(connection, whose, of_kind, now)
    return found


async def _what_waits(
    connection: AsyncConnection, whose: str, asked: Sequence[Asked], now: datetime
) -> dict[str, Waiting]:
    rows = [
        {
            "key": one.reader.key,
            "owner": one.reader.owner,
            "teams": one.reader.teams,
            "today_ends_at": one.today_ends_at,
        }
        for one in asked
    ]
    bound = {"asked": json_text(rows), "now": now}
    counts = (await connection.execute(_COUNTS[whose], bound)).all()
    urgent: dict[str, list[Item]] = defaultdict(list)
    bound = {"asked": json_text(rows), "most": MOST_NAMED}
    for row in await connection.execute(_URGENT[whose], bound):
        urgent[row.key].append(_item(row, now))
    return {
        row.key: Waiting(
            late=row.late,
            due_today=row.due_today,
            on_customer=row.on_customer,
            unowned=row.unowned,
            urgent=urgent[row.key],
        )
        for row in counts
    }


def _item(row: Row[Any], now: datetime) -> Item:
    clock = (row.running or "").replace("_", " ").capitalize()
    since = "late since" if row.due_at <= now else "due"
    owner = "" if row.owner is None else f", {row.owner}"
    said = f"{clock} {since} {row.due_at:%Y-%m-%d %H:%M} UTC"
    return Item(
        title=one_line(row.name or row.customer_id),
        text=one_line(f"{said}, gave {row.score} after {row.touchpoint}{owner}"),
        path=task_path(row.task_id),
    )
