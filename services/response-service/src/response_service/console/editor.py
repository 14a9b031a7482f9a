"""The editor: a survey as text, checked and read aloud before it is published."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from heardback.console import editing
from heardback.console.pages import Console, patch, refuse_cross_site, wants_patch
from heardback.db import Database
from heardback.differences import Difference, differences
from heardback.http import DatabaseOf
from heardback.surveys import Fault
from response_service import survey_store
from response_service.console import views
from response_service.console.drafts import Draft, read_draft, refused
from response_service.console.starts import starts, text_for
from response_service.console.surveys import missing
from response_service.reading import Spoken
from response_service.survey_preview import SurveyPreview
from response_service.survey_store import KeptSurvey, VersionConflict

PUBLISHER: Final = "console"
"""Who has published what was published here; the console does not know people yet."""

_FORM: Final = [Depends(refuse_cross_site)]
_TAKEN: Final = Fault(path=("id",), message="there is a survey with this id; choose another")


class Do(StrEnum):
    """What a button of the editor does."""

    CHECK = "check"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a button. `theirs`: the version that somebody else has published meanwhile."""

    draft: Draft
    said: str
    level: str
    spoken: tuple[Spoken, ...] = ()
    theirs: int | None = None
    differences: tuple[Difference, ...] = ()


class SurveyEditor:
    """The routes of the editor."""

    def __init__(self, *, console: Console, preview: SurveyPreview) -> None:
        self._console = console
        self._preview = preview
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get("/console/new-survey")(self.new_page)
        self.router.post("/console/new-survey", dependencies=_FORM)(self.send_new)
        self.router.post("/console/survey-page", dependencies=_FORM)(self.customer_page)
        edit = "/console/surveys/{survey_id}/edit"
        self.router.get(edit)(self.edit_page)
        self.router.post(edit, dependencies=_FORM)(self.send_edit)

    async def new_page(
        self,
        request: Request,
        database: DatabaseOf,
        start: Annotated[str | None, Query(alias="from", max_length=100)] = None,
    ) -> Response:
        """Offer surveys to start from; once one is chosen, its text."""
        async with database.read() as connection:
            newest = await survey_store.load_newest(connection)
        if start is None:
            return self._console.page(request, "survey_new.html", starts=starts(newest))
        return self._page(request, None, text=text_for(start, newest), version=0)

    async def edit_page(self, request: Request, database: DatabaseOf, survey_id: str) -> Response:
        """Show the newest version as text."""
        kept = await _load(database, survey_id)
        if kept is None:
            return missing(self._console, request, survey_id)
        text = views.as_yaml(kept.document)
        return self._page(request, survey_id, text=text, version=kept.version)

    async def send_new(
        self,
        request: Request,
        database: DatabaseOf,
        text: Annotated[str, Form()] = "",
        do: Annotated[Do, Form()] = Do.CHECK,
    ) -> Response:
        """Check or publish a new survey."""
        return await self._answer(request, database, None, text=text, do=do, version=0)

    async def send_edit(
        self,
        request: Request,
        database: DatabaseOf,
        survey_id: str,
        version: Annotated[int, Form(ge=1, le=2**31 - 1)],
        text: Annotated[str, Form()] = "",
        do: Annotated[Do, Form()] = Do.CHECK,
    ) -> Response:
        """Check or publish the next version of a survey."""
        return await self._answer(request, database, survey_id, text=text, do=do, version=version)

    async def customer_page(
        self,
        request: Request,
        database: DatabaseOf,
        text: Annotated[str | None, Form()] = None,
        locale: Annotated[str, Form(max_length=100)] = "",
    ) -> Response:
        """Show a draft as a customer would see it; the form on that page leads nowhere."""
        if text is None:
            return self._console.page(request, "survey_previewed.html")
        draft = read_draft(text, survey_id=None)
        if draft.survey is None:
            return self._page(request, None, text=draft.text, version=0, result=_faulty(draft))
        now = database.clock.now()
        return self._preview.page(draft.survey, now=now, locale=locale or None, variant=None)

    async def _answer(
        self,
        request: Request,
        database: Database,
        survey_id: str | None,
        *,
        text: str,
        do: Do,
        version: int,
    ) -> Response:
        draft = read_draft(text, survey_id=survey_id)
        if draft.survey is None:
            result = _faulty(draft)
        elif do is Do.PUBLISH:
            published = await _publish(database, draft, version)
            if isinstance(published, Response):
                return published
            result = published
        else:
            said = self._preview.read_aloud(draft.survey, now=database.clock.now())
            result = _checked(draft, tuple(said))
        if wants_patch(request):
            return patch(self._render("_gutter.html", result), self._render("_said.html", result))
        version = result.theirs or version
        return self._page(request, survey_id, text=draft.text, version=version, result=result)

    def _render(self, template: str, result: Result) -> str:
        return self._console.render(template, **_shown(result.draft.text, result))

    def _page(
        self,
        request: Request,
        survey_id: str | None,
        *,
        text: str,
        version: int,
        result: Result | None = None,
    ) -> Response:
        page = self._console.page(
            request,
            "survey_editor.html",
            survey_id=survey_id,
            text=text,
            version=version,
            rows=editing.rows(text),
            help=views.template_help(),
            **_shown(text, result),
        )
        if result is not None and result.theirs is not None:
            page.status_code = HTTPStatus.CONFLICT
        elif result is not None and result.draft.survey is None:
            page.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return page


async def _load(database: Database, survey_id: str) -> KeptSurvey | None:
    async with database.read() as connection:
        return (await survey_store.load_newest(connection)).get(survey_id)


async def _publish(database: Database, draft: Draft, version: int) -> Response | Result:
    """Publish, and lead to the survey; else say what stands against it."""
    survey = draft.survey
    assert survey is not None
    try:
        async with database.transaction() as tx:
            kept = await survey_store.publish(tx, survey, expected=version, by=PUBLISHER)
    except VersionConflict:
        now = await _load(database, survey.survey_id)
        assert now is not None
        return _overtaken(draft, now) if version else _faulty(refused(draft, _TAKEN))
    done = "created" if not version else "same" if kept.version == version else "saved"
    return RedirectResponse(f"/console/surveys/{kept.survey_id}?done={done}", 303)


def _faulty(draft: Draft) -> Result:
    count = len(draft.faults)
    faults = "1 thing to correct" if count == 1 else f"{count} things to correct"
    return Result(draft=draft, said=f"{faults}. Nothing was published.", level="breach")


def _checked(draft: Draft, spoken: tuple[Spoken, ...]) -> Result:
    said = "Valid. This is what customers read:"
    if draft.advice:
        said = "Valid, with something to look at. This is what customers read:"
    return Result(draft=draft, said=said, level="warn" if draft.advice else "ok", spoken=spoken)


def _overtaken(draft: Draft, kept: KeptSurvey) -> Result:
    """Say that somebody else has published a version meanwhile, and what differs from it."""
    assert draft.survey is not None
    return Result(
        draft=draft,
        said=(
            f"Somebody published version {kept.version} meanwhile. Nothing of yours is lost: "
            "compare below, correct your text, and publish again. Yours is the next version then."
        ),
        level="warn",
        theirs=kept.version,
        differences=tuple(
            differences(views.ordered(kept.document), views.ordered(draft.survey.document))
        ),
    )


def _shown(text: str, result: Result | None) -> dict[str, Any]:
    faults = result.draft.faults if result else ()
    return {
        "result": result,
        "gutter": editing.gutter(text, faults),
        "excerpt": editing.excerpt,
        "written": views.written,
        "language": views.language,
    }
