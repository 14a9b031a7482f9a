"""YAML as people write it: read with the line of everything, written as they would by hand."""

import re
from collections.abc import Hashable, Sequence
from typing import Any, Final

import yaml

_LINE: Final = 72
_KEY: Final = 12
"""About what the name of a field takes of a line."""

_TIME: Final = re.compile(r"\d\d:\d\d")
"""YAML takes some for numbers; in quotes they are all alike."""


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that stands twice, aliases, and what JSON lacks.

    Aliases of aliases are a short text for more than any memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # of no types
            raise yaml.composer.ComposerError(None, None, "write it out here, without *", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "the name of a field is a word, and no list", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} stands here a second time", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


_NOT_IN_JSON: Final = [f"tag:yaml.org,2002:{kind}" for kind in ("binary", "omap", "pairs", "set")]
_Loader.yaml_constructors = {
    tag: made for tag, made in _Loader.yaml_constructors.items() if tag not in _NOT_IN_JSON
}


class _Dumper(yaml.SafeDumper):
    """Short lists stand on one line, long texts are folded."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _list(dumper: _Dumper, data: list[Any]) -> yaml.Node:
    is_plain = not any(isinstance(value, list | dict) for value in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=is_plain)


def _text(dumper: _Dumper, data: str) -> yaml.Node:
    is_long = len(data) > dumper.best_width - _KEY
    style = "|" if "\n" in data else '"' if _TIME.fullmatch(data) else ">" if is_long else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(list, _list)
_Dumper.add_representer(str, _text)


def read_yaml(text: str) -> tuple[Any, yaml.Node | None]:
    """Return the data in `text`, and its node, which `line_of` reads.

    Raises: yaml.YAMLError; a MarkedYAMLError knows the line.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    except RecursionError as error:
        raise yaml.YAMLError("nested too deeply") from error
    except (ValueError, LookupError, AttributeError) as error:
        # 2026-02-30, a number of 5,000 digits, `!!bool perhaps`: the library lets these through.
        raise yaml.YAMLError("a value that cannot be read") from error


def line_of(node: yaml.Node | None, path: Sequence[str | int]) -> int:
    """Return the line, counted from 1, of what `path` leads to, or of the last part that exists."""
    line = 1
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part] if part < len(node.value) else None
            line = line if node is None else node.start_mark.line + 1
            continue
        fields = node.value if isinstance(node, yaml.MappingNode) else ()
        found = next(((key, value) for key, value in fields if key.value == str(part)), None)
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def to_yaml(data: Any, *, width: float = _LINE) -> str:
    """Return `data` as YAML, in its order; texts that do not fit into `width` are folded."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)
