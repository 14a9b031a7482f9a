"""Every version of every rulebook, kept for good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.db import Transaction

_COLUMNS: Final = "version, kind, body, document, saved_by, note, saved_at"
# Each is checked beside the others in force: two that are saved at once wait for one another.
_LOCK: Final = text("LOCK TABLE rulebook IN SHARE ROW EXCLUSIVE MODE")
_NEWEST_VERSION: Final = text("SELECT coalesce(max(version), 0) FROM rulebook")
_NEWEST: Final = text(f"""
    SELECT DISTINCT ON (kind) {_COLUMNS} FROM rulebook ORDER BY kind, version DESC
""")
_VERSIONS: Final = text(f"""
    SELECT {_COLUMNS} FROM rulebook WHERE kind = :kind ORDER BY version DESC LIMIT :limit
""")
_VERSION: Final = text(f"""
    SELECT {_COLUMNS} FROM rulebook WHERE kind = :kind AND version = :version
""")
_ADD: Final = text(f"""
    INSERT INTO rulebook (kind, body, document, saved_by, note, saved_at)
    VALUES (:kind, :body, CAST(:document AS jsonb), :saved_by, :note, :saved_at)
    RETURNING {_COLUMNS}
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRulebook:
    """A version as it was saved. `body` is its text, comments included.

    `version` counts over all kinds; 0 is the ready-made text, which nobody saved.
    """

    version: int
    kind: str
    body: str
    document: Any
    saved_by: str = ""
    note: str = ""
    saved_at: datetime | None = None


async def lock(tx: Transaction) -> None:
    """Have others who save wait until this commits; who reads does not wait."""
    await tx.connection.execute(_LOCK)


async def newest_version(connection: AsyncConnection) -> int:
    """Return the version of the rules in force; 0: nobody has saved any."""
    return int((await connection.execute(_NEWEST_VERSION)).scalar_one())


async def load_newest(connection: AsyncConnection) -> dict[str, KeptRulebook]:
    """Return the newest version of every kind that somebody has saved."""
    rows = await connection.execute(_NEWEST)
    return {row.kind: KeptRulebook(**row._mapping) for row in rows}


async def load_versions(
    connection: AsyncConnection, kind: str, *, limit: int
) -> Sequence[KeptRulebook]:
    """Return the saved versions of a kind, the newest first."""
    rows = await connection.execute(_VERSIONS, {"kind": kind, "limit": limit})
    return [KeptRulebook(**row._mapping) for row in rows]


async def find_version(connection: AsyncConnection, kind: str, version: int) -> KeptRulebook | None:
    """Return one saved version of a kind."""
    row = (await connection.execute(_VERSION, {"kind": kind, "version": version})).first()
    return None if row is None else KeptRulebook(**row._mapping)


async def add(
    tx: Transaction, *, kind: str, body: str, document: Any, saved_by: str, note: str
) -> KeptRulebook:
    """Keep the next version of a kind."""
    bound = {
        "kind": kind,
        "body": body,
        "document": orjson.dumps(document).decode(),
        "saved_by": saved_by,
        "note": note,
        "saved_at": tx.now,
    }
    return KeptRulebook(**(await tx.connection.execute(_ADD, bound)).one()._mapping)
