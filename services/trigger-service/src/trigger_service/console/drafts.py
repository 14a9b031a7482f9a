"""A draft: the text of a program as somebody types it, and what is wrong with it, line by line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from heardback.console.editing import LineFault, yaml_fault
from heardback.yaml_text import line_of, read_yaml
from trigger_service.compiling import compile_program
from trigger_service.documents import GovernanceDocument, ProgramDocument
from trigger_service.faults import Fault, InvalidDocument, parse

LONGEST: Final = 20_000
"""Characters."""

_STATE: Final = Fault(path=("state",), message="leave this out; the buttons of the program set it")
_NOT_FIELDS: Final = Fault(path=(), message="write one 'field: value' on each line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text, and the document that it says; None: it has faults."""

    text: str
    document: ProgramDocument | None
    faults: Sequence[LineFault] = ()


def read_draft(text: str, governance: GovernanceDocument, *, program_id: str | None) -> Draft:
    """Read a text as a program; `program_id`: the one that it is to be a version of."""
    text = text.replace("\r\n", "\n")
    if len(text) > LONGEST:
        most = f"this is longer than {LONGEST:,} characters; make it shorter"
        return Draft(text=text, document=None, faults=[LineFault(line=1, field="", message=most)])
    try:
        data, node = read_yaml(text)
    except yaml.YAMLError as error:
        return Draft(text=text, document=None, faults=[yaml_fault(text, error)])
    try:
        document = _document(data, governance, program_id)
    except InvalidDocument as error:
        return Draft(text=text, document=None, faults=locate(error.faults, node))
    return Draft(text=text, document=document)


def refused(draft: Draft, faults: Sequence[Fault]) -> Draft:
    """Return the draft with faults that only showed when it was to be kept."""
    return Draft(text=draft.text, document=None, faults=locate(faults, read_yaml(draft.text)[1]))


def locate(faults: Sequence[Fault], node: yaml.Node | None) -> list[LineFault]:
    """Return the faults with their lines, from the first line on."""
    found = [
        LineFault(
            line=line_of(node, fault.path),
            field=".".join(map(str, fault.path)),
            message=fault.message,
        )
        for fault in faults
    ]
    return sorted(found, key=lambda fault: fault.line)


def _document(data: Any, governance: GovernanceDocument, program_id: str | None) -> ProgramDocument:
    if not isinstance(data, dict):
        raise InvalidDocument([_NOT_FIELDS])
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
