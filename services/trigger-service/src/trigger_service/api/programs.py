"""Programs over HTTP: written, looked at, and told to ask or not to.

Every command is idempotent: the same again changes nothing, so one whose answer was lost can be
sent again.
"""

from datetime import timedelta
from typing import Annotated, Final, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request, Response

from heardback.bodies import JSON, YAML
from heardback.differences import differences
from heardback.errors import Invalid
from heardback.http import DatabaseOf
from trigger_service import program_store, queries, rules
from trigger_service.api.bodies import read_document
from trigger_service.api.schemas import Schema, body_schema, program_schema
from trigger_service.api.views import (
    DifferenceList,
    ProgramId,
    ProgramList,
    ProgramView,
    Verdict,
    VersionList,
    VersionView,
    VolumeView,
)
from trigger_service.documents import ProgramDocument
from trigger_service.domain.program import ProgramState
from trigger_service.faults import Fault, InvalidDocument, parse
from trigger_service.known_surveys import load_warnings
from trigger_service.program_store import KeptProgram

router: Final = APIRouter(prefix="/programs", tags=["programs"])

_BODY: Final = body_schema("ProgramDocument", JSON, YAML)
_STATES: Final = {
    "activate": ProgramState.ACTIVE,
    "pause": ProgramState.PAUSED,
    "shadow": ProgramState.SHADOW,
    "archive": ProgramState.ARCHIVED,
}
Version = Annotated[int, Query(ge=1, le=2**31 - 1)]


class UnreadableVersion(Invalid):
    """The header If-Match takes the number of a version, in quotes, as ETag says it."""


@router.get("", response_model_exclude_unset=True)
async def list_programs(database: DatabaseOf) -> ProgramList:
    """List every program."""
    async with database.read() as connection:
        kept = await program_store.load_programs(connection)
    return ProgramList(programs=[ProgramView.of(program) for program in kept.values()])


@router.get("/schema")
async def schema() -> Schema:
    """Return the JSON schema of a program, for editors."""
    return program_schema()


@router.post("/validate", openapi_extra=_BODY)
async def validate_program(request: Request, database: DatabaseOf) -> Verdict:
    """Tell whether a program would be taken, and everything that is wrong; nothing is kept."""
    try:
        document = parse(ProgramDocument, await read_document(request))
        async with database.read() as connection:
            await rules.check_program(connection, document)
            warnings = await load_warnings(connection, document)
    except InvalidDocument as error:
        return Verdict.of(error)
    return Verdict.of(None, warnings=warnings)


@router.post("", status_code=201, openapi_extra=_BODY, response_model_exclude_unset=True)
async def create_program(request: Request, response: Response, database: DatabaseOf) -> ProgramView:
    """Keep a new program, paused. The same document again changes nothing."""
    document = parse(ProgramDocument, await read_document(request))
    async with database.transaction() as tx:
        kept = await rules.create_program(tx, document)
    response.headers["Location"] = f"/programs/{kept.program_id}"
    return _tagged(kept, response)


@router.get("/{program_id}", response_model_exclude_unset=True)
async def get_program(
    program_id: ProgramId, response: Response, database: DatabaseOf
) -> ProgramView:
    """Return one program."""
    async with database.read() as connection:
        return _tagged(await rules.find_program(connection, program_id), response)


@router.put("/{program_id}", openapi_extra=_BODY, response_model_exclude_unset=True)
async def write_program(
    program_id: ProgramId,
    request: Request,
    response: Response,
    database: DatabaseOf,
    if_match: Annotated[
        str | None, Header(description="The version that it was written upon, in quotes.")
    ] = None,
) -> ProgramView:
    """Put the next version of a program in force. The same document again changes nothing.

    With `If-Match`, only if nobody has written another version meanwhile.
    """
    expected = _version(if_match)
    document = parse(ProgramDocument, await read_document(request))
    if document.id != program_id:
        message = f"write {program_id}, as in the address; an id never changes"
        raise InvalidDocument([Fault(path=("id",), message=message)])
    async with database.transaction() as tx:
        kept = await rules.write_program(tx, document, expected=expected)
    return _tagged(kept, response)


@router.get("/{program_id}/versions", response_model_exclude_unset=True)
async def list_versions(
    program_id: ProgramId,
    database: DatabaseOf,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> VersionList:
    """List the newest versions of a program."""
    async with database.read() as connection:
        await rules.find_program(connection, program_id)
        kept = await program_store.load_versions(connection, program_id, limit=limit)
    return VersionList(versions=[VersionView.of(version) for version in kept])


@router.get("/{program_id}/diff")
async def diff_versions(
    program_id: ProgramId,
    database: DatabaseOf,
    before: Annotated[Version, Query(alias="from")],
    after: Annotated[Version, Query(alias="to")],
) -> DifferenceList:
    """Tell what differs between two versions of a program."""
    async with database.read() as connection:
        await rules.find_program(connection, program_id)
        documents = [
            orjson.loads((await program_store.load_version(connection, program_id, n)).document)
            for n in (before, after)
        ]
    return DifferenceList(differences=differences(*documents))


@router.get("/{program_id}/volume")
async def volume(
    program_id: ProgramId, database: DatabaseOf, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> VolumeView:
    """Tell what a program has decided on each of the last days, today included."""
    today = database.clock.now().date()
    since = today - timedelta(days=days - 1)
    async with database.read() as connection:
        await rules.find_program(connection, program_id)
        found = await queries.tally(connection, since=since, program_id=program_id)
    return VolumeView.of(found, since=since, until=today)


@router.post("/{program_id}/{command}", response_model_exclude_unset=True)
async def command_program(
    program_id: ProgramId,
    command: Literal["activate", "pause", "shadow", "archive"],
    response: Response,
    database: DatabaseOf,
) -> ProgramView:
    """Activate, pause, shadow or archive a program. Doing it again changes nothing."""
    async with database.transaction() as tx:
        kept = await rules.set_state(tx, program_id, _STATES[command])
    return _tagged(kept, response)


def _tagged(kept: KeptProgram, response: Response) -> ProgramView:
    response.headers["ETag"] = f'"{kept.version}"'
    return ProgramView.of(kept)


def _version(tag: str | None) -> int | None:
    """Return the version that an entity tag names; None: whichever."""
    if tag is None or tag.strip() == "*":
        return None
    number = tag.strip().removeprefix("W/").strip('"')
    if not number.isdecimal() or not number.isascii():
        raise UnreadableVersion
    return int(number)
