"""The surveys that invitations are pinned to, parsed once each."""

from collections.abc import Collection, Mapping
from typing import Final

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.errors import Retryable
from heardback.surveys import DEFAULT, Survey, parse, ready_made
from heardback.vocabulary import Scale
from response_service.domain.asks import Asks
from response_service.domain.invitation import Invitation

_LOAD = text("""
    SELECT survey_id, version, document FROM survey_version
    WHERE (survey_id, version) IN
        (SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:versions AS integer[])))
""").columns(document=JSONB)
_NEWEST = text("""
    SELECT survey_id, max(version) AS version FROM survey_version
    WHERE survey_id = ANY(CAST(:ids AS text[])) GROUP BY survey_id
""")
_MOST: Final = 2_000
_OF_SCALE: Final = {Scale.NPS: DEFAULT, Scale.CSAT: "support-csat", Scale.CES: "support-ces"}


class SurveyNotHereYet(Retryable):
    """The version of the survey that this invitation is pinned to has not arrived; it will."""

    survey_id: str


class KnownSurveys:
    """Versions by their number. A version never changes, so what was read once is kept.

    Of more than `_MOST`, those go first that were wanted longest ago.
    """

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, int], Survey] = {}

    def named(self, asks: Asks) -> Survey:
        """Return what a form asked; where it is not known here, a ready-made one of its scale."""
        known = self._parsed.get((asks.survey_id, asks.version))
        ready = ready_made()
        if known is None and asks.version == 1:
            known = ready.get(asks.survey_id)
        if known is not None and known.scale is asks.scale:
            return known
        return ready[_OF_SCALE[asks.scale]]

    async def fetch(self, connection: AsyncConnection, invitations: Collection[Invitation]) -> None:
        """Read what these invitations ask, unless it is known already."""
        wanted = {
            (i.survey_id, i.survey_version) for i in invitations if i.survey_version is not None
        }
        for known in wanted & self._parsed.keys():
            self._parsed[known] = self._parsed.pop(known)
        missing = list(wanted - self._parsed.keys())
        if not missing:
            return
        bound = {"ids": [name for name, _ in missing], "versions": [n for _, n in missing]}
        for row in await connection.execute(_LOAD, bound):
            parsed = parse(row.document, version=row.version)
            self._parsed[row.survey_id, row.version] = parsed
        while len(self._parsed) > _MOST:
            self._parsed.pop(next(iter(self._parsed)))

    def of(self, invitation: Invitation) -> Survey | None:
        """Return what an invitation asks, which `fetch` has read; None: it has not arrived.

        One that nobody had a version of asks what everybody is asked.
        """
        survey_id, version = invitation.survey_id, invitation.survey_version
        if version is not None and (survey_id, version) in self._parsed:
            return self._parsed[survey_id, version]
        if version in (None, 1):
            ready = ready_made()
            return ready.get(survey_id) or ready[DEFAULT]
        return None


async def newest_versions(
    connection: AsyncConnection, survey_ids: Collection[str]
) -> Mapping[str, int]:
    """Return the newest version of each of these surveys that is published."""
    rows = await connection.execute(_NEWEST, {"ids": list(survey_ids)})
    return {row.survey_id: row.version for row in rows}
