"""The rules in force: loaded for deciding, changed by files and over HTTP, never half."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from heardback.db import Transaction
from heardback.errors import Conflict, NotFound
from heardback.timers import Timer
from trigger_service import program_store
from trigger_service.compiling import compile_governance, compile_program, governance_of, program_of
from trigger_service.documents import (
    GovernanceDocument,
    ProgramDocument,
    digest_of,
    text_of,
)
from trigger_service.domain.program import Catalogue, ProgramState
from trigger_service.faults import Fault, InvalidDocument
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
        """What tells that the file has changed, and whether its state has."""
        return f"{self.state}:{digest_of(self.document)}"

    def state_after(self, before: KeptProgram | None) -> ProgramState:
        """Return the state once this file is read: its own, where that is what has changed.

        A program that was paused over HTTP is not started because its file has a new wording.
        """
        if before is None or before.file_digest is None or before.state is ProgramState.ARCHIVED:
            return self.state
        has_changed = before.file_digest.partition(":")[0] != self.state
        return self.state if has_changed else before.state


async def load_catalogue(connection: AsyncConnection) -> Catalogue:
    """Return the rules in force right now; an archived program is none of them."""
    return _catalogue(*await program_store.load_rules(connection))


@lru_cache(maxsize=4)
def _catalogue(governance: str, kept: tuple[KeptProgram, ...]) -> Catalogue:
    programs = [program_of(p.document, governance, p.version, p.state) for p in kept]
    return Catalogue.of(programs, governance_of(governance))


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

    What was changed over HTTP since stays until its file changes. A program whose file is gone is
    archived, and stays so if the same file comes back: a rollout starts old replicas, too.
    Raises: InvalidDocument when a program is not valid under the governance in force.
    """
    await program_store.lock_programs(tx.connection)
    kept = await program_store.load_programs(tx.connection)
    changed = {
        key: file
        for key, file in files.items()
        if key not in kept or kept[key].file_digest != file.digest
    }
    gone = [p for key, p in kept.items() if p.file_digest is not None and key not in files]
    for program in gone:
        if program.state is not ProgramState.ARCHIVED:
            await _save(tx, replace(program, state=ProgramState.ARCHIVED), program)
    staying = [p for key, p in kept.items() if key not in changed and p not in gone]
    await _install_governance(tx, governance, staying)
    for key, file in changed.items():
        await check_program(tx.connection, file.document)
        before = kept.get(key)
        after = _next(file.document, before, state=file.state_after(before), digest=file.digest)
        await _save(tx, after, before)
    for program in staying:
        _set_cadence_timer(tx, program)


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
    after = _next(document, before, state=before.state, digest=before.file_digest)
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


async def _install_governance(
    tx: Transaction, governance: GovernanceDocument, staying: Sequence[KeptProgram]
) -> None:
    before = await program_store.load_governance(tx.connection)
    digest = digest_of(governance)
    if digest != before.file_digest:
        await _put_governance(tx, governance, before, digest=digest, staying=staying)


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
    digest: str | None = None,
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
        file_digest=digest,
    )


def _see_same_type(document: ProgramDocument, before: KeptProgram) -> None:
    """What waits was decided under the cooldowns of its type."""
    type_before = ProgramDocument.model_validate_json(before.document).type
    if document.type is not type_before:
        message = f"it stays {type_before}; archive this program and write another"
        raise InvalidDocument([Fault(path=("type",), message=message)])


async def _save(tx: Transaction, after: KeptProgram, before: KeptProgram | None) -> KeptProgram:
    await program_store.save_program(tx.connection, after, before=before, now=tx.now)
    _set_cadence_timer(tx, after)
    return replace(after, changed_at=tx.now)


def _set_cadence_timer(tx: Transaction, program: KeptProgram) -> None:
    """Have a cadence look where it is; it does no harm to set the timer of one that has one."""
    document = ProgramDocument.model_validate_json(program.document)
    if document.cadence is not None and program.state in (
        ProgramState.ACTIVE,
        ProgramState.SHADOW,
    ):
        tx.set_timer(Timer(kind=CADENCE, key=program.program_id, due_at=tx.now))
