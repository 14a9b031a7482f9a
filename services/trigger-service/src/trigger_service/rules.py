"""The rules in force: loaded for deciding, changed by files and over HTTP, never half."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.db import Transaction
from heardback.errors import Conflict, NotFound
from heardback.timers import Timer
from trigger_service import program_store
from trigger_service.compiling import (
    Fault,
    InvalidDocument,
    compile_governance,
    compile_program,
    governance_of,
    program_of,
)
from trigger_service.documents import (
    Document,
    GovernanceDocument,
    ProgramDocument,
    as_written,
)
from trigger_service.domain.program import Catalogue, ProgramState
from trigger_service.program_store import KeptGovernance, KeptProgram

CADENCE: Final = "cadence"
"""The timer that takes a program through the customers; its key is the program's id."""


class UnknownProgram(NotFound):
    """There is no program with this id; GET /programs lists them."""

    program_id: str


class ProgramExists(Conflict):
    """There is a program with this id; PUT /programs/{id} writes its next version."""

    program_id: str


class VersionConflict(Conflict):
    """Somebody has written another version meanwhile; look at it and send yours again."""

    program_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFile:
    """A program as a file says it, with the state that it is to have."""

    document: ProgramDocument
    state: ProgramState

    @property
    def digest(self) -> str:
        """What tells that the file has changed."""
        return digest_of(self.document, self.state)


async def load_catalogue(connection: AsyncConnection) -> Catalogue:
    """Return the rules in force right now; an archived program is none of them."""
    governance = await program_store.load_governance(connection)
    kept = await program_store.load_programs(connection)
    programs = [
        program_of(program.document, governance.document, program.version, program.state)
        for program in kept.values()
        if program.state is not ProgramState.ARCHIVED
    ]
    return Catalogue.of(programs, governance_of(governance.document))


async def find_program(connection: AsyncConnection, program_id: str) -> KeptProgram:
    """Return a program as it is kept, an archived one as well.

    Raises: UnknownProgram.
    """
    program = (await program_store.load_programs(connection)).get(program_id)
    if program is None:
        raise UnknownProgram(program_id=program_id)
    return program


async def check_program(connection: AsyncConnection, document: ProgramDocument) -> None:
    """See that a program would be valid if it were written now.

    Raises: InvalidDocument.
    """
    governance = await program_store.load_governance(connection)
    compile_program(document, GovernanceDocument.model_validate_json(governance.document))


async def check_governance(connection: AsyncConnection, document: GovernanceDocument) -> None:
    """See that the governance, and every program under it, would be valid if it were written now.

    Raises: InvalidDocument.
    """
    kept = await program_store.load_programs(connection)
    _check_governance(document, list(kept.values()))


async def install_files(
    tx: Transaction, files: Mapping[str, ProgramFile], governance: GovernanceDocument
) -> None:
    """Make what the files say the rules, as far as the files have changed since they were read.

    A program whose file is gone is archived. What was changed over HTTP since stays until its file
    changes. Raises: InvalidDocument when the new governance makes a program invalid.
    """
    await program_store.lock_programs(tx.connection)
    kept = await program_store.load_programs(tx.connection)
    changed = {
        key: file
        for key, file in files.items()
        if key not in kept or kept[key].file_digest != file.digest
    }
    kept_governance = await program_store.load_governance(tx.connection)
    digest = digest_of(governance)
    if digest != kept_governance.file_digest:
        staying = [
            program
            for key, program in kept.items()
            if key not in changed and (key in files or program.file_digest is None)
        ]
        await _put_governance(tx, governance, kept_governance, digest=digest, staying=staying)
    for key, file in changed.items():
        after = _next(file.document, kept.get(key), state=file.state, file_digest=file.digest)
        await _save(tx, after, kept.get(key))
    for key, before in kept.items():
        if before.file_digest is not None and key not in files:
            gone = replace(before, state=ProgramState.ARCHIVED, file_digest=None)
            await _save(tx, gone, before)


async def create_program(tx: Transaction, document: ProgramDocument) -> KeptProgram:
    """Keep a new program, paused. The same document again changes nothing.

    Raises: ProgramExists, InvalidDocument.
    """
    before = await _check(tx, document)
    if before is None:
        return await _save(tx, _next(document, None, state=ProgramState.PAUSED), None)
    if before.version == 1 and before.document == text_of(document):
        return before
    raise ProgramExists(program_id=document.id)


