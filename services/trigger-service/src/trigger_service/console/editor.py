"""The editor: a program as text, checked and tried out before it is saved."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from heardback.console import editing
from heardback.console.pages import Console, patch, refuse_cross_site, wants_patch
from heardback.db import Database
from heardback.http import DatabaseOf
from trigger_service import program_store, rules
from trigger_service.console import editor_views, views
from trigger_service.console.drafts import Draft, read_draft, refused
from trigger_service.console.editor_views import Result
from trigger_service.console.previews import preview
from trigger_service.console.ready_made import templates, text_for
from trigger_service.documents import GovernanceDocument
from trigger_service.dry_run.playing import DryRunTooLong
from trigger_service.faults import Fault, InvalidDocument
from trigger_service.known_surveys import load_warnings
from trigger_service.program_store import KeptGovernance, KeptProgram
from trigger_service.rules import ProgramExists, VersionConflict

_FORM: Final = [Depends(refuse_cross_site)]
_TOO_LONG: Final = (
    "The preview takes too long. Put the program in shadow instead, and look at what it records."
)
_TAKEN: Final = Fault(path=("id",), message="there is a program with this id; choose another")


class Do(StrEnum):
    """What a button of the editor does."""

    CHECK = "check"
    PREVIEW = "preview"
    SAVE = "save"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What a draft is read against. `kept`: the program that it is to be a version of."""

    governance: KeptGovernance
    programs: dict[str, KeptProgram]
    program_id: str | None

    @property
    def kept(self) -> KeptProgram | None:
        return self.programs.get(self.program_id or "")

    @property
    def document(self) -> GovernanceDocument:
        return GovernanceDocument.model_validate_json(self.governance.document)


class ProgramEditor:
    """The routes of the editor."""

    def __init__(self, *, console: Console) -> None:
        self._console = console
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get("/console/new")(self.new_page)
        self.router.post("/console/new", dependencies=_FORM)(self.send_new)
        edit = "/console/programs/{program_id}/edit"
        self.router.get(edit)(self.edit_page)
        self.router.post(edit, dependencies=_FORM)(self.send_edit)

    async def new_page(
        self,
        request: Request,
        database: DatabaseOf,
        start: Annotated[str | None, Query(alias="from", max_length=100)] = None,
    ) -> Response:
        """Offer the ready-made programs to start from; once one is chosen, its text."""
        if start is None:
            return self._console.page(request, "program_new.html", templates=templates())
        held = await _load(database, None)
        return self._page(request, held, text=text_for(start, held.programs), version=0)

    async def edit_page(self, request: Request, database: DatabaseOf, program_id: str) -> Response:
        """Show the version in force as text."""
        held = await _load(database, program_id)
        if held.kept is None:
            return self._missing(request, program_id)
        text = views.as_yaml(held.kept.document)
        return self._page(request, held, text=text, version=held.kept.version)

    async def send_new(
        self,
        request: Request,
        database: DatabaseOf,
        text: Annotated[str, Form()] = "",
        do: Annotated[Do, Form()] = Do.CHECK,
    ) -> Response:
        """Check, preview or save a new program."""
        held = await _load(database, None)
        return await self._answer(request, database, held, text=text, do=do, version=0)

    async def send_edit(
        self,
        request: Request,
        database: DatabaseOf,
        program_id: str,
        version: Annotated[int, Form(ge=1, le=2**31 - 1)],
        text: Annotated[str, Form()] = "",
        do: Annotated[Do, Form()] = Do.CHECK,
    ) -> Response:
        """Check, preview or save the next version of a program."""
        held = await _load(database, program_id)
        if held.kept is None:
            return self._missing(request, program_id)
        return await self._answer(request, database, held, text=text, do=do, version=version)

    async def _answer(
        self,
        request: Request,
        database: Database,
        held: _Rules,
        *,
        text: str,
        do: Do,
        version: int,
    ) -> Response:
        draft = read_draft(text, held.document, program_id=held.program_id)
        if draft.document is None:
            result: Result = editor_views.faulty(draft)
        elif do is Do.SAVE:
            saved = await _save(database, held, draft, version)
            if isinstance(saved, Response):
                return saved
            result = saved
        elif do is Do.PREVIEW:
            result = await _preview(database, held, draft)
        else:
            warnings = await _warnings(database, draft)
            result = editor_views.checked(draft, held.document, warnings)
        version = result.theirs or version
        if wants_patch(request):
            return patch(self._render("_gutter.html", result), self._render("_result.html", result))
        return self._page(request, held, text=draft.text, version=version, result=result)

    def _render(self, template: str, result: Result) -> str:
        return self._console.render(template, **_shown(result.draft.text, result))

    def _page(
        self,
        request: Request,
        held: _Rules,
        *,
        text: str,
        version: int,
        result: Result | None = None,
    ) -> Response:
        page = self._console.page(
            request,
            "program_editor.html",
            program_id=held.program_id,
            kept=held.kept,
            text=text,
            version=version,
            rows=editing.rows(text),
            help=editor_views.field_help(),
            expression_fields=editor_views.expression_fields(held.governance),
            **_shown(text, result),
        )
        if result is not None and result.theirs is not None:
            page.status_code = HTTPStatus.CONFLICT
        elif result is not None and result.draft.document is None:
            page.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return page

    def _missing(self, request: Request, program_id: str) -> Response:
        page = self._console.page(request, "program_missing.html", program_id=program_id)
        page.status_code = HTTPStatus.NOT_FOUND
        return page


async def _load(database: Database, program_id: str | None) -> _Rules:
    async with database.read() as connection:
        return _Rules(
            governance=await program_store.load_governance(connection),
            programs=await program_store.load_programs(connection),
            program_id=program_id,
        )


async def _save(database: Database, held: _Rules, draft: Draft, version: int) -> Response | Result:
    """Save, and lead to the program; else say what stands against it."""
    document = draft.document
    assert document is not None
    try:
        async with database.transaction() as tx:
            if held.program_id is None:
                saved, done = await rules.create_program(tx, document), "created"
            else:
                saved = await rules.write_program(tx, document, expected=version)
                done = "same" if saved.version == version else "saved"
    except ProgramExists:
        return editor_views.faulty(refused(draft, [_TAKEN]))
    except InvalidDocument as error:  # the governance has changed since the draft was read
        return editor_views.faulty(refused(draft, error.faults))
    except VersionConflict:
        now = (await _load(database, held.program_id)).kept
        assert now is not None
        return editor_views.overtaken(draft, now)
    return RedirectResponse(f"/console/programs/{saved.program_id}?done={done}", 303)


async def _preview(database: Database, held: _Rules, draft: Draft) -> Result:
    assert draft.document is not None
    try:
        found = await preview(database, draft.document)
    except DryRunTooLong:
        return Result(draft=draft, said=_TOO_LONG, level="warn")
    except InvalidDocument as error:
        return editor_views.faulty(refused(draft, error.faults))
    return editor_views.checked(draft, held.document, await _warnings(database, draft), found)


async def _warnings(database: Database, draft: Draft) -> list[Fault]:
    assert draft.document is not None
    async with database.read() as connection:
        return await load_warnings(connection, draft.document)


def _shown(text: str, result: Result | None) -> dict[str, Any]:
    faults = result.draft.faults if result else ()
    return {
        "result": result,
        "gutter": editing.gutter(text, faults),
        "excerpt": editing.excerpt,
        "written": views.written,
    }
