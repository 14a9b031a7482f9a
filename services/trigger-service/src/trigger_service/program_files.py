"""Programs as people write them: a folder with a YAML file each, and the common cooldowns."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from heardback.errors import Permanent
from heardback.vocabulary import Channel, ProgramType
from trigger_service.domain.duration import Window, parse_duration, parse_window
from trigger_service.domain.program import Program, ProgramState
from trigger_service.yaml_lines import line_of, parse

GOVERNANCE: Final = "governance.yaml"

_IN_OTHER_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "there is no such field",
    "string_pattern_mismatch": "write a-z, 0-9 and dashes, beginning with a letter",
}

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Delay = Annotated[Window, BeforeValidator(parse_window)]
ModelT = TypeVar("ModelT", bound=BaseModel)


class InvalidPrograms(Permanent):
    """These program files are not valid; correct them and start again."""

    def __str__(self) -> str:
        return f"{self.message} {'; '.join(self.attributes['faults'])}"


class CooldownsFile(BaseModel):
    """How far apart two surveys of one customer are: any two, two of one type, of one program."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    any: Duration = timedelta(days=30)
    transactional: Duration = timedelta(days=60)
    relational: Duration = timedelta(days=90)
    program: Duration = timedelta(days=90)


class GovernanceFile(BaseModel):
    """What holds for all programs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cooldowns: CooldownsFile = CooldownsFile()


class ProgramFile(BaseModel):
    """One program."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    id: Name
    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    version: Annotated[int, Field(ge=1, le=1_000_000)]
    state: Literal[ProgramState.ACTIVE, ProgramState.PAUSED] = ProgramState.ACTIVE
    touchpoint: Name
    type: ProgramType
    survey: Name
    channel: Channel = Channel.EMAIL
    delay: Delay
    expires_after: Annotated[Duration, Field(gt=timedelta(0))]
    cooldown: Duration | None = None


def read_folder(folder: Path) -> list[Program]:
    """Return the programs in `folder`.

    Raises: InvalidPrograms with every fault, each as `file:line: field: reason`.
    """
    if not folder.is_dir():
        raise InvalidPrograms(faults=[f"{folder}: there is no such folder"])
    reader = _Reader()
    governance = GovernanceFile()
    if (folder / GOVERNANCE).exists():
        governance = reader.read(folder / GOVERNANCE, GovernanceFile) or governance
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    programs = [
        _program(written, governance.cooldowns)
        for path in paths
        if path.name != GOVERNANCE and (written := reader.read(path, ProgramFile))
    ]
    if reader.faults:
        raise InvalidPrograms(faults=reader.faults)
    return programs


class _Reader:
    """Reads files, and gathers every fault so that all are corrected at once."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._file_of: dict[str, str] = {}

    def read(self, path: Path, model: type[ModelT]) -> ModelT | None:
        """Return what stands in `path`; None with a fault noted when it is not a `model`."""
        try:
            data, node = parse(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            self.faults.append(_yaml_fault(path, error))
            return None
        if not isinstance(data, dict):
            self.faults.append(f"{path.name}:1: write one 'field: value' on each line")
            return None
        try:
            read = model.model_validate(data)
        except ValidationError as error:
            self.faults.extend(
                f"{path.name}:{line_of(node, fault['loc'])}: {_reason(fault)}"
                for fault in error.errors()
            )
            return None
        first = self._file_of.setdefault(data.get("id", path.name), path.name)
        if first != path.name:
            line = line_of(node, ["id"])
            self.faults.append(f"{path.name}:{line}: id: {data['id']!r} is taken by {first}")
        return read


def _yaml_fault(path: Path, error: yaml.YAMLError | UnicodeDecodeError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{path.name}:{error.problem_mark.line + 1}: {error.problem}"
    return f"{path.name}:1: not YAML in UTF-8"


def _reason(fault: ErrorDetails) -> str:
    field = ".".join(map(str, fault["loc"]))
    plain = fault["msg"].removeprefix("Value error, ")
    return f"{field}: {_IN_OTHER_WORDS.get(fault['type'], plain)}"


def _program(written: ProgramFile, cooldowns: CooldownsFile) -> Program:
    is_relational = written.type is ProgramType.RELATIONAL
    return Program(
        program_id=written.id,
        name=written.name,
        version=written.version,
        state=written.state,
        touchpoint=written.touchpoint,
        type=written.type,
        survey_id=written.survey,
        channel=written.channel,
        delay_min=written.delay.shortest,
        delay_max=written.delay.longest,
        expires_after=written.expires_after,
        cooldown_any=cooldowns.any,
        cooldown_type=cooldowns.relational if is_relational else cooldowns.transactional,
        cooldown_program=cooldowns.program if written.cooldown is None else written.cooldown,
    )
