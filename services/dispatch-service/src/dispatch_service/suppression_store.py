"""Load and save the suppression list."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.domain.suppression import (
    REPLACES,
    Addressee,
    Key,
    Reason,
    Suppression,
    beside,
)
from heardback.bulk import json_text
from heardback.vocabulary import Channel, ProgramType, Scope

_KEY: Final = ("customer_id", "address", "scope", "scoped_to")
_REST: Final = ("reason", "invitation_id", "note", "suppressed_at")
_COLUMNS: Final = ", ".join(f"s.{name}" for name in (*_KEY, *_REST))
_KEYS: Final = """json_to_recordset(CAST(:keys AS json))
    AS k (customer_id text, address text, scope text, scoped_to text)"""

# In the order of the key, so that two batches never wait for each other.
_PUT: Final = text("""
    INSERT INTO suppression AS s (customer_id, address, scope, scoped_to,
        reason, invitation_id, note, suppressed_at)
    SELECT customer_id, address, scope, scoped_to, reason, invitation_id, note, suppressed_at
    FROM json_to_recordset(CAST(:rows AS json)) AS r (customer_id text, address text, scope text,
        scoped_to text, reason text, invitation_id text, note text, suppressed_at timestamptz)
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (customer_id, address, scope, scoped_to) DO UPDATE SET
        reason = excluded.reason, note = excluded.note, suppressed_at = excluded.suppressed_at,
        invitation_id = coalesce(excluded.invitation_id, s.invitation_id)
    WHERE (CAST(:replaces AS jsonb) -> excluded.reason) @> to_jsonb(s.reason)
    RETURNING s.customer_id, s.address, s.scope, s.scoped_to
""")
_LIFT: Final = text(f"""
    WITH gone AS (
        DELETE FROM suppression s USING {_KEYS}
        WHERE s.customer_id = k.customer_id AND s.address = k.address
            AND s.scope = k.scope AND s.scoped_to = k.scoped_to
        RETURNING {_COLUMNS}
    )
    SELECT {_COLUMNS}, i.program_id, i.traceparent
    FROM gone s LEFT JOIN invitation i ON i.invitation_id = s.invitation_id
""")
_KNOWN: Final = text(f"""
    SELECT s.customer_id, s.address, s.scope, s.scoped_to, s.reason FROM suppression s
    JOIN {_KEYS} ON s.customer_id = k.customer_id AND s.address = k.address
        AND s.scope = k.scope AND s.scoped_to = k.scoped_to
""")
# A union, because each half has an index of its own.
_ABOUT: Final = text(f"""
    SELECT {_COLUMNS} FROM suppression s WHERE s.customer_id = :customer_id AND s.customer_id <> ''
    UNION
    SELECT {_COLUMNS} FROM suppression s WHERE s.address = :address AND s.address <> ''
    LIMIT 1000
""")
_PAGE: Final = """
    SELECT {columns} FROM suppression s
    WHERE (s.customer_id, s.address, s.scope, s.scoped_to)
        > (:customer_id_after, :address_after, :scope_after, :scoped_to_after) {conditions}
    ORDER BY s.customer_id, s.address, s.scope, s.scoped_to LIMIT :limit
"""
ADDRESSEE: Final = """i.invitation_id, i.customer_id, i.program_id, i.program_type,
    coalesce(i.channel, i.channels ->> 0) AS channel, i.email, i.phone, i.locale, i.traceparent"""
_BY_ID: Final = text(f"""
    SELECT {ADDRESSEE}, i.email IS NOT NULL AND EXISTS (
        SELECT FROM message m
        WHERE m.invitation_id = i.invitation_id AND m.channel = 'email' AND m.attempts > 0
    ) AS has_mail
    FROM invitation i WHERE i.invitation_id = :id
""")
_BY_PHONE: Final = text(f"""
    SELECT {ADDRESSEE} FROM invitation i WHERE i.phone = :phone
    ORDER BY i.requested_at DESC, i.invitation_id LIMIT 1
