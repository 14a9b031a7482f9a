"""The pages of the rules: all of them, one with its versions, and a task to try them on."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from closeloop_service.console.rulebook_views import TRIED, says, try_out, written
from closeloop_service.console.trying import TryFields
from closeloop_service.rulebook.differing import differing
from closeloop_service.rulebook.faults import UnknownVersion
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.shelf import load_shelf, load_version, load_versions
from closeloop_service.store.rulebooks import KeptRulebook
from heardback.console.pages import Console
from heardback.db import Database
from heardback.differences import Difference
from heardback.http import DatabaseOf

PATH: Final = "/console/rulebooks"
_MOST_VERSIONS: Final = 50
_DONE: Final = {
    "saved": "Saved, and in force from now on. Open tasks follow within moments.",
    "same": "Nothing was saved: this is what is in force already.",
}
Number = Annotated[int | None, Query(ge=0, le=2**53)]


class RulebookPages:
    """The routes of the list and of one rulebook."""

    def __init__(self, *, console: Console) -> None:
        self._console = console
        self.router: Final = APIRouter(include_in_schema=False)
        self.router.get(PATH)(self.list_page)
        self.router.get(f"{PATH}/{{name}}")(self.rulebook_page)

    async def list_page(
        self, request: Request, database: DatabaseOf, fields: Annotated[TryFields, Query()]
    ) -> Response:
        """Show what is in force, and what it would do with a task."""
        now = database.clock.now()
        async with database.read() as connection:
            shelf = await load_shelf(connection)
            books = shelf.books()
            tried = await try_out(connection, books, fields.question(now))
        rows = [(kind, kept, says(kind, books)) for kind, kept in shelf.kept.items()]
        return self._console.page(
            request, "rulebooks.html", rows=rows, fields=fields.shown(now), tried=tried
        )

    async def rulebook_page(
        self,
        request: Request,
        database: DatabaseOf,
        name: str,
        version: Number = None,
        older: Number = None,
        newer: Number = None,
        done: str = "",
    ) -> Response:
        """Show a version of a rulebook, the one in force if none is named, and what changed."""
        kind = kind_of(name)
        versions = [] if kind is None else await _versions(database, kind)
        shown = None
        if kind is not None:
            wanted = versions[0].version if version is None else version
            shown = await find_version(database, kind, wanted)
        if kind is None or shown is None:
            return missing(self._console, request)
        before, after = _pair(versions, shown.version, older, newer)
        return self._console.page(
            request,
            "rulebook.html",
            kind=kind,
            kept=shown,
            versions=versions,
            older=before,
            newer=after,
            differences=await _compare(database, kind, before, after),
            written=written,
            is_tried=kind in TRIED,
            notice=_DONE.get(done, ""),
        )


def kind_of(name: str) -> Kind | None:
    """Return the kind of that name."""
    return next((kind for kind in Kind if kind == name), None)


def missing(console: Console, request: Request) -> Response:
    """Return the page of a rulebook or a version that is not there."""
    page = console.page(request, "rulebook_missing.html", kinds=[*Kind])
    page.status_code = HTTPStatus.NOT_FOUND
    return page


async def find_version(database: Database, kind: Kind, version: int) -> KeptRulebook | None:
    """Return a version of a rulebook, if there is one of that number."""
    try:
        async with database.read() as connection:
            return await load_version(connection, kind, version)
    except UnknownVersion:
        return None


async def _versions(database: Database, kind: Kind) -> Sequence[KeptRulebook]:
    async with database.read() as connection:
        return await load_versions(connection, kind, limit=_MOST_VERSIONS)


def _pair(
    versions: Sequence[KeptRulebook], shown: int, older: int | None, newer: int | None
) -> tuple[int, int]:
    """Return which two to compare: those asked for, else the shown one with that before it."""
    numbers = [version.version for version in versions]
    before = next((number for number in numbers if number < shown), shown)
    return (before if older is None else older, shown if newer is None else newer)


async def _compare(
    database: Database, kind: Kind, older: int, newer: int
) -> list[Difference] | None:
    """Return what differs; None: one of the two is not there."""
    before, after = [await find_version(database, kind, number) for number in (older, newer)]
    return differing(before.body, after.body) if before and after else None
