"""The editor: a rulebook as text, checked and tried out before it is put in force."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from closeloop_service.console import rulebook_views as views
from closeloop_service.console.forms import remember, whoever_sits_here
from closeloop_service.console.rulebook_views import TRIED, Result
from closeloop_service.console.rulebooks import PATH, find_version, kind_of, missing
from closeloop_service.console.trying import TryFields, Word
from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.drafts import Checked, check_text
from closeloop_service.rulebook.faults import RulebookChanged, RulebookFaults
from closeloop_service.rulebook.help import field_help
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.saving import Draft, save
from closeloop_service.rulebook.shelf import load_shelf
from heardback.console import editing
from heardback.console.pages import Console, patch, refuse_cross_site, wants_patch
from heardback.db import Database
from heardback.http import DatabaseOf

_FORM: Final = [Depends(refuse_cross_site)]


class Do(StrEnum):
    """What a button of the editor does."""

    CHECK = "check"
    TRY = "try"
    SAVE = "save"


class EditFields(TryFields):
    """What the editor sends: the text, who writes it, and a task to try it on."""

    text: str = ""
    do: Do = Do.CHECK
    version: Annotated[int, Field(ge=0, le=2**53)] = 0
    saved_by: Word = ""
    note: Word = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edited:
    """What is on the page: the fields as they were sent, or as they stand at first."""

    kind: Kind
    fields: EditFields
    result: Result | None = None


class RulebookEditor:
    """The routes of the editor; `secrets`: the names of those that are set."""

    def __init__(self, *, console: Console, secrets: Collection[str]) -> None:
        self._console = console
        self._secrets = secrets
        self.router: Final = APIRouter(include_in_schema=False)
        path = f"{PATH}/{{name}}/edit"
        self.router.get(path)(self.edit_page)
        self.router.post(path, dependencies=_FORM)(self.send)

    async def edit_page(
        self,
        request: Request,
        database: DatabaseOf,
        name: str,
        start: Annotated[int | None, Query(alias="from", ge=0, le=2**53)] = None,
    ) -> Response:
        """Show the version in force as text, or an earlier one that is to be saved again."""
        kind = kind_of(name)
        if kind is None:
            return missing(self._console, request)
        async with database.read() as connection:
            newest = (await load_shelf(connection)).kept[kind]
        shown = newest if start is None else await find_version(database, kind, start)
        if shown is None:
            return missing(self._console, request)
        fields = EditFields(
            text=shown.body.rstrip("\n"),
            version=newest.version,
            saved_by=whoever_sits_here(request),
            note="" if shown is newest else f"version {shown.version} again",
        )
        return self._page(request, database, _Edited(kind=kind, fields=fields))

    async def send(
        self,
        request: Request,
        database: DatabaseOf,
        name: str,
        fields: Annotated[EditFields, Form()],
    ) -> Response:
        """Check, try out or save a text."""
        kind = kind_of(name)
        if kind is None:
            return missing(self._console, request)
        async with database.read() as connection:
            books = (await load_shelf(connection)).books()
        draft = check_text(kind, fields.text, books, self._secrets)
        if draft.read is None:
            result = views.faulty(draft)
        elif fields.do is Do.SAVE:
            saved = await self._save(database, kind, fields, draft)
            if isinstance(saved, Response):
                return saved
            result = saved
        elif fields.do is Do.TRY and kind in TRIED:
            result = await _try(database, draft, draft.read.books, fields)
        else:
            result = views.checked(draft)
        return self._answer(request, database, _Edited(kind=kind, fields=fields, result=result))

    async def _save(
        self, database: Database, kind: Kind, fields: EditFields, checked: Checked
    ) -> Response | Result:
        """Save, and lead to the rulebook; else say what stands against it."""
        if not fields.saved_by:
            return views.nameless(checked)
        draft = Draft(
            kind=kind,
            body=fields.text,
            saved_by=fields.saved_by,
            note=fields.note,
            based_on=fields.version,
        )
        try:
            async with database.transaction() as tx:
                saved = await save(tx, draft, self._secrets)
        except RulebookChanged as changed:
            now = await find_version(database, kind, changed.version)
            assert now is not None
            return views.overtaken(checked, now)
        except RulebookFaults as refused:  # another rulebook has changed since it was checked
            typed = editing.read_typed(fields.text, longest=len(fields.text))
            faults = typed.locate(refused.faults)
            return views.faulty(Checked(text=checked.text, faults=faults))
        done = "same" if saved.version == fields.version else "saved"
        return remember(RedirectResponse(f"{PATH}/{kind}?done={done}", 303), fields.saved_by)

    def _answer(self, request: Request, database: Database, edited: _Edited) -> Response:
        result = edited.result
        assert result is not None
        if wants_patch(request):
            shown = _shown(result.draft.text, result)
            names = ("_gutter.html", "_rulebook_result.html")
            return patch(*(self._console.render(name, **shown) for name in names))
        page = self._page(request, database, edited)
        if result.theirs is not None:
            page.status_code = HTTPStatus.CONFLICT
        elif result.level == "breach":
            page.status_code = HTTPStatus.UNPROCESSABLE_ENTITY
        return page

    def _page(self, request: Request, database: Database, edited: _Edited) -> Response:
        fields, result = edited.fields, edited.result
        text = fields.text if result is None else result.draft.text
        theirs = None if result is None else result.theirs
        return self._console.page(
            request,
            "rulebook_editor.html",
            kind=edited.kind,
            text=text,
            version=fields.version if theirs is None else theirs,
            saved_by=fields.saved_by,
            note=fields.note,
            fields=fields.shown(database.clock.now()),
            is_tried=edited.kind in TRIED,
            rows=editing.rows(text),
            help=field_help(edited.kind),
            **_shown(text, result),
        )


async def _try(database: Database, draft: Checked, books: Books, fields: EditFields) -> Result:
    async with database.read() as connection:
        question = fields.question(database.clock.now())
        return views.checked(draft, await views.try_out(connection, books, question))


def _shown(text: str, result: Result | None) -> dict[str, Any]:
    faults = result.draft.faults if result else ()
    return {
        "result": result,
        "gutter": editing.gutter(text, faults),
        "excerpt": editing.excerpt,
        "written": views.written,
    }
