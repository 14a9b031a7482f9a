"""What the editor shows: numbered lines, what came of a button, and what can be written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from heardback.differences import Difference, differences
from trigger_service.compiling import governance_of
from trigger_service.console import reading, views
from trigger_service.console.drafts import Draft
from trigger_service.console.previews import Preview
from trigger_service.documents import GovernanceDocument, ProgramDocument, as_written
from trigger_service.faults import Fault
from trigger_service.program_store import KeptGovernance, KeptProgram


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a button. `theirs`: the version that somebody else has saved meanwhile."""

    draft: Draft
    said: str
    level: str
    lines: Sequence[reading.Line] = ()
    warnings: Sequence[Fault] = ()
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


def checked(
    draft: Draft,
    governance: GovernanceDocument,
    warnings: Sequence[Fault],
    found: Preview | None = None,
) -> Result:
    """Say that the draft is valid, and what it means."""
    assert draft.document is not None
    return Result(
        draft=draft,
        said=found.headline if found else "Valid. This is what it says:",
        level="ok",
        lines=reading.read_aloud(draft.document, governance),
        warnings=warnings,
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
