"""The console's pages of programs: the list, and one program with its volume and its versions."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from heardback.console.pages import Console, back, patch, refuse_cross_site, wants_patch
from heardback.db import Database
from heardback.http import DatabaseOf
from trigger_service import program_store, queries, rules
from trigger_service.console import reading, views
from trigger_service.console.volume import Volume, first_day, volumes
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.domain.program import ProgramState
from trigger_service.faults import InvalidDocument
from trigger_service.known_surveys import load_warnings
from trigger_service.rules import UnknownProgram

_MONTH: Final = 30
_PERIODS: Final = (7, 30, 90)
_MOST_VERSIONS: Final = 50
_FORM: Final = [Depends(refuse_cross_site)]
_DONE: Final = {
    "created": "Saved, and paused for now. Look at its preview, then activate it.",
    "saved": "Saved. This version decides from now on.",
    "same": "Nothing was saved: this is what the version in force says already.",
}
_STATES: Final = {
    ProgramState.ACTIVE: "Activated: it asks from now on.",
    ProgramState.SHADOW: "In shadow: it decides and records, and sends nothing.",
    ProgramState.PAUSED: "Paused: nothing goes out. What falls due meanwhile is cancelled.",
    ProgramState.ARCHIVED: "Archived: it decides no more. Everything stays readable.",
}
Version = Annotated[int | None, Query(ge=1, le=2**31 - 1)]


class ProgramsPages:
    """The routes of the list and of a program's page."""

    def __init__(self, *, console: Console) -> None:
        self._console = console
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get("/")(self.list_page)
        self.router.get("/console/programs/{program_id}")(self.program_page)
        state = "/console/programs/{program_id}/state"
        self.router.post(state, dependencies=_FORM)(self.set_state)

    async def list_page(self, request: Request, database: DatabaseOf) -> Response:
        """Show every program, how much it asks, and what holds for all of them."""
        now = database.clock.now()
        async with database.read() as connection:
            programs, governance = await views.load(connection)
            since = first_day(now.date(), _MONTH)
            tally = await queries.tally(connection, since=since)
            limits = await views.limits(connection, governance, now=now)
        found = volumes(tally, today=now.date(), days=_MONTH)
        rows = [views.row(program, found[program.program_id]) for program in programs]
        return self._console.page(
            request,
            "programs.html",
            rows=[row for row in rows if row.program.state is not ProgramState.ARCHIVED],
            archived=[row for row in rows if row.program.state is ProgramState.ARCHIVED],
            limits=limits,
            nobody_listens=found[""].decisions,
        )

    async def program_page(
        self,
        request: Request,
        database: DatabaseOf,
        program_id: str,
        days: int = _MONTH,
        older: Version = None,
        newer: Version = None,
        done: str = "",
    ) -> Response:
        """Show one program: its state, how much it asks, why not, what it says and has said."""
        try:
            shown = await self._load(database, program_id, days if days in _PERIODS else _MONTH)
        except UnknownProgram:
            return self._missing(request, program_id)
        versions = shown["versions"]
        newer = newer or versions[0].version
        older = older or max(1, newer - 1)
        return self._console.page(
            request,
            "program.html",
            **shown,
            older=older,
            newer=newer,
            differences=views.compare(versions, older, newer),
            written=views.written,
            notice=_DONE.get(done, ""),
            periods=_PERIODS,
        )

    async def set_state(
        self,
        request: Request,
        database: DatabaseOf,
        program_id: str,
        state: Annotated[ProgramState, Form()],
    ) -> Response:
        """Activate, pause, shadow or archive the program."""
        notice, status = _STATES[state], HTTPStatus.OK
        try:
            async with database.transaction() as tx:
                program = await rules.set_state(tx, program_id, state)
        except UnknownProgram:
            return self._missing(request, program_id)
        except InvalidDocument as error:
            async with database.read() as connection:
                program = await rules.find_program(connection, program_id)
            notice, status = _not_valid(error), HTTPStatus.UNPROCESSABLE_ENTITY
        if not wants_patch(request) and status is HTTPStatus.OK:
            return back(request, f"/console/programs/{program_id}")
        name = ProgramDocument.model_validate_json(program.document).name
        context = {"program": program, "name": name, "notice": notice}
        return patch(self._console.render("_state.html", **context), status=status)

    async def _load(self, database: Database, program_id: str, days: int) -> dict[str, Any]:
        today = database.clock.now().date()
        async with database.read() as connection:
            program = await rules.find_program(connection, program_id)
            governance = await program_store.load_governance(connection)
            versions = await program_store.load_versions(
                connection, program_id, limit=_MOST_VERSIONS
            )
            document = ProgramDocument.model_validate_json(program.document)
            warnings = await load_warnings(connection, document)
            since = first_day(today, days)
            tally = await queries.tally(connection, since=since, program_id=program_id)
        volume = volumes(tally, today=today, days=days)[program_id]
        return {
            "program": program,
            "name": document.name,
            "document": document,
            "warnings": warnings,
            "lines": reading.read_aloud(
                document, GovernanceDocument.model_validate_json(governance.document)
            ),
            "text": views.as_yaml(program.document),
            "versions": versions,
            "days": days,
            **_figures(volume),
        }

    def _missing(self, request: Request, program_id: str) -> Response:
        page = self._console.page(request, "program_missing.html", program_id=program_id)
        page.status_code = HTTPStatus.NOT_FOUND
        return page


def _figures(volume: Volume) -> dict[str, Any]:
    return {
        "volume": volume,
        "chart": views.volume_chart(volume),
        "why_not": views.why_not(volume.reasons, of=volume.decisions),
    }


def _not_valid(error: InvalidDocument) -> str:
    faults = "; ".join(str(fault) for fault in error.faults)
    return f"It is not valid any more under the governance: {faults}. Edit it, then try again."
