"""Programs and the governance: every version that was ever in force, and the one that is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.driver import fetch
from heardback.errors import NotFound
from trigger_service.domain.program import ProgramState

_LOCK: Final = text("LOCK TABLE program IN SHARE ROW EXCLUSIVE MODE")
_PROGRAMS: Final = text("""
    SELECT p.program_id, p.state, p.version, p.file_digest, p.changed_at, v.document
    FROM program p JOIN program_version v USING (program_id, version)
    ORDER BY p.program_id
""")
_GOVERNANCE: Final = text("""
    SELECT version, document, file_digest FROM governance ORDER BY version DESC LIMIT 1
""")
# One statement, so that a program is never seen under another governance than its own.
_RULES: Final = """
    SELECT g.document AS governance, p.program_id, p.state, p.version, v.document
    FROM (SELECT 1) AS one
    LEFT JOIN (SELECT document FROM governance ORDER BY version DESC LIMIT 1) AS g ON true
    LEFT JOIN (program p JOIN program_version v USING (program_id, version))
        ON p.state <> 'archived'
    ORDER BY p.program_id
"""
_VERSIONS: Final = text("""
    SELECT version, document, created_at FROM program_version
    WHERE program_id = :program_id ORDER BY version DESC LIMIT :limit
""")
_VERSION: Final = text("""
    SELECT version, document, created_at FROM program_version
    WHERE program_id = :program_id AND version = :version
""")
_ADD_VERSION: Final = text("""
    INSERT INTO program_version (program_id, version, document, created_at)
    VALUES (:program_id, :version, :document, :now)
""")
_SAVE: Final = text("""
    INSERT INTO program (program_id, state, version, file_digest, changed_at)
    VALUES (:program_id, :state, :version, :file_digest, :now)
    ON CONFLICT (program_id) DO UPDATE SET state = excluded.state, version = excluded.version,
        file_digest = excluded.file_digest, changed_at = excluded.changed_at
""")
_ADD_GOVERNANCE: Final = text("""
    INSERT INTO governance (version, document, file_digest, created_at)
    VALUES (:version, :document, :file_digest, :now)
""")


class UnknownVersion(NotFound):
    """There is no such version; GET /programs/{id}/versions lists those that there are."""

    program_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptProgram:
    """A program as it is kept. `document` is JSON text, of the version in force."""

    program_id: str
    state: ProgramState
    version: int
    document: str
    file_digest: str | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptVersion:
    """One version of a program; it never changes."""

    version: int
    document: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptGovernance:
    """The governance in force. Version 0: none was ever written."""

    version: int = 0
    document: str = "{}"
    file_digest: str | None = None


async def lock_programs(connection: AsyncConnection) -> None:
    """Be the only one who changes programs until the transaction ends; others still read them."""
    await connection.execute(_LOCK)


async def load_programs(connection: AsyncConnection) -> dict[str, KeptProgram]:
    """Return every program by its id, archived ones included."""
    rows = await connection.execute(_PROGRAMS)
    return {
        row.program_id: KeptProgram(**{**row._mapping, "state": ProgramState(row.state)})
        for row in rows
    }


async def load_rules(connection: AsyncConnection) -> tuple[str, tuple[KeptProgram, ...]]:
    """Return the document of the governance and the programs that are not archived."""
    rows = await fetch(connection, _RULES)
    programs = tuple(
        KeptProgram(
            program_id=row["program_id"],
            state=ProgramState(row["state"]),
            version=row["version"],
            document=row["document"],
        )
        for row in rows
        if row["program_id"] is not None
    )
    return rows[0]["governance"] or KeptGovernance().document, programs


async def load_governance(connection: AsyncConnection) -> KeptGovernance:
    """Return the governance in force."""
    row = (await connection.execute(_GOVERNANCE)).first()
    return KeptGovernance(**row._mapping) if row else KeptGovernance()


async def load_versions(
    connection: AsyncConnection, program_id: str, *, limit: int
) -> Sequence[KeptVersion]:
    """Return the versions of a program, the newest first."""
    rows = await connection.execute(_VERSIONS, {"program_id": program_id, "limit": limit})
    return [KeptVersion(**row._mapping) for row in rows]


async def load_version(connection: AsyncConnection, program_id: str, version: int) -> KeptVersion:
    """Return one version of a program.

    Raises: UnknownVersion.
    """
    bound = {"program_id": program_id, "version": version}
    row = (await connection.execute(_VERSION, bound)).first()
    if row is None:
        raise UnknownVersion(**bound)
    return KeptVersion(**row._mapping)


async def save_program(
    connection: AsyncConnection,
    program: KeptProgram,
    *,
    before: KeptProgram | None,
    now: datetime,
) -> None:
    """Save a program, and its document when that is a new version."""
    bound = {
        "program_id": program.program_id,
        "version": program.version,
        "document": program.document,
        "state": program.state,
        "file_digest": program.file_digest,
        "now": now,
    }
    if before is None or before.version != program.version:
        await connection.execute(_ADD_VERSION, bound)
    await connection.execute(_SAVE, bound)


async def add_governance(
    connection: AsyncConnection, governance: KeptGovernance, *, now: datetime
) -> None:
    """Put another version of the governance in force."""
    bound = {
        "version": governance.version,
        "document": governance.document,
        "file_digest": governance.file_digest,
        "now": now,
    }
    await connection.execute(_ADD_GOVERNANCE, bound)