""")
_REPLACES: Final = json_text({reason: sorted(others) for reason, others in REPLACES.items()})
BEFORE_ALL: Final[Key] = ("", "", "", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted:
    """An entry that is gone, and the program that had led to it, where one did."""

    entry: Suppression
    program_id: str | None
    traceparent: str | None


async def put(connection: AsyncConnection, entries: Iterable[Suppression]) -> set[Key]:
    """Add entries; return those that are new, or say more than what was there."""
    wanted: dict[Key, Suppression] = {}
    for entry in entries:
        other = wanted.get(entry.key)
        if other is None or other.reason in REPLACES[entry.reason]:
            wanted[entry.key] = entry
    if not wanted:
        return set()
    changed = await _upsert(connection, wanted.values())
    standing = await known(connection, wanted.keys() - changed)
    parts = {key: beside(wanted[key], reason) for key, reason in standing.items()}
    added = await _upsert(connection, [part for both in parts.values() for part in both])
    return changed | {key for key, both in parts.items() if any(p.key in added for p in both)}


async def lift(connection: AsyncConnection, keys: Collection[Key]) -> list[Lifted]:
    """Delete entries; return those that were there."""
    if not keys:
        return []
    rows = (await connection.execute(_LIFT, {"keys": _keys(keys)})).mappings()
    return [
        Lifted(entry=_entry(row), program_id=row["program_id"], traceparent=row["traceparent"])
        for row in rows
    ]


async def known(connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, Reason]:
    """Return those of the keys that are there already, and why."""
    if not keys:
        return {}
    result = await connection.execute(_KNOWN, {"keys": _keys(keys)})
    return {(row[0], row[1], row[2], row[3]): Reason(row[4]) for row in result}


async def about(
    connection: AsyncConnection, *, customer_id: str = "", address: str = ""
) -> list[Suppression]:
    """Return the entries that name the customer, or the address."""
    values = {"customer_id": customer_id, "address": address}
    return [_entry(row) for row in (await connection.execute(_ABOUT, values)).mappings()]


async def about_addressee(connection: AsyncConnection, addressee: Addressee) -> list[Suppression]:
    """Return the entries about an addressee, and about where the conversation reaches them."""
    return await about(connection, customer_id=addressee.customer_id, address=addressee.address)


async def page(
    connection: AsyncConnection, *, after: Key, limit: int, filters: Mapping[str, str]
) -> list[Suppression]:
    """Return the entries that follow a key, of those that have the values of `filters`."""
    names = [name for name in (*_KEY, "reason") if name in filters]
    conditions = " ".join(f"AND s.{name} = :{name}" for name in names)
    statement = text(_PAGE.format(columns=_COLUMNS, conditions=conditions))
    place = {f"{name}_after": value for name, value in zip(_KEY, after, strict=True)}
    values = {name: filters[name] for name in names}
    rows = await connection.execute(statement, {**values, **place, "limit": limit})
    return [_entry(row) for row in rows.mappings()]


async def addressee_of(connection: AsyncConnection, invitation_id: str) -> Addressee | None:
    """Return whom a link out is for.

    It is in a mail wherever one was sent: texts have none, and the conversation may have left.
    """
    row = (await connection.execute(_BY_ID, {"id": invitation_id})).mappings().first()
    if row is None:
        return None
    found = addressee_in(row)
    return replace(found, channel=Channel.EMAIL) if row["has_mail"] else found


async def latest_at(connection: AsyncConnection, phone: str) -> Addressee | None:
    """Return whom the latest invitation at a phone is for."""
    row = (await connection.execute(_BY_PHONE, {"phone": phone})).mappings().first()
    return addressee_in(row) if row else None


def addressee_in(row: RowMapping) -> Addressee:
    """Return the addressee in a row of an invitation."""
    names = ("invitation_id", "customer_id", "program_id", "email", "phone", "locale")
    fields: dict[str, Any] = {name: row[name] for name in (*names, "traceparent")}
    kind = row["program_type"]
    return Addressee(
        **fields,
        channel=Channel(row["channel"]),
        program_type=ProgramType(kind) if kind else None,
    )


async def _upsert(connection: AsyncConnection, entries: Iterable[Suppression]) -> set[Key]:
    """Add entries of different keys, or replace what gives way; return those that changed."""
    rows = {entry.key: _row(entry) for entry in entries}
    if not rows:
        return set()
    values = {"rows": json_text(list(rows.values())), "replaces": _REPLACES}
    return {(row[0], row[1], row[2], row[3]) for row in await connection.execute(_PUT, values)}


def _entry(row: RowMapping) -> Suppression:
    fields: dict[str, Any] = {name: row[name] for name in (*_KEY, *_REST)}
    enums = {"scope": Scope(row["scope"]), "reason": Reason(row["reason"])}
    return Suppression(**{**fields, **enums})


def _row(entry: Suppression) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in (*_KEY, *_REST)}


def _keys(keys: Collection[Key]) -> str:
    rows: Sequence[dict[str, str]] = [dict(zip(_KEY, key, strict=True)) for key in keys]
    return json_text(rows)
