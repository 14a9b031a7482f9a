"""Every version of every survey: kept for good, published as it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.contracts import payloads, registry
from heardback.db import Database, Transaction
from heardback.errors import Conflict, NotFound
from heardback.surveys import Survey, parse, ready_made

HEARDBACK: Final = "heardback"
"""Who publishes the ready-made surveys."""

_COLUMNS: Final = "survey_id, version, document, digest, published_at, published_by"
_LOCK: Final = text("LOCK TABLE survey_version IN SHARE ROW EXCLUSIVE MODE")
_NEWEST: Final = text(f"""
    SELECT DISTINCT ON (survey_id) {_COLUMNS} FROM survey_version
    ORDER BY survey_id, version DESC
""")
_VERSIONS: Final = text(f"""
    SELECT {_COLUMNS} FROM survey_version
    WHERE survey_id = :survey_id ORDER BY version DESC LIMIT :limit
""")
_VERSION: Final = text(f"""
    SELECT {_COLUMNS} FROM survey_version WHERE survey_id = :survey_id AND version = :version
""")
_DIGESTS: Final = text("SELECT survey_id, digest FROM survey_version WHERE published_by = :by")
_ADD: Final = text("""
    INSERT INTO survey_version (survey_id, version, document, digest, published_at, published_by)
    VALUES (:survey_id, :version, CAST(:document AS jsonb), :digest, :published_at, :published_by)
""")


class UnknownSurvey(NotFound):
    """There is no survey with this id; GET /surveys lists them."""

    survey_id: str


class UnknownVersion(NotFound):
    """There is no such version; GET /surveys/{id}/versions lists those that there are."""

    survey_id: str
    version: int


class VersionConflict(Conflict):
    """Somebody has published another version meanwhile; look at it and send yours again."""

    survey_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSurvey:
    """A version of a survey as it is kept. `digest` tells whether two documents say the same."""

    survey_id: str
    version: int
    document: Mapping[str, Any]
    digest: str
    published_at: datetime
    published_by: str

    @property
    def survey(self) -> Survey:
        """The survey that the document says; it was valid when it was published."""
        return parse(self.document, version=self.version)


async def load_newest(connection: AsyncConnection) -> dict[str, KeptSurvey]:
    """Return the newest version of every survey, by its id."""
    rows = await connection.execute(_NEWEST)
    return {row.survey_id: KeptSurvey(**row._mapping) for row in rows}


async def load_versions(
    connection: AsyncConnection, survey_id: str, *, limit: int
) -> Sequence[KeptSurvey]:
    """Return the versions of a survey, the newest first.

    Raises: UnknownSurvey.
    """
    rows = await connection.execute(_VERSIONS, {"survey_id": survey_id, "limit": limit})
    versions = [KeptSurvey(**row._mapping) for row in rows]
    if not versions:
        raise UnknownSurvey(survey_id=survey_id)
    return versions


async def load_version(connection: AsyncConnection, survey_id: str, version: int) -> KeptSurvey:
    """Return one version of a survey.

    Raises: UnknownVersion.
    """
    bound = {"survey_id": survey_id, "version": version}
    row = (await connection.execute(_VERSION, bound)).first()
    if row is None:
        raise UnknownVersion(**bound)
    return KeptSurvey(**row._mapping)


async def publish(tx: Transaction, survey: Survey, *, expected: int | None, by: str) -> KeptSurvey:
    """Publish the next version of a survey, or its first. The same document changes nothing.

    `expected`: the version that it was written upon, 0 for a new survey; None: whichever.
    Raises: VersionConflict.
    """
    await tx.connection.execute(_LOCK)
    bound = {"survey_id": survey.survey_id, "limit": 1}
    row = (await tx.connection.execute(_VERSIONS, bound)).first()
    newest = KeptSurvey(**row._mapping) if row else None
    version = newest.version if newest else 0
    if newest is not None and expected != 0 and newest.digest == digest_of(survey.document):
        return newest
    if expected is not None and expected != version:
        raise VersionConflict(survey_id=survey.survey_id, version=version)
    return await _add(tx, survey.document, survey.survey_id, version=version + 1, by=by)


async def publish_ready_made(database: Database) -> None:
    """Publish the ready-made surveys that are not there, and those whose text has changed.

    A survey that somebody has edited is theirs from then on. A text that was published before does
    not come back: while a new release rolls out, old replicas start as well.
    """
    async with database.transaction() as tx:
        await tx.connection.execute(_LOCK)
        newest = await load_newest(tx.connection)
        rows = await tx.connection.execute(_DIGESTS, {"by": HEARDBACK})
        published = {(row.survey_id, row.digest) for row in rows}
        for survey_id, survey in ready_made().items():
            kept = newest.get(survey_id)
            is_ours = kept is None or kept.published_by == HEARDBACK
            if is_ours and (survey_id, digest_of(survey.document)) not in published:
                version = kept.version + 1 if kept else 1
                await _add(tx, survey.document, survey_id, version=version, by=HEARDBACK)


def digest_of(document: Mapping[str, Any]) -> str:
    """Return what two documents share that say the same in whichever order."""
    return sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def _add(
    tx: Transaction, document: Mapping[str, Any], survey_id: str, *, version: int, by: str
) -> KeptSurvey:
    kept = KeptSurvey(
        survey_id=survey_id,
        version=version,
        document=document,
        digest=digest_of(document),
        published_at=tx.now,
        published_by=by,
    )
    await tx.connection.execute(
        _ADD,
        {
            "survey_id": survey_id,
            "version": version,
            "document": orjson.dumps(document).decode(),
            "digest": kept.digest,
            "published_at": kept.published_at,
            "published_by": by,
        },
    )
    tx.emit(
        registry.SURVEY_VERSION_PUBLISHED,
        payloads.SurveyVersionPublished(
            survey_id=survey_id,
            version=version,
            document=dict(document),
            published_at=tx.now,
        ),
    )
    return kept
