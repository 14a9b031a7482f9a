"""The suppression list for trusted systems: search it, add to it, lift, import, export."""

import base64
import binascii
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from dispatch_service import metrics, suppression, suppression_store
from dispatch_service.domain.suppression import Key, Reason, Suppression, canonical
from dispatch_service.suppression_csv import (
    Fields,
    entry_of,
    header_line,
    lines_of,
)
from dispatch_service.suppression_import import Import
from dispatch_service.suppression_store import BEFORE_ALL
from heardback.db import Database
from heardback.errors import Invalid, NotFound, UnsupportedMedia
from heardback.http import DatabaseOf, api_key
from heardback.vocabulary import Scope

_CSV: Final = "text/csv"
_PAGE: Final = 1_000
_CSV_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {_CSV: {"schema": {"type": "string", "description": "With a line of names."}}},
    }
}
_CSV_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {_CSV: {"schema": {"type": "string"}}}, "description": "The list."}
}
_Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class UnusableCursor(Invalid):
    """The cursor is none that a page of the list gave."""


class NotOnTheList(NotFound):
    """There is no such entry on the list."""


class EntryKey(BaseModel):
    """Which entry: a customer, an address or both, and what it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: _Text = ""
    address: _Text = ""
    scope: Scope = Scope.ALL
    scoped_to: _Text = Field(default="", description="The program, its type or the channel.")


class NewEntry(EntryKey):
    """Somebody who is not to be asked."""

    note: _Text = ""


class Entry(BaseModel):
    """Somebody who is not asked."""

    customer_id: str
    address: str
    scope: Scope
    scoped_to: str
    reason: Reason
    invitation_id: str | None
    note: str | None
    suppressed_at: datetime


class EntryPage(BaseModel):
    """A part of the list; `next` is the cursor of the part after it."""

    suppressions: list[Entry]
    next: str | None


class Fault(BaseModel):
    """A line that was not taken."""

    line: int
    message: str


class ImportReport(BaseModel):
    """What became of a file's lines."""

    dry_run: bool
    lines: int
    added: int
    already: int = Field(description="They were on the list, or stand in the file twice.")
    faulty: int
    faults: list[Fault] = Field(description="Of the lines that were not taken, the first 200.")


class Search(BaseModel):
    """What to look for; nothing finds everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: _Text | None = None
    address: _Text | None = None
    scope: Scope | None = None
    reason: Reason | None = None

    def filters(self) -> dict[str, str]:
        """Return the columns that must have a value."""
        address = canonical(self.address) if self.address else self.address
        wanted = {
            "customer_id": self.customer_id,
            "address": address,
            "scope": self.scope,
            "reason": self.reason,
        }
        return {name: str(value) for name, value in wanted.items() if value is not None}


class PageSearch(Search):
    """What to look for, and how much of it."""

    limit: int = Field(default=100, ge=1, le=_PAGE)
    cursor: Annotated[str, Field(max_length=2_000)] | None = None


routes: Final = APIRouter(
    prefix="/suppressions", tags=["suppressions"], dependencies=[Depends(api_key)]
)


@routes.get("", operation_id="list_suppressions")
async def show(search: Annotated[PageSearch, Query()], database: DatabaseOf) -> EntryPage:
    """Return a part of the list, in the order of its keys."""
    after = _read_cursor(search.cursor) if search.cursor else BEFORE_ALL
    async with database.read() as connection:
        found = await suppression_store.page(
            connection, after=after, limit=search.limit + 1, filters=search.filters()
        )
    entries = found[: search.limit]
    more = len(found) > len(entries)
    return EntryPage(
        suppressions=[_shown(entry) for entry in entries],
        next=_cursor(entries[-1].key) if more else None,
    )


@routes.post(
    "",
    operation_id="add_suppression",
    status_code=201,
    responses={200: {"model": Entry, "description": "It was there already."}},
)
async def add(entry: NewEntry, database: DatabaseOf, response: Response) -> Entry:
    """Put somebody on the list (201), or leave it as it was (200)."""
    wanted = _entry(entry, note=entry.note, now=database.clock.now())
    async with database.transaction() as tx:
        new = await suppression.suppress(tx, [wanted])
        held = await suppression_store.about(
            tx.connection, customer_id=wanted.customer_id, address=wanted.address
        )
    metrics.SUPPRESSIONS.add(len(new), {"reason": wanted.reason.value})
    response.status_code = 201 if new else 200
    return _shown(next((one for one in held if one.key == wanted.key), wanted))


@routes.post("/lift", operation_id="lift_suppression", status_code=204)
async def lift(entry: EntryKey, database: DatabaseOf) -> Response:
    """Take one entry off the list."""
    key = _entry(entry, note="", now=database.clock.now()).key
    async with database.transaction() as tx:
        if not await suppression.lift(tx, [key]):
            raise NotOnTheList
    return Response(status_code=204)


@routes.post("/import", operation_id="import_suppressions", openapi_extra=_CSV_BODY)
async def take(
    request: Request, database: DatabaseOf, dry_run: Annotated[bool, Query()] = False
) -> ImportReport:
    """Put the lines of a CSV file on the list; the same file again changes nothing.

    Its first line names the columns: customer_id, address, scope, scoped_to, reason, note.
    """
    kind = request.headers.get("content-type", _CSV).partition(";")[0].strip().lower()
    if kind != _CSV:
        raise UnsupportedMedia(detail=f"Send it as {_CSV}.")
    report = await Import(database, is_dry=dry_run).run(request.stream())
    return ImportReport(
        dry_run=dry_run,
        lines=report.lines,
        added=report.added,
        already=report.already,
        faulty=report.faulty,
        faults=[Fault(line=line, message=message) for line, message in report.faults],
    )


@routes.get(
    "/export",
    operation_id="export_suppressions",
    response_class=StreamingResponse,
    responses=_CSV_ANSWER,
)
async def export(search: Annotated[Search, Query()], database: DatabaseOf) -> StreamingResponse:
    """Return the list as a CSV file that can be imported elsewhere."""
    name = f"suppressions-{database.clock.now():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = _lines(database, search.filters())
    return StreamingResponse(lines, media_type=f"{_CSV}; charset=utf-8", headers=headers)


async def _lines(database: Database, filters: dict[str, str]) -> AsyncIterator[str]:
    """Yield the list, holding no connection while the reader is slow."""
    yield header_line()
    after: Key | None = BEFORE_ALL
    while after is not None:
        async with database.read() as connection:
            found = await suppression_store.page(
                connection, after=after, limit=_PAGE, filters=filters
            )
        if found:
            yield lines_of(found)
        after = found[-1].key if len(found) == _PAGE else None


def _entry(entry: EntryKey, *, note: str, now: datetime) -> Suppression:
    fields = entry.model_dump(mode="json", exclude={"note"})
    return entry_of(Fields(**fields, note=note), now=now)


def _shown(entry: Suppression) -> Entry:
    return Entry.model_validate(entry, from_attributes=True)


def _cursor(key: Key) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode()


def _read_cursor(cursor: str) -> Key:
    try:
        parts = orjson.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        raise UnusableCursor from None
    if (
        not isinstance(parts, list)
        or len(parts) != len(BEFORE_ALL)
        or not all(isinstance(part, str) and "\x00" not in part for part in parts)
    ):
        raise UnusableCursor
    return parts[0], parts[1], parts[2], parts[3]
