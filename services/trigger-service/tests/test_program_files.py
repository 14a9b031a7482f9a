from datetime import timedelta
from pathlib import Path

import jsonschema_rs
import pytest

from heardback.vocabulary import ProgramType
from heardback.yaml_text import read_yaml
from trigger_service.api.schemas import governance_schema, program_schema
from trigger_service.compiling import compile_program
from trigger_service.domain.program import Cooldowns, Program, ProgramState
from trigger_service.program_files import GOVERNANCE, InvalidPrograms, WrittenProgram, read_folder
from trigger_service.settings import READY_MADE_PROGRAMS

VALID = """\
id: purchase
name: After a purchase
touchpoint: purchase
type: transactional
survey: purchase-nps
delay: 7d..14d
expires_after: 14d
"""


def faults(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    with pytest.raises(InvalidPrograms) as refused:
        read_folder(folder)
    found: list[str] = refused.value.attributes["faults"]
    assert all(fault in str(refused.value) for fault in found)
    return found


def compiled(folder: Path) -> dict[str, Program]:
    found = read_folder(folder)
    return {
        key: compile_program(file.document, found.governance, state=file.state)
        for key, file in found.programs.items()
    }


def test_ready_made_programs_are_valid_when_they_ship() -> None:
    found = compiled(READY_MADE_PROGRAMS)
    assert {"purchase", "ticket-closed", "onboarding-complete"} <= set(found)
    assert found["ticket-closed"].delay.longest == timedelta(hours=24)
    assert found["onboarding-complete"].type is ProgramType.RELATIONAL
    assert found["onboarding-complete"].cooldowns.type == timedelta(days=90)


@pytest.mark.parametrize("path", sorted(READY_MADE_PROGRAMS.glob("*.yaml")), ids=lambda p: p.stem)
def test_ready_made_file_fits_the_schema_when_an_editor_checks_it(path: Path) -> None:
    is_governance = path.name == GOVERNANCE
    schema = governance_schema() if is_governance else program_schema(WrittenProgram)
    jsonschema_rs.validate(schema, read_yaml(path.read_text())[0])


def test_cooldowns_are_the_defaults_when_the_folder_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(VALID)
    (program,) = compiled(tmp_path).values()
    thirty, sixty, ninety = (timedelta(days=days) for days in (30, 60, 90))
    assert program.cooldowns == Cooldowns(any=thirty, type=sixty, program=ninety)
    assert program.state is ProgramState.ACTIVE


def test_cooldowns_are_the_folders_when_its_governance_or_the_program_sets_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.yaml").write_text(VALID + "cooldown: 0s\n")
    (tmp_path / "governance.yaml").write_text("cooldowns:\n  any: 7d\n  transactional: 14d\n")
    (program,) = compiled(tmp_path).values()
    week, none = timedelta(days=7), timedelta(0)
    assert program.cooldowns == Cooldowns(any=week, type=2 * week, program=none)


@pytest.mark.parametrize(
    ("line", "changed", "fault"),
    [
        ("delay: 7d..14d", "delay: 14d..7d", "6: delay: '14d..7d' ends before it begins"),
        ("delay: 7d..14d", "delay: 7", "6: delay: 7 is not a duration; write one such as"),
        ("expires_after: 14d", "expires_after: 0s", "7: expires_after: 0 is never; write"),
        ("survey: purchase-nps", "survey: ../x", "5: survey: write a-z, 0-9 and dashes"),
        ("type:", "colour: red\ntype:", "4: colour: there is no such field"),
        ("type: transactional\n", "", "1: type: is missing"),
        ("delay:", "type: relational\ndelay:", "6: 'type' stands here a second time"),
        ("type:", "? [a]\n: b\ntype:", "4: the name of a field is a word, and no list"),
        ("type:", "state: archived\ntype:", "4: state: write 'active'"),
        ("type:", "version: 1\ntype:", "4: version: there is no such field"),
        ("type: transactional", "type: both", "4: type: write 'transactional'"),
        ("touchpoint: purchase\n", "", "1: touchpoint: write either what has to happen"),
        ("touchpoint:", "cadence: yearly\ntouchpoint:", "4: touchpoint: write either what has to"),
        ("type:", "locale: xx\ntype:", "4: locale: there are no texts in 'xx'; there are in en"),
        ("type:", "sample: {share: 0%}\ntype:", "4: sample.share: 0% is nobody; pause"),
        ("type:", "sample: {share: 100.5%}\ntype:", "4: sample.share: write a part of 100%"),
        ("type:", "channels: [email, email]\ntype:", "4: channels: name each channel once"),
        ("type:", "when: customer.plam\ntype:", "4: when: "),
        ("type:", "send_hours: {from: '09:00'}\ntype:", "4: send_hours: write both from and to"),
        ("delay: 7d..14d", "delay: 2026-02-30", "1: not YAML in UTF-8"),
        ("survey: purchase-nps", "survey: [1", "6: "),
        ("survey: purchase-nps", "survey: \x07", "1: not YAML in UTF-8"),
    ],
)
def test_file_is_refused_with_its_line_when_it_is_wrong(
    tmp_path: Path, line: str, changed: str, fault: str
) -> None:
    (found,) = faults(tmp_path, a=VALID.replace(line, changed))
    assert found.startswith(f"a.yaml:{fault}")


@pytest.mark.parametrize("text", ["", "- purchase\n", "purchase\n"])
def test_file_is_refused_when_it_has_no_fields(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, a=text) == ["a.yaml:1: write one 'field: value' on each line"]


def test_both_files_are_named_when_an_id_is_taken(tmp_path: Path) -> None:
    assert faults(tmp_path, a=VALID, b=VALID) == ["b.yaml:1: id: 'purchase' is taken by a.yaml"]


def test_every_fault_is_listed_when_there_are_several(tmp_path: Path) -> None:
    found = faults(tmp_path, a="id: A\n", governance="cooldowns:\n  any: 1\n  all: 2d\n")
    assert "governance.yaml:2: cooldowns.any: 1 is not a duration" in found[0]
    assert found[1] == "governance.yaml:3: cooldowns.all: there is no such field"
    assert found[2].startswith("a.yaml:1: id: write a-z")
    assert "a.yaml:1: delay: is missing" in found


def test_bytes_that_are_no_text_are_refused_when_a_file_holds_them(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"id: \xff\xfe")
    assert faults(tmp_path) == ["a.yaml:1: not YAML in UTF-8"]


def test_missing_folder_is_named_when_there_is_none(tmp_path: Path) -> None:
    assert faults(tmp_path / "none") == [f"{tmp_path / 'none'}: there is no such folder"]
