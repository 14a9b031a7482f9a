"""The fields of the documents, as the help beside the editor says them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic.fields import FieldInfo

from closeloop_service.rulebook.books import MODELS
from closeloop_service.rulebook.documents.fields import Document
from closeloop_service.rulebook.kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Help:
    """One field, by its path: `policies.first_response`."""

    name: str
    is_required: bool
    about: str


def field_help(kind: Kind) -> list[Help]:
    """Return every field of a document that says what it is for, from its schema."""
    return list(_fields(MODELS[kind], ""))


def _fields(model: type[Document], path: str) -> Iterator[Help]:
    for attribute, field in model.model_fields.items():
        name = f"{path}{field.alias or attribute}"
        if field.description:
            yield Help(name=name, is_required=field.is_required(), about=field.description)
        for inner in _documents(field):
            yield from _fields(inner, f"{name}.")


def _documents(field: FieldInfo) -> list[type[Document]]:
    """Return the documents inside a field, each once."""
    found: dict[type[Document], None] = {}
    left = [field.annotation]
    while left:
        kind = left.pop()
        if isinstance(kind, type) and issubclass(kind, Document):
            found[kind] = None
        left += get_args(kind)
    return [*found]