async def write_program(
    tx: Transaction, document: ProgramDocument, *, expected: int | None
) -> KeptProgram:
    """Put the next version of a program in force. The same document again changes nothing.

    `expected`: the version that it was written upon; None: whichever.
    Raises: UnknownProgram, VersionConflict, InvalidDocument.
    """
    before = await _check(tx, document)
    if before is None:
        raise UnknownProgram(program_id=document.id)
    if before.document == text_of(document):
        return before
    if expected is not None and expected != before.version:
        raise VersionConflict(program_id=document.id, version=before.version)
    after = _next(document, before, state=before.state, file_digest=before.file_digest)
    return await _save(tx, after, before)


async def set_state(tx: Transaction, program_id: str, state: ProgramState) -> KeptProgram:
    """Activate, pause, shadow or archive a program; doing it again changes nothing.

    Raises: UnknownProgram, InvalidDocument when an archived one is not valid any more.
    """
    await program_store.lock_programs(tx.connection)
    before = await find_program(tx.connection, program_id)
    if before.state is state:
        return before
    if before.state is ProgramState.ARCHIVED:
        # The governance may have changed so that an archived program is not valid any more.
        await _check(tx, ProgramDocument.model_validate_json(before.document))
    return await _save(tx, replace(before, state=state), before)


async def write_governance(tx: Transaction, document: GovernanceDocument) -> KeptGovernance:
    """Put another version of the governance in force. The same again changes nothing.

    Raises: InvalidDocument, also when a program would not be valid under it.
    """
    await program_store.lock_programs(tx.connection)
    before = await program_store.load_governance(tx.connection)
    if before.document == text_of(document):
        return before
    kept = await program_store.load_programs(tx.connection)
    return await _put_governance(
        tx, document, before, digest=before.file_digest, staying=list(kept.values())
    )


def text_of(document: Document) -> str:
    """Return the text as which a document is kept."""
    return orjson.dumps(as_written(document)).decode()


def digest_of(document: Document, state: ProgramState | None = None) -> str:
    """Return what tells two documents in a file apart."""
    return sha256(f"{text_of(document)}\0{state or ''}".encode()).hexdigest()


async def _check(tx: Transaction, document: ProgramDocument) -> KeptProgram | None:
    """See that the document is valid; return the program as it is kept, for this to change."""
    await program_store.lock_programs(tx.connection)
    await check_program(tx.connection, document)
    return (await program_store.load_programs(tx.connection)).get(document.id)


async def _put_governance(
    tx: Transaction,
    document: GovernanceDocument,
    before: KeptGovernance,
    *,
    digest: str | None,
    staying: Sequence[KeptProgram],
) -> KeptGovernance:
    """`staying`: the programs that have to be valid under it as they are."""
    _check_governance(document, staying)
    after = KeptGovernance(
        version=before.version + 1, document=text_of(document), file_digest=digest
    )
    await program_store.add_governance(tx.connection, after, now=tx.now)
    return after


def _check_governance(document: GovernanceDocument, programs: Sequence[KeptProgram]) -> None:
    compile_governance(document)
    faults = [
        Fault(path=(program.program_id, *fault.path), message=fault.message)
        for program in programs
        if program.state is not ProgramState.ARCHIVED
        for fault in _faults_under(document, program)
    ]
    if faults:
        raise InvalidDocument(faults)


def _faults_under(governance: GovernanceDocument, program: KeptProgram) -> list[Fault]:
    try:
        compile_program(ProgramDocument.model_validate_json(program.document), governance)
    except InvalidDocument as error:
        return list(error.faults)
    return []


def _next(
    document: ProgramDocument,
    before: KeptProgram | None,
    *,
    state: ProgramState,
    file_digest: str | None = None,
) -> KeptProgram:
    text = text_of(document)
    version = 1
    if before is not None:
        version = before.version + (before.document != text)
        _see_same_type(document, before)
    return KeptProgram(
        program_id=document.id,
        state=state,
        version=version,
        document=text,
        file_digest=file_digest,
    )


def _see_same_type(document: ProgramDocument, before: KeptProgram) -> None:
    """What waits was decided under the cooldowns of its type."""
    type_before = ProgramDocument.model_validate_json(before.document).type
    if document.type is not type_before:
        message = f"it stays {type_before}; archive this program and write another"
        raise InvalidDocument([Fault(path=("type",), message=message)])


async def _save(tx: Transaction, after: KeptProgram, before: KeptProgram | None) -> KeptProgram:
    await program_store.save_program(tx.connection, after, before=before, now=tx.now)
    document = ProgramDocument.model_validate_json(after.document)
    if document.cadence is not None and after.state in (ProgramState.ACTIVE, ProgramState.SHADOW):
        tx.set_timer(Timer(kind=CADENCE, key=after.program_id, due_at=tx.now))
    return replace(after, changed_at=tx.now)
