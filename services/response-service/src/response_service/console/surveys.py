"""The console's pages of surveys: the list, one survey in every language, and its versions."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from pydantic import AfterValidator

from heardback.console.pages import Console, refuse_cross_site
from heardback.http import DatabaseOf
from response_service import survey_store
from response_service.console import views
from response_service.survey_preview import SurveyPreview
from response_service.survey_store import KeptSurvey, UnknownSurvey, UnknownVersion

_MOST_VERSIONS: Final = 50
_FORM: Final = [Depends(refuse_cross_site)]
_DONE: Final = {
    "created": "Published. Programs can name it from now on.",
    "saved": "Published. New invitations ask with it; those on their way keep theirs.",
    "same": "Nothing was published: this is what the newest version says already.",
}


def _storable(text: str) -> str:
    """Return what may be asked of the database: with a NUL in it there is no such survey."""
    return text.replace("\0", "\ufffd")


SurveyId = Annotated[str, AfterValidator(_storable)]
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]
Name = Annotated[str | None, Query(max_length=100)]


class SurveysPages:
    """The routes of the list, of a survey's page, and of its preview."""

    def __init__(self, *, console: Console, preview: SurveyPreview) -> None:
        self._console = console
        self._preview = preview
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get("/console/surveys")(self.list_page)
        self.router.get("/console/surveys/{survey_id}")(self.survey_page)
        customer = "/console/surveys/{survey_id}/page"
        self.router.get(customer)(self.customer_page)
        self.router.post(customer, dependencies=_FORM)(self.customer_thanks)

    async def list_page(self, request: Request, database: DatabaseOf) -> Response:
        """Show every survey."""
        async with database.read() as connection:
            newest = await survey_store.load_newest(connection)
        surveys = [(kept, kept.survey) for kept in newest.values()]
        return self._console.page(
            request, "surveys.html", surveys=surveys, scales=views.SCALES, language=views.language
        )

    async def survey_page(
        self,
        request: Request,
        database: DatabaseOf,
        survey_id: SurveyId,
        version: Version = None,
        done: str = "",
    ) -> Response:
        """Show a version of a survey in every language, the newest one if none is named."""
        try:
            async with database.read() as connection:
                versions = await survey_store.load_versions(
                    connection, survey_id, limit=_MOST_VERSIONS
                )
                kept = versions[0]
                if version is not None:
                    kept = await survey_store.load_version(connection, survey_id, version)
        except (UnknownSurvey, UnknownVersion):
            return missing(self._console, request, survey_id)
        survey = kept.survey
        return self._console.page(
            request,
            "survey_version.html",
            kept=kept,
            survey=survey,
            scale=views.SCALES[survey.scale],
            versions=versions,
            said=self._preview.read_aloud(survey, now=database.clock.now()),
            text=views.as_yaml(kept.document),
            language=views.language,
            notice=_DONE.get(done, ""),
        )

    async def customer_page(
        self,
        request: Request,
        database: DatabaseOf,
        survey_id: SurveyId,
        version: Version = None,
        locale: Name = None,
        variant: Name = None,
    ) -> Response:
        """Show the page as a customer sees it."""
        kept = await _find(database, survey_id, version)
        if kept is None:
            return missing(self._console, request, survey_id)
        now = database.clock.now()
        return self._preview.page(kept.survey, now=now, locale=locale, variant=variant)

    async def customer_thanks(
        self,
        request: Request,
        database: DatabaseOf,
        survey_id: SurveyId,
        score: Annotated[int, Form(ge=0, le=10)],
        version: Version = None,
        locale: Name = None,
        variant: Name = None,
    ) -> Response:
        """Show what is said after a score; nothing is recorded."""
        kept = await _find(database, survey_id, version)
        if kept is None:
            return missing(self._console, request, survey_id)
        now = database.clock.now()
        return self._preview.thanks(
            kept.survey, now=now, locale=locale, variant=variant, score=score
        )


def missing(console: Console, request: Request, survey_id: str) -> Response:
    """Return the page of a survey that is not there."""
    page = console.page(request, "survey_missing.html", survey_id=survey_id)
    page.status_code = HTTPStatus.NOT_FOUND
    return page


async def _find(database: DatabaseOf, survey_id: str, version: int | None) -> KeptSurvey | None:
    """Return a version, the newest one if none is named."""
    try:
        async with database.read() as connection:
            if version is not None:
                return await survey_store.load_version(connection, survey_id, version)
            return (await survey_store.load_versions(connection, survey_id, limit=1))[0]
    except (UnknownSurvey, UnknownVersion):
        return None
