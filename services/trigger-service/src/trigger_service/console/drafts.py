"""A draft: the text of a program as somebody types it, and what is wrong with it, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from heardback.console.editing import LineFault, read_typed
from heardback.faults import NO_FIELDS
from trigger_service.compiling import compile_program
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.faults import Fault, InvalidDocument, parse

LONGEST: Final = 20_000
"""Characters."""

_STATE: Final = Fault(path=("state",), message="leave this out; the buttons of the program set it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text, and the document that it says; None: it has faults."""

    text: str
    document: ProgramDocument | None
    faults: Sequence[LineFault] = ()


def read_draft(text: str, governance: GovernanceDocument, *, program_id: str | None) -> Draft:
    """Read a text as a program; `program_id`: the one that it is to be a version of."""
    typed = read_typed(text, longest=LONGEST)
    if typed.fault is not None:
        return Draft(text=typed.text, document=None, faults=[typed.fault])
    try:
        document = _document(typed.data, governance, program_id)
    except InvalidDocument as error:
        return Draft(text=typed.text, document=None, faults=typed.locate(error.faults))
    return Draft(text=typed.text, document=document)


def refused(draft: Draft, faults: Sequence[Fault]) -> Draft:
    """Return the draft with faults that only showed when it was to be kept."""
    typed = read_typed(draft.text, longest=LONGEST)
    return Draft(text=draft.text, document=None, faults=typed.locate(faults))


def _document(data: Any, governance: GovernanceDocument, program_id: str | None) -> ProgramDocument:
    if not isinstance(data, dict):
        raise InvalidDocument([NO_FIELDS])
    faults = [_STATE] if "state" in data else []
    try:
        fields = {name: value for name, value in data.items() if name != "state"}
        document = parse(ProgramDocument, fields)
        compile_program(document, governance)
    except InvalidDocument as error:
        raise InvalidDocument([*faults, *error.faults]) from None
    if program_id is not None and document.id != program_id:
        message = f"the id never changes: write {program_id}, or make a new program"
        faults.append(Fault(path=("id",), message=message))
    if faults:
        raise InvalidDocument(faults)
    return document
