"""Which versions of which surveys there are to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from dispatch_service.tables import SURVEY_VERSION
from heardback.errors import NotFound
from heardback.surveys import Survey, parse, ready_made

_MOST: Final = 10_000


class UnknownSurveyVersion(NotFound):
    """There is no such version of a survey."""

    survey_id: str
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What was published. `versions`: of each survey, the newest first."""

    versions: Mapping[str, Sequence[int]]


async def published(connection: AsyncConnection) -> Published:
    """Return what was published, and the ready-made surveys where nothing of them was."""
    found: dict[str, list[int]] = {}
    rows = await connection.execute(
        select(SURVEY_VERSION.c.survey_id, SURVEY_VERSION.c.version)
        .order_by(SURVEY_VERSION.c.survey_id, SURVEY_VERSION.c.version.desc())
        .limit(_MOST)
    )
    for survey_id, version in rows:
        found.setdefault(survey_id, []).append(version)
    for survey_id, survey in ready_made().items():
        found.setdefault(survey_id, [survey.version])
    return Published(versions=dict(sorted(found.items())))


async def load_survey(connection: AsyncConnection, survey_id: str, version: int | None) -> Survey:
    """Return a version of a survey, the newest when none is named.

    Raises: UnknownSurveyVersion.
    """
    query = (
        select(SURVEY_VERSION.c.version, SURVEY_VERSION.c.document)
        .where(SURVEY_VERSION.c.survey_id == survey_id)
        .order_by(SURVEY_VERSION.c.version.desc())
        .limit(1)
    )
    if version is not None:
        query = query.where(SURVEY_VERSION.c.version == version)
    row = (await connection.execute(query)).first()
    if row is not None:
        document: dict[str, Any] = row.document
        return parse(document, version=row.version)
    survey = ready_made().get(survey_id)
    if survey is None or version not in (None, survey.version):
        raise UnknownSurveyVersion(survey_id=survey_id, version=version)
    return survey
