"""What is wrong with a document, field by field, in words that say what to write instead."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from heardback.errors import Invalid
from trigger_service.documents import PATTERN_WORDS, Document

_MEMBER: Final = re.compile(r"<[^:>]+: ('[^']*')>")
DocumentT = TypeVar("DocumentT", bound=Document)

_IN_OTHER_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "there is no such field",
    "string_type": "write a text, in quotes",
    "string_too_short": "write something here",
    "string_too_long": "write at most {max_length} characters",
    "too_short": "name at least {min_length}",
    "too_long": "name at most {max_length}",
    "tuple_type": "write a list, in brackets",
    "dict_type": "write fields below it, each as 'name: value'",
    "model_type": "write fields below it, each as 'name: value'",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
}
_ONLY_IN_FILES: Final = {
    "state": "only a file says this; over HTTP it starts paused: POST /programs/{id}/activate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a document: the path of the field, and what to do."""

    path: tuple[str | int, ...]
    message: str

    @property
    def field(self) -> str:
        """The path as people write it: `send_hours.from`."""
        return ".".join(map(str, self.path))

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.field, self.message)))


class InvalidDocument(Invalid):
    """This is not valid; correct the fields and send it again."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        errors = [{"field": fault.field, "message": fault.message} for fault in faults]
        super().__init__(errors=errors)
        self.faults = faults


def parse(model: type[DocumentT], data: object) -> DocumentT:
    """Return the document that `data` says, each field checked by itself.

    Raises: InvalidDocument.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise InvalidDocument(list(_plain_faults(error.errors()))) from None


def _plain_faults(errors: Sequence[ErrorDetails]) -> Iterator[Fault]:
    """What is wrong with single fields. A list is not short of what is wrong in it."""
    parents = {error["loc"][:-1] for error in errors}
    for error in errors:
        if error["type"] != "too_short" or error["loc"] not in parents:
            path = tuple(part for part in error["loc"] if part != "[key]")
            yield Fault(path=path, message=_plain(error))


def _plain(error: ErrorDetails) -> str:
    context, field = error.get("ctx", {}), str(error["loc"][-1] if error["loc"] else "")
    if error["type"] == "extra_forbidden" and field in _ONLY_IN_FILES:
        return _ONLY_IN_FILES[field]
    if error["type"] in _IN_OTHER_WORDS:
        return _IN_OTHER_WORDS[error["type"]].format(**context)
    if error["type"] == "literal_error":
        return _MEMBER.sub(r"\1", error["msg"])
    words = PATTERN_WORDS.get(str(context.get("pattern")))
    return words or error["msg"].removeprefix("Value error, ")
