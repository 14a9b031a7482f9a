"""Surveys over HTTP: read by anybody inside, published by those who have a key."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from heardback.bodies import JSON, YAML, read_document
from heardback.errors import Invalid
from heardback.http import ApiKeyOf, DatabaseOf
from heardback.surveys import Fault, Survey, SurveyDocument, SurveyFaults, advice, parse
from heardback.vocabulary import Scale
from response_service import survey_store
from response_service.settings import Settings
from response_service.survey_preview import SurveyPreview
from response_service.survey_store import KeptSurvey

MOST_BYTES: Final = 131_072
"""Of a request; a document has half of that at most, and YAML takes more room."""

SurveyId = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Version = Annotated[int, Path(ge=1, le=2**31 - 1)]
_SCHEMA: Final = {"schema": {"$ref": "#/components/schemas/SurveyDocument"}}
_BODY: Final = {"requestBody": {"required": True, "content": {JSON: _SCHEMA, YAML: _SCHEMA}}}
_ANYTHING: Final = {"schema": {"description": "What may be a SurveyDocument: the answer says so."}}
_ANY_BODY: Final = {
    "requestBody": {"required": True, "content": {JSON: _ANYTHING, YAML: _ANYTHING}}
}


class UnreadableVersion(Invalid):
    """The header If-Match takes the number of a version, in quotes, as ETag says it."""


class SurveyView(BaseModel):
    """A survey, as its newest version says it."""

    survey_id: str
    version: int
    name: str
    scale: Scale
    locales: tuple[str, ...]
    variants: tuple[str, ...]
    drivers: tuple[str, ...]
    published_at: datetime
    published_by: str

    @classmethod
    def of(cls, kept: KeptSurvey) -> Self:
        """Return the view of `kept`."""
        survey = kept.survey
        return cls(
            survey_id=kept.survey_id,
            version=kept.version,
            name=survey.name,
            scale=survey.scale,
            locales=survey.locales,
            variants=survey.variants,
            drivers=survey.drivers,
            published_at=kept.published_at,
            published_by=kept.published_by,
        )


class SurveyList(BaseModel):
    """Every survey."""

    surveys: list[SurveyView]


class VersionView(BaseModel):
    """One version of a survey; it never changes."""

    survey_id: str
    version: int
    published_at: datetime
    published_by: str
    document: SurveyDocument

    @classmethod
    def of(cls, kept: KeptSurvey) -> Self:
        """Return the view of `kept`."""
        return cls(
            survey_id=kept.survey_id,
            version=kept.version,
            published_at=kept.published_at,
            published_by=kept.published_by,
            document=SurveyDocument.model_validate(dict(kept.document)),
        )


class VersionList(BaseModel):
    """The versions of a survey, the newest first."""

    versions: list[VersionView]


class FaultView(BaseModel):
    """Something about a document: the path of the field, and what to do."""

    field: str
    message: str

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """Return the view of `fault`."""
        return cls(field=fault.field, message=fault.message)


class Verdict(BaseModel):
    """Whether a document is valid, what is wrong with it, and what deserves a second look."""

    valid: bool
    faults: list[FaultView] = []
    advice: list[FaultView] = []


def router(settings: Settings) -> APIRouter:
    """Return the routes of the surveys."""
    routes = APIRouter(prefix="/surveys", tags=["surveys"])
    routes.get("")(list_surveys)
    routes.post("/validate", openapi_extra=_ANY_BODY)(validate_survey)
    _add_versions(routes)
    _add_preview(routes, SurveyPreview(company=settings.company))
    return routes


def _add_versions(routes: APIRouter) -> None:
    versions = "/{survey_id}/versions"
    # Documents are shown as they were written, without what they leave open.
    routes.get(versions, response_model_exclude_unset=True)(list_versions)
    routes.get(f"{versions}/{{version}}", response_model_exclude_unset=True)(get_version)
    routes.post(versions, status_code=201, openapi_extra=_BODY, response_model_exclude_unset=True)(
        publish_version
    )


async def list_surveys(database: DatabaseOf) -> SurveyList:
    """List every survey, as its newest version says it."""
    async with database.read() as connection:
        newest = await survey_store.load_newest(connection)
    return SurveyList(surveys=[SurveyView.of(kept) for kept in newest.values()])


async def validate_survey(request: Request) -> Verdict:
    """Tell whether a survey would be taken, and everything that is wrong; nothing is kept."""
    document = await read_document(request, most_bytes=MOST_BYTES)
    try:
        survey = _read(document)
    except SurveyFaults as refused:
        return Verdict(valid=False, faults=[FaultView.of(fault) for fault in refused.faults])
    return Verdict(valid=True, advice=[FaultView.of(fault) for fault in advice(survey)])


async def list_versions(
    survey_id: SurveyId,
    database: DatabaseOf,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> VersionList:
    """List the newest versions of a survey."""
    async with database.read() as connection:
        kept = await survey_store.load_versions(connection, survey_id, limit=limit)
    return VersionList(versions=[VersionView.of(version) for version in kept])


async def get_version(
    survey_id: SurveyId, version: Version, response: Response, database: DatabaseOf
) -> VersionView:
    """Return one version of a survey."""
    async with database.read() as connection:
        kept = await survey_store.load_version(connection, survey_id, version)
    response.headers["ETag"] = f'"{kept.version}"'
    return VersionView.of(kept)


async def publish_version(
    survey_id: SurveyId,
    request: Request,
    response: Response,
    database: DatabaseOf,
    caller: ApiKeyOf,
    if_match: Annotated[
        str | None, Header(description="The version that it was written upon, in quotes.")
    ] = None,
) -> VersionView:
    """Publish the next version of a survey, or a new survey. The same again changes nothing.

    With `If-Match`, only if nobody has published another version meanwhile. Invitations that are
    on their way stay with the version that they were made with.
    """
    expected = _version(if_match)
    survey = _read(await read_document(request, most_bytes=MOST_BYTES))
    if survey.survey_id != survey_id:
        message = f"write {survey_id}, as in the address; an id never changes"
        raise SurveyFaults([Fault(path=("id",), message=message)])
    async with database.transaction() as tx:
        kept = await survey_store.publish(tx, survey, expected=expected, by=caller)
    response.headers["ETag"] = f'"{kept.version}"'
    response.headers["Location"] = f"/surveys/{survey_id}/versions/{kept.version}"
    return VersionView.of(kept)


def _add_preview(routes: APIRouter, preview: SurveyPreview) -> None:
    @routes.get("/{survey_id}/versions/{version}/preview", response_class=HTMLResponse)
    async def preview_version(
        survey_id: SurveyId,
        version: Version,
        database: DatabaseOf,
        locale: Annotated[str | None, Query(max_length=100)] = None,
        variant: Annotated[str | None, Query(max_length=100)] = None,
        score: Annotated[int | None, Query(ge=0, le=10)] = None,
    ) -> Response:
        """Show the page of a version to a customer who does not exist."""
        async with database.read() as connection:
            kept = await survey_store.load_version(connection, survey_id, version)
        now = database.clock.now()
        return preview.page(kept.survey, now=now, locale=locale, variant=variant, score=score)


def _read(document: object) -> Survey:
    """Return the survey that a body says; its version is decided when it is published."""
    if not isinstance(document, Mapping):
        raise SurveyFaults([Fault(path=(), message="write one 'field: value' on each line")])
    return parse(document, version=1)


def _version(tag: str | None) -> int | None:
    """Return the version that an entity tag names; None: whichever."""
    if tag is None or tag.strip() == "*":
        return None
    number = tag.strip().removeprefix("W/").strip('"')
    if not number.isdecimal() or not number.isascii():
        raise UnreadableVersion
    return int(number)
