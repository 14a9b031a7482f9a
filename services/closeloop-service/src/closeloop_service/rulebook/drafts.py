"""A draft: the text of a rulebook as somebody types it, and what is wrong with it, line by line."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from closeloop_service.rulebook.books import Books
from closeloop_service.rulebook.faults import RulebookFaults
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reading import LONGEST, Read, read_data
from heardback.console.editing import LineFault, read_typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A text, and what it says; None: it has faults. `advice` is none."""

    text: str
    read: Read | None = None
    faults: Sequence[LineFault] = ()
    advice: Sequence[LineFault] = ()


def check_text(kind: Kind, text: str, beside: Books, secrets: Collection[str]) -> Checked:
    """Read a text as a rulebook, beside the others in force."""
    typed = read_typed(text, longest=LONGEST)
    if typed.fault is not None:
        return Checked(text=typed.text, faults=[typed.fault])
    try:
        read = read_data(kind, typed.data, beside, secrets)
    except RulebookFaults as refused:
        return Checked(text=typed.text, faults=typed.locate(refused.faults))
    return Checked(text=typed.text, read=read, advice=typed.locate(read.advice))
