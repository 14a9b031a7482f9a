"""One text: Liquid within bounds. Rendering never raises and never grows large.

Only output, `if`, `unless` and `case` are there, and a few filters: nothing loops, nothing is
assigned and nothing multiplies, so a text of bounded length takes bounded time.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Final

from liquid import BoundTemplate, Environment, Node, RenderContext
from liquid.builtin import content, illegal, output
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions import Path as VariablePath
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.filters import misc, string
from liquid.builtin.tags import case_tag, if_tag, unless_tag
from liquid.exceptions import LiquidError
from liquid.expression import Expression

from heardback import metrics
from heardback.templating.complaints import BadTemplate, complain

LONGEST_SOURCE: Final = 2_000
LONGEST_RENDERED: Final = 4_000
"""Characters."""

FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "append": string.append,
    "capitalize": string.capitalize,
    "default": misc.default,
    "downcase": string.downcase,
    "prepend": string.prepend,
    "strip": string.strip,
    "truncate": string.truncate,
    "truncatewords": string.truncatewords,
    "upcase": string.upcase,
}

_DEEPEST: Final = 12
_MARKUP: Final = re.compile(r"\{\{.*?(?:\}\}|\Z)|\{%.*?(?:%\}|\Z)", re.DOTALL)
_GAP: Final = re.compile(r"\n{3,}")
_SPACE: Final = re.compile(r"[ \t\r\n\f\v\x1c-\x1f\x85\u2028\u2029]+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_UNSEEMLY: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")

Parts = tuple[str | tuple[str, ...], ...]


class _Environment(Environment):
    """Liquid with what cannot grow, and nothing else."""

    block_nesting_limit: ClassVar[int] = 5
    output_stream_limit: ClassVar[int | None] = 4 * LONGEST_RENDERED

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        del extra
        for tag in (
            content.Literal,
            output.Output,
            illegal.Illegal,
            if_tag.IfTag,
            unless_tag.UnlessTag,
            case_tag.CaseTag,
        ):
            self.add_tag(tag)
        for name, function in FILTERS.items():
            self.add_filter(name, function)


_ENVIRONMENT: Final = _Environment()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vocabulary:
    """What the texts of one kind may name; each kind has one, which is compared by identity.

    Shapes: `variables` are paths, such as `customer.name`, and what they say; `constant` are those
    that say the same to every customer. `has_lines`: texts keep their lines and paragraphs.
    """

    variables: Mapping[str, str]
    constant: frozenset[str] = frozenset()
    has_lines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One text, checked. `variables`: those that it uses, of its `vocabulary`.

    `source` is the text as it was written. A text that uses no condition and no filter is put
    together from its parts; Liquid runs for the others only.
    """

    source: str
    vocabulary: Vocabulary
    variables: frozenset[str]
    _parts: Parts | None = field(repr=False)
    _program: BoundTemplate | None = field(repr=False, compare=False)

    @property
    def is_constant(self) -> bool:
        """Whether it says the same to every customer."""
        return self.variables <= self.vocabulary.constant

    def render(self, words: Mapping[str, Any]) -> str:
        """Return the text, of at most `LONGEST_RENDERED` characters, in lines if it has them.

        Shapes: `{"company": "Northwind", "customer": {"name": "Ada"}, "occurred_on": …}`; what is
        absent is blank. It never raises: a text that fails is the same text with blanks.
        """
        try:
            return self._tidy(self._fill(words))
        except Exception:  # whatever a text does, the customer is written to
            metrics.TEMPLATE_FAULTS.add(1)
            return self._tidy(_MARKUP.sub(" ", self.source))

    def _tidy(self, text: str) -> str:
        return tidy_lines(text) if self.vocabulary.has_lines else tidy(text)

    def _fill(self, words: Mapping[str, Any]) -> str:
        if self._program is not None:
            return self._program.render(_known(words))
        assert self._parts is not None
        return "".join(
            part if isinstance(part, str) else _look_up(words, part) for part in self._parts
        )


