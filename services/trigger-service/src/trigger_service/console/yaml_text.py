"""Documents as YAML that people like to read: as they would have written it by hand."""

import re
from typing import Any, Final

import yaml

_TIME: Final = re.compile(r"\d\d:\d\d")
"""YAML takes some for numbers; in quotes they are all alike."""


class _Dumper(yaml.SafeDumper):
    """Short lists stand on one line, long texts keep their lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _list(dumper: _Dumper, data: list[Any]) -> yaml.Node:
    is_plain = not any(isinstance(value, list | dict) for value in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=is_plain)


def _text(dumper: _Dumper, data: str) -> yaml.Node:
    style = "|" if "\n" in data else '"' if _TIME.fullmatch(data) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _text)


def to_yaml(data: Any) -> str:
    """Return `data` as YAML, in its order."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
