"""What is known of the surveys: the newest version of each, and which texts it has.

A program that does not fit its survey is still valid: what is missing is asked in other words, and
the next version of the survey may have it. So these are warnings.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.contracts.payloads import SurveyVersionPublished
from heardback.driver import fetch
from heardback.locales import chain
from trigger_service.documents import ProgramDocument
from trigger_service.faults import Fault

_KEEP_NEWEST: Final = text("""
    INSERT INTO survey (survey_id, version, locales, variants)
    VALUES (:survey_id, :version, to_jsonb(CAST(:locales AS text[])),
            to_jsonb(CAST(:variants AS text[])))
    ON CONFLICT (survey_id) DO UPDATE SET version = excluded.version,
        locales = excluded.locales, variants = excluded.variants
    WHERE survey.version < excluded.version
""")
_SURVEYS: Final = """
    SELECT survey_id, version, locales, variants FROM survey WHERE survey_id = ANY($1::text[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSurvey:
    """The newest version of a survey, the languages of its texts, and its variants."""

    survey_id: str
    version: int
    locales: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()

    @classmethod
    def of(cls, published: SurveyVersionPublished) -> "KnownSurvey":
        """Return what is kept of a version."""
        return cls(
            survey_id=published.survey_id,
            version=published.version,
            locales=_names(published.document.get("texts")),
            variants=_names(published.document.get("variants")),
        )


async def keep_newest(connection: AsyncConnection, surveys: Iterable[KnownSurvey]) -> None:
    """Keep each survey unless a newer version of it is known."""
    newest = {each.survey_id: each for each in sorted(surveys, key=lambda each: each.version)}
    for _, survey in sorted(newest.items()):
        bound = {
            "survey_id": survey.survey_id,
            "version": survey.version,
            "locales": list(survey.locales),
            "variants": list(survey.variants),
        }
        await connection.execute(_KEEP_NEWEST, bound)


async def load_surveys(
    connection: AsyncConnection, survey_ids: Collection[str]
) -> dict[str, KnownSurvey]:
    """Return those of the surveys that are known, by id."""
    if not survey_ids:
        return {}
    rows = await fetch(connection, _SURVEYS, sorted(set(survey_ids)))
    return {
        survey_id: KnownSurvey(
            survey_id=survey_id, version=version, locales=tuple(locales), variants=tuple(variants)
        )
        for survey_id, version, locales, variants in rows
    }


async def load_warnings(connection: AsyncConnection, document: ProgramDocument) -> list[Fault]:
    """Return what a program says that its survey, as it was published last, has no texts for.

    Nothing of that survey was published yet: nothing can be said.
    """
    survey = (await load_surveys(connection, [document.survey])).get(document.survey)
    return [] if survey is None else list(_warnings(document, survey))


def _warnings(document: ProgramDocument, survey: KnownSurvey) -> Iterator[Fault]:
    named = f"the survey {survey.survey_id} has no texts"
    if document.locale is not None and not set(chain(document.locale)) & set(survey.locales):
        message = f"{named} in {document.locale!r}: it asks in its own language; write them there"
        yield Fault(path=("locale",), message=message)
    for name in document.variants or {}:
        if name not in survey.variants:
            message = f"{named} for {name!r}: it asks in its usual words; write them there"
            yield Fault(path=("variants", name), message=message)


def _names(texts: object) -> tuple[str, ...]:
    return tuple(sorted(map(str, texts))) if isinstance(texts, Mapping) else ()
