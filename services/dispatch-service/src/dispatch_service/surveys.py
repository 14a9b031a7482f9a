"""Survey versions as response-service published them, each parsed once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.tables import SURVEY_VERSION
from heardback.bulk import insert_new_rows, json_text
from heardback.contracts.payloads import SurveyVersionPublished
from heardback.surveys import Survey, SurveyFaults, newest_ready_made, parse

_log = structlog.get_logger(__name__)

Pinned = tuple[str, int | None]
"""A survey's id and version. No version: the one that comes with Heardback."""

_LOAD: Final = text("""
    SELECT s.survey_id, s.version, s.document FROM survey_version s
    JOIN json_to_recordset(CAST(:rows AS json)) AS r (survey_id text, version int)
        ON s.survey_id = r.survey_id AND s.version = r.version
""")
_NEWEST: Final = text("""
    SELECT survey_id, max(version) AS version FROM survey_version
    WHERE survey_id = ANY(CAST(:ids AS text[])) GROUP BY survey_id
""")


class Surveys:
    """The surveys that this process has met. A version never changes: nothing is ever stale."""

    def __init__(self) -> None:
        self._parsed: dict[Pinned, Survey] = {}

    def known(self, survey_id: str, version: int | None) -> Survey | None:
        """Return a survey's version if it was loaded."""
        if version is None:
            return newest_ready_made(survey_id)
        return self._parsed.get((survey_id, version))

    async def load(self, connection: AsyncConnection, wanted: Iterable[Pinned]) -> None:
        """Load the versions that are not there yet."""
        missing = [
            {"survey_id": survey_id, "version": version}
            for survey_id, version in wanted
            if version is not None and (survey_id, version) not in self._parsed
        ]
        if missing:
            for row in await connection.execute(_LOAD, {"rows": json_text(missing)}):
                survey = _parse(row.survey_id, row.version, row.document)
                self._parsed[row.survey_id, row.version] = survey


async def newest_versions(connection: AsyncConnection, survey_ids: Iterable[str]) -> dict[str, int]:
    """Return the newest version of each survey that was published."""
    ids = list(survey_ids)
    if not ids:
        return {}
    return {row.survey_id: row.version for row in await connection.execute(_NEWEST, {"ids": ids})}


async def save_versions(
    connection: AsyncConnection, published: Sequence[SurveyVersionPublished]
) -> None:
    """Keep the versions that are not known yet."""
    rows = [
        {
            "survey_id": version.survey_id,
            "version": version.version,
            "document": version.document,
            "published_at": version.published_at,
        }
        for version in published
    ]
    await insert_new_rows(connection, SURVEY_VERSION, rows, key=("survey_id", "version"))


def _parse(survey_id: str, version: int, document: Mapping[str, Any]) -> Survey:
    try:
        return parse(document, version=version)
    except SurveyFaults:
        # Published by a newer release: better to ask in our own words than not at all.
        _log.exception("survey_unreadable", survey_id=survey_id, version=version)
        return newest_ready_made(survey_id)
