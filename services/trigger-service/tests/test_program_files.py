from datetime import timedelta
from pathlib import Path

import pytest

from heardback.vocabulary import ProgramType
from trigger_service.program_files import InvalidPrograms, read_folder
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


def test_ready_made_programs_are_valid_when_they_ship() -> None:
    programs = {program.program_id: program for program in read_folder(READY_MADE_PROGRAMS)}
    assert set(programs) == {"purchase", "ticket-closed", "onboarding-complete"}
    assert programs["ticket-closed"].delay_max == timedelta(hours=24)
    assert programs["onboarding-complete"].type is ProgramType.RELATIONAL
    assert programs["onboarding-complete"].cooldown_type == timedelta(days=90)


def test_cooldowns_are_the_defaults_when_the_folder_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(VALID)
    (program,) = read_folder(tmp_path)
    assert program.cooldown_any == timedelta(days=30)
    assert program.cooldown_type == timedelta(days=60)
    assert program.cooldown_program == timedelta(days=90)


def test_cooldowns_are_the_folders_when_its_governance_or_the_program_sets_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.yaml").write_text(VALID + "cooldown: 0s\n")
    (tmp_path / "governance.yaml").write_text("cooldowns:\n  any: 7d\n  transactional: 14d\n")
    (program,) = read_folder(tmp_path)
    assert program.cooldown_any == timedelta(days=7)
    assert program.cooldown_type == timedelta(days=14)
    assert program.cooldown_program == timedelta(0)


@pytest.mark.parametrize(
    ("line", "changed", "fault"),
    [
        ("delay: 7d..14d", "delay: 14d..7d", "a.yaml:7: delay: '14d..7d' ends before it begins"),
        ("delay: 7d..14d", "delay: 7", "a.yaml:7: delay: 7 is not a duration; write one such as"),
        ("expires_after: 14d", "expires_after: 0s", "a.yaml:8: expires_after: Input should be"),
        ("survey: purchase-nps", "survey: ../x", "a.yaml:6: survey: write a-z, 0-9 and dashes"),
        ("version: 1", "version: 0", "a.yaml:3: version: Input should be greater than"),
        ("version: 1", "colour: red\nversion: 1", "a.yaml:3: colour: there is no such field"),
        ("version: 1\n", "", "a.yaml:1: version: is missing"),
        ("version: 1", "version: 1\nversion: 2", "a.yaml:4: 'version' stands here a second time"),
        ("version: 1", "state: archived\nversion: 1", "a.yaml:3: state: Input should be"),
        ("type: transactional", "type: both", "a.yaml:5: type: Input should be 'transactional'"),
        ("version: 1", "version: [1", "a.yaml:4: "),
        ("version: 1", "version: \x07", "a.yaml:1: not YAML in UTF-8"),
    ],
)
def test_file_is_refused_with_its_line_when_it_is_wrong(
    tmp_path: Path, line: str, changed: str, fault: str
) -> None:
    (found,) = faults(tmp_path, a=VALID.replace(line, changed))
    assert found.startswith(fault)


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
