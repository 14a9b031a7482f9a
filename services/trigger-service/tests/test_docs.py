"""What the pages about programs say: every example compiles, every fault is the one they tell."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from heardback.contracts import topics
from heardback.envelope import decode
from trigger_service.cel import compile_expression
from trigger_service.compiling import compile_governance, compile_program
from trigger_service.console.words import REASONS
from trigger_service.documents import Document, GovernanceDocument, ProgramDocument
from trigger_service.domain.fields import STANDARD_CUSTOMER, STANDARD_EVENT
from trigger_service.domain.reason import Reason
from trigger_service.faults import InvalidDocument, parse
from trigger_service.program_files import WrittenProgram, read_folder
from trigger_service.settings import READY_MADE_PROGRAMS

DOCS: Final = Path(__file__).parents[3] / "docs"
GUIDE: Final = (DOCS / "programs.md").read_text()
REFERENCE: Final = (DOCS / "programs-reference.md").read_text()
GLOSSARY: Final = (DOCS / "glossary.md").read_text()
GOVERNANCE: Final = read_folder(READY_MADE_PROGRAMS).governance
PROGRAM: Final = {
    "id": "large-order",
    "name": "After a large order",
    "touchpoint": "purchase",
    "type": "transactional",
    "survey": "large-order-nps",
    "delay": "7d..10d",
    "expires_after": "14d",
}


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(.+)\n([\s\S]*?)^```$", GUIDE + "\n" + REFERENCE, re.MULTILINE)
    found = [text for name, text in fenced if name == language]
    assert found, f"no page has a block of {language}"
    return found


def rows(after: str) -> list[list[str]]:
    """Return the cells of the first table after a text, without its head."""
    lines = REFERENCE.partition(after)[2].splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("|---")) + 1
    table = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        table.append([cell.strip().replace("\\|", "|") for cell in cells])
    assert table, f"no table after {after}"
    return table


def written(cell: str) -> str:
    return "\n".join(re.findall(r"`([^`]+)`", cell))


def faults(document: type[Document], data: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidDocument) as refused:
        model = parse(document, data)
        if isinstance(model, ProgramDocument):
            compile_program(model, GOVERNANCE)
        elif isinstance(model, GovernanceDocument):
            compile_governance(model)
    return [fault.message for fault in refused.value.faults]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_program_of_a_page_is_valid_when_it_is_copied(text: str) -> None:
    data = yaml.safe_load(text)
    data.pop("state", None)
    compile_program(parse(ProgramDocument, data), GOVERNANCE)


@pytest.mark.parametrize("text", blocks("yaml governance"))
def test_governance_of_a_page_is_valid_when_it_is_copied(text: str) -> None:
    compile_governance(parse(GovernanceDocument, yaml.safe_load(text)))


@pytest.mark.parametrize("source", blocks("cel"))
def test_expression_of_a_page_is_valid_when_it_is_copied(source: str) -> None:
    compile_expression(source, compile_governance(GOVERNANCE).fields)


@pytest.mark.parametrize("text", blocks("json"))
def test_event_of_a_page_is_taken_when_it_is_published(text: str) -> None:
    structured = [("content-type", b"application/cloudevents+json")]
    assert decode(topics.TOUCHPOINT, text.encode(), structured).data.customer_id


@pytest.mark.parametrize(("cell", "says", "_do"), rows("## Every fault"))
def test_fault_of_a_program_is_as_told_when_it_is_made(cell: str, says: str, _do: str) -> None:
    wrong = yaml.safe_load(written(cell))
    program = {**PROGRAM, **wrong}
    if "cadence" in wrong and len(wrong) > 1:  # with a field that does not go with it
        del program["touchpoint"]
    program = {name: value for name, value in program.items() if value is not None}
    assert any(says in fault for fault in faults(ProgramDocument, program))


@pytest.mark.parametrize(("cell", "says", "_do"), rows("What an expression may be told"))
def test_fault_of_an_expression_is_as_told_when_it_is_made(cell: str, says: str, _do: str) -> None:
    (fault,) = faults(ProgramDocument, {**PROGRAM, "when": written(cell)})
    assert says in fault


@pytest.mark.parametrize(("cell", "says", "_do"), rows("And the governance:"))
def test_fault_of_the_governance_is_as_told_when_it_is_made(cell: str, says: str, _do: str) -> None:
    found = faults(GovernanceDocument, yaml.safe_load(written(cell)))
    assert any(says in fault for fault in found)


def test_every_field_is_explained_when_it_exists() -> None:
    def names(model: type[Document]) -> set[str]:
        return {field.alias or name for name, field in model.model_fields.items()}

    explained = {written(row[0]) for row in rows("## Fields of a program")}
    assert explained == names(WrittenProgram)
    explained = {written(row[0]) for row in rows("## Governance")}
    assert explained == names(GovernanceDocument)


def test_every_standard_field_is_listed_when_expressions_can_look_at_it() -> None:
    listed = {
        f"{names[0].partition('.')[0]}.{name.rpartition('.')[2]}"
        for row in rows("A core feature")
        for names in [re.findall(r"`([^`]+)`", row[0])]
        for name in names
    }
    standard = {f"customer.{name}" for name in STANDARD_CUSTOMER}
    assert listed == standard | {f"event.{name}" for name in STANDARD_EVENT}


def test_every_reason_is_explained_in_the_words_of_the_console_when_it_exists() -> None:
    explained, words = [], []
    for reasons, in_the_console, *_ in rows("## Every reason"):
        explained += re.findall(r"`(\w+)`", reasons)
        words += in_the_console.split(" · ")
    assert explained == list(Reason)
    assert words == [REASONS[reason].word for reason in Reason]


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", GUIDE + REFERENCE))
def test_page_is_there_when_another_links_to_it(link: str) -> None:
    assert not link or link.startswith("http") or (DOCS / link).exists()
