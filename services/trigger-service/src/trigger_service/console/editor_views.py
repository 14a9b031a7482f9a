"""What the editor shows: numbered lines, what came of a button, and what can be written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from markupsafe import Markup, escape

from trigger_service.compiling import governance_of
from trigger_service.console import reading, views
from trigger_service.console.drafts import Draft, LineFault
from trigger_service.console.previews import Preview
from trigger_service.differences import Difference, differences
from trigger_service.documents import GovernanceDocument, ProgramDocument, as_written
from trigger_service.program_store import KeptGovernance, KeptProgram

_SPARE_LINES: Final = 200
_FIRST_LINES: Final = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a button. `theirs`: the version that somebody else has saved meanwhile."""

    draft: Draft
    said: str
    level: str
    lines: Sequence[reading.Line] = ()
    preview: Preview | None = None
    theirs: int | None = None
    differences: Sequence[Difference] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldHelp:
    """One field of a program, as the help beside the editor says it."""

    name: str
    is_required: bool
    about: str
    example: str


def faulty(draft: Draft) -> Result:
    """Say what is wrong."""
    count = len(draft.faults)
    faults = "1 thing to correct" if count == 1 else f"{count} things to correct"
    return Result(draft=draft, said=f"{faults}. Nothing was saved.", level="breach")


def checked(draft: Draft, governance: GovernanceDocument, found: Preview | None = None) -> Result:
    """Say that the draft is valid, and what it means."""
    assert draft.document is not None
    return Result(
        draft=draft,
        said=found.headline if found else "Valid. This is what it says:",
        level="ok",
        lines=reading.read_aloud(draft.document, governance),
        preview=found,
    )


def overtaken(draft: Draft, kept: KeptProgram) -> Result:
    """Say that somebody else has saved a version meanwhile, and what differs from it."""
    assert draft.document is not None
    return Result(
        draft=draft,
        said=(
            f"Somebody saved version {kept.version} meanwhile. Nothing of yours is lost: compare "
            "below, correct your text, and save again. Yours is the next version then."
        ),
        level="warn",
        theirs=kept.version,
        differences=differences(orjson.loads(kept.document), as_written(draft.document)),
    )


def gutter(text: str, faults: Iterable[LineFault] = ()) -> Markup:
    """Return the numbers of the lines, some more than there are; faulty ones are marked."""
    wrong = {fault.line for fault in faults}
    lines = text.count("\n") + 1 + _SPARE_LINES
    mark = Markup('<b id="line-{0}"> !{0:>3}</b>')
    return Markup("\n").join(
        mark.format(number) if number in wrong else escape(f"{number:>5}")
        for number in range(1, lines + 1)
    )


def rows(text: str) -> int:
    """Return how many lines the text area shows where it can't grow by itself."""
    return max(_FIRST_LINES, text.count("\n") + 3)


def excerpt(text: str, line: int) -> str:
    """Return one line of the text."""
    lines = text.splitlines()
    return lines[line - 1] if line <= len(lines) else ""


def field_help() -> list[FieldHelp]:
    """Return every field of a program, from its schema."""
    return [
        FieldHelp(
            name=field.alias or name,
            is_required=field.is_required(),
            about=field.description or "",
            example=views.written(field.examples[0]) if field.examples else "",
        )
        for name, field in ProgramDocument.model_fields.items()
    ]


def expression_fields(governance: KeptGovernance) -> dict[str, Any]:
    """Return the fields that `when` can look at, each with its type."""
    return {n: str(t) for n, t in sorted(governance_of(governance.document).fields.types.items())}
