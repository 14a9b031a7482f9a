"""Parts of an editor for YAML: what was typed, numbered lines, and what is wrong, line by line."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import yaml
from markupsafe import Markup, escape

from heardback.faults import Fault
from heardback.yaml_text import line_of, read_yaml

_SPARE_LINES: Final = 200
_FIRST_LINES: Final = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFault:
    """What is wrong, and on which line, counted from 1. `field`: its path; empty: the text."""

    line: int
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """A text as it was typed, and the data in it. `fault`: why there is none."""

    text: str
    data: Any = None
    node: yaml.Node | None = None
    fault: LineFault | None = None

    def locate(self, faults: Iterable[Fault]) -> list[LineFault]:
        """Return the faults with their lines, from the first line on."""
        found = [
            LineFault(line=line_of(self.node, fault.path), field=fault.field, message=fault.message)
            for fault in faults
        ]
        return sorted(found, key=lambda fault: fault.line)


def read_typed(text: str, *, longest: int) -> Typed:
    """Read what somebody typed, of at most `longest` characters; it never raises."""
    text = text.replace("\r\n", "\n")
    if len(text) > longest:
        most = f"this is longer than {longest:,} characters; make it shorter"
        return Typed(text=text, fault=LineFault(line=1, field="", message=most))
    try:
        data, node = read_yaml(text)
    except yaml.YAMLError as error:
        return Typed(text=text, fault=yaml_fault(text, error))
    return Typed(text=text, data=data, node=node)


def yaml_fault(text: str, error: yaml.YAMLError) -> LineFault:
    """Return why `text` is no YAML, and where."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        message = f"{error.problem}; look at the colons, quotes and brackets here or just before"
        return LineFault(line=error.problem_mark.line + 1, field="", message=message)
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return LineFault(line=line, field="", message="a character that cannot be shown; delete it")
    return LineFault(line=1, field="", message=f"{error}; write it more simply")


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
