"""YAML that remembers where everything stands, so that a fault can name its line."""

from collections.abc import Hashable, Sequence
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """The safe loader, which also refuses a key that stands twice, and aliases.

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
