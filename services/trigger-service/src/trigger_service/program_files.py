"""Programs as files: a folder with a YAML file each, and the governance beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import yaml

from heardback.errors import Permanent
from heardback.yaml_text import line_of, read_yaml
from trigger_service.compiling import compile_governance, compile_program
from trigger_service.documents import Document, GovernanceDocument, ProgramDocument
from trigger_service.domain.program import ProgramState
from trigger_service.faults import Fault, InvalidDocument, parse
from trigger_service.rules import ProgramFile

GOVERNANCE: Final = "governance.yaml"
DocumentT = TypeVar("DocumentT", bound=Document)


class InvalidPrograms(Permanent):
    """These program files are not valid; correct them and start again."""

    def __str__(self) -> str:
        return f"{self.message} {'; '.join(self.attributes['faults'])}"


class WrittenProgram(ProgramDocument):
    """A program in a file, which may also say the state that it is to have."""

    state: Literal[ProgramState.ACTIVE, ProgramState.PAUSED, ProgramState.SHADOW] = (
        ProgramState.ACTIVE
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What the files in a folder say."""

    governance: GovernanceDocument
    programs: dict[str, ProgramFile]


def read_folder(folder: Path) -> Folder:
    """Return the programs in `folder`, and the governance.

    Raises: InvalidPrograms with every fault, each as `file:line: field: reason`.
    """
    if not folder.is_dir():
        raise InvalidPrograms(faults=[f"{folder}: there is no such folder"])
    reader = _Reader()
    governance = reader.governance(folder / GOVERNANCE)
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    files = [reader.program(path, governance) for path in paths if path.name != GOVERNANCE]
    if reader.faults:
        raise InvalidPrograms(faults=reader.faults)
    return Folder(
        governance=governance, programs={file.document.id: file for file in files if file}
    )


@dataclass(slots=True)
class _Reader:
    """Reads files, and gathers every fault so that all are corrected at once."""

    faults: list[str] = field(default_factory=list)
    _file_of: dict[str, str] = field(default_factory=dict)

    def governance(self, path: Path) -> GovernanceDocument:
        """Return the governance in `path`; the defaults when there is none, or a faulty one."""
        default = GovernanceDocument()
        if not path.exists():
            return default
        data, node = self._data(path)
        if data is None:
            return default
        try:
            document = parse(GovernanceDocument, data)
            compile_governance(document)
        except InvalidDocument as error:
            self._note(path, node, error.faults)
            return default
        return document

    def program(self, path: Path, governance: GovernanceDocument) -> ProgramFile | None:
        """Return the program in `path`; None with its faults noted when it is none."""
        data, node = self._data(path)
        if data is None:
            return None
        try:
            written = parse(WrittenProgram, data)
            document = ProgramDocument.model_validate(
                {k: v for k, v in data.items() if k != "state"}
            )
            compile_program(document, governance)
        except InvalidDocument as error:
            self._note(path, node, error.faults)
            return None
        first = self._file_of.setdefault(document.id, path.name)
        if first != path.name:
            taken = Fault(path=("id",), message=f"{document.id!r} is taken by {first}")
            self._note(path, node, [taken])
        return ProgramFile(document=document, state=written.state)

    def _data(self, path: Path) -> tuple[dict[str, Any] | None, yaml.Node | None]:
        try:
            data, node = read_yaml(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self.faults.append(_yaml_fault(path, error))
            return None, None
        if not isinstance(data, dict):
            self.faults.append(f"{path.name}:1: write one 'field: value' on each line")
            return None, None
        return data, node

    def _note(self, path: Path, node: yaml.Node | None, faults: Sequence[Fault]) -> None:
        self.faults.extend(f"{path.name}:{line_of(node, f.path)}: {f}" for f in faults)


def _yaml_fault(path: Path, error: yaml.YAMLError | UnicodeDecodeError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{path.name}:{error.problem_mark.line + 1}: {error.problem}"
    return f"{path.name}:1: not YAML in UTF-8"
