"""What is wrong with a survey that somebody wrote: where, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

from heardback.errors import Invalid

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong: the path of the field, and what to do."""

    path: Path
    message: str

    @property
    def field(self) -> str:
        """The path as text: `texts.en.question`."""
        return ".".join(map(str, self.path))


class SurveyFaults(Invalid):
    """This survey is not valid; correct the fields and send it again."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        errors = [{"field": fault.field, "message": fault.message} for fault in faults]
        super().__init__(errors=errors)
        self.faults = tuple(faults)
