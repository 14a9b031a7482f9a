"""What is wrong with a document that somebody wrote: where, and what to write instead."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]

_MEMBER: Final = re.compile(r"<[^:>]+: ('[^']*')>")
_KEY: Final = "[key]"
NO_SUCH_FIELD: Final = "there is no such field"
_IN_OTHER_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": NO_SUCH_FIELD,
    "string_type": "write a text, in quotes",
    "string_too_short": "write something here",
    "string_too_long": "write at most {max_length} characters",
    "too_short": "name at least {min_length}",
    "too_long": "name at most {max_length}",
    "tuple_type": "write a list, in brackets",
    "list_type": "write a list, in brackets",
    "frozen_set_type": "write a list, in brackets",
    "dict_type": "write fields below it, each as 'name: value'",
    "mapping_type": "write fields below it, each as 'name: value'",
    "model_type": "write fields below it, each as 'name: value'",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "finite_number": "write a number",
    "enum": "write {expected}",
    "greater_than": "write more than {gt}",
    "greater_than_equal": "write {ge} or more",
    "less_than": "write less than {lt}",
    "less_than_equal": "write {le} at most",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong: the path of the field, and what to do."""

    path: Path
    message: str

    @property
    def field(self) -> str:
        """The path as people write it: `send_hours.from`."""
        return ".".join(map(str, self.path))

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.field, self.message)))


NO_FIELDS: Final = Fault(path=(), message="write one 'field: value' on each line")
"""Of a document that is none: a list, a word, or nothing."""


def plain_faults(
    errors: Sequence[ErrorDetails], pattern_words: Mapping[str, str]
) -> Iterator[Fault]:
    """Return what Pydantic found, in plain words; a list is not short of what is wrong in it.

    `pattern_words`: what a text that does not fit a pattern should have been.
    """
    parents = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    for error in errors:
        if error["type"] == "too_short" and error["loc"] in parents:
            continue
        path, read = tuple(part for part in error["loc"] if part != _KEY), error["input"]
        if error["type"] == "string_type" and _KEY in error["loc"]:
            message = f"a name here reads as {read!r}; write it in quotes"
            yield Fault(path=path[:-1], message=message)
        elif error["type"] == "string_type" and isinstance(read, bool | int | float):
            yield Fault(path=path, message=f"this reads as {read!r}; write it in quotes")
        else:
            yield Fault(path=path, message=_plain(error, pattern_words))


def _plain(error: ErrorDetails, pattern_words: Mapping[str, str]) -> str:
    context = error.get("ctx", {})
    if error["type"] in _IN_OTHER_WORDS:
        return _IN_OTHER_WORDS[error["type"]].format(**context)
    if error["type"] == "literal_error":
        return _MEMBER.sub(r"\1", error["msg"]).replace("Input should be", "write")
    words = pattern_words.get(str(context.get("pattern")))
    return words or error["msg"].removeprefix("Value error, ")