@lru_cache(maxsize=4096)
def compile_template(source: str, vocabulary: Vocabulary) -> Template:
    """Return the template that `source` is, which names what is in the vocabulary.

    Raises: BadTemplate, with what to do.
    """
    if len(source) > LONGEST_SOURCE:
        msg = f"write at most {LONGEST_SOURCE:,} characters; these are {len(source):,}"
        raise BadTemplate(msg)
    if _UNPRINTABLE.search(source):
        msg = "there is a character in it that can't be shown; delete it"
        raise BadTemplate(msg)
    try:
        program = _ENVIRONMENT.from_string(source)
        used = _check(program, vocabulary)
        _try_out(program, vocabulary)
    except (LiquidError, RecursionError) as error:
        raise complain(error) from None
    parts = _parts_of(program)
    return Template(
        source=source,
        vocabulary=vocabulary,
        variables=used,
        _parts=parts,
        _program=program if parts is None else None,
    )


def tidy(text: str) -> str:
    """Return `text` on one line, of bounded length, without what can't be seen or turns others."""
    if not text.isprintable() or "  " in text:
        text = _UNSEEMLY.sub("", _SPACE.sub(" ", text))
    return text.strip(" ")[:LONGEST_RENDERED]


def tidy_lines(text: str) -> str:
    """Return `text` tidied line by line; between paragraphs stands one blank line."""
    lines = "\n".join(map(tidy, text.splitlines()))
    return _GAP.sub("\n\n", lines).strip("\n")[:LONGEST_RENDERED]


def _try_out(program: BoundTemplate, vocabulary: Vocabulary) -> None:
    """Render with everything and with nothing.

    Raises: BadTemplate when a filter is given what it can't take.
    """
    for words in (_everything(vocabulary), {}):
        try:
            program.render(words)
        except Exception as error:
            reason = str(error.args[0]) if error.args else type(error).__name__
            msg = f"this can't be filled in ({reason}); look at what the filters are given"
            raise BadTemplate(msg) from None


def _everything(vocabulary: Vocabulary) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for path in vocabulary.variables:
        *parents, name = path.split(".")
        place = words
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = "text"
    return words


def _check(program: BoundTemplate, vocabulary: Vocabulary) -> frozenset[str]:
    """Return the variables of a template.

    Raises: BadTemplate when it has what we don't know, or goes too deep.
    """
    _check_shape(program)
    analysis = program.analyze(include_partials=False)
    for name in analysis.filters:
        if name not in FILTERS:
            msg = f"there is no filter {name}; there are {', '.join(FILTERS)}"
            raise BadTemplate(msg)
    used = frozenset(str(variable) for found in analysis.variables.values() for variable in found)
    for name in sorted(used - vocabulary.variables.keys()):
        msg = f"there is nothing called {name}; there are {', '.join(vocabulary.variables)}"
        raise BadTemplate(msg)
    return used


def _check_shape(program: BoundTemplate) -> None:
    """Refuse ranges, which take as long as they say, and conditions that go too deep."""
    context = RenderContext(program)
    for node in _nodes(program.nodes, context):
        for expression, depth in _expressions(node.expressions(), 1):
            if isinstance(expression, RangeLiteral):
                msg = "ranges such as (1..9) are not available; leave it out"
                raise BadTemplate(msg)
            if depth > _DEEPEST:
                msg = "a condition here is too long; say it more simply"
                raise BadTemplate(msg)


def _nodes(nodes: Any, context: RenderContext) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from _nodes(node.children(context, include_partials=False), context)


def _expressions(expressions: Any, depth: int) -> Iterator[tuple[Expression, int]]:
    for expression in expressions:
        yield expression, depth
        yield from _expressions(expression.children(), depth + 1)


def _parts_of(program: BoundTemplate) -> Parts | None:
    """Return what to put together; None: it takes Liquid to tell."""
    parts: list[str | tuple[str, ...]] = []
    for node in program.nodes:
        if isinstance(node, content.ContentNode):
            parts.append(node.text)
        elif isinstance(node, output.OutputNode) and (path := _plain_path(node)) is not None:
            parts.append(path)
        else:
            return None
    return tuple(parts)


def _plain_path(node: output.OutputNode) -> tuple[str, ...] | None:
    expression = node.expression
    if not isinstance(expression, FilteredExpression) or expression.filters:
        return None
    if not isinstance(expression.left, VariablePath):
        return None
    path = expression.left.path
    return tuple(map(str, path)) if all(isinstance(part, str) for part in path) else None


def _known(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the words without the empty ones: to Liquid an empty text is true."""
    return {
        name: _known(value) if isinstance(value, Mapping) else None if value == "" else value
        for name, value in words.items()
    }


def _look_up(words: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = words
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
