"""From a text to a document: what is wrong with it, and where."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import yaml

from closeloop_service.rulebook.advice import advise
from closeloop_service.rulebook.books import MODELS, Books
from closeloop_service.rulebook.checks import check
from closeloop_service.rulebook.documents import Document
from closeloop_service.rulebook.faults import RulebookFaults, parse
from closeloop_service.rulebook.kinds import Kind
from closeloop_service.rulebook.reach import check_reach
from closeloop_service.rulebook.references import check_references
from heardback.faults import Fault
from heardback.yaml_text import read_yaml

LONGEST: Final = 200_000
"""Characters of a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A document that is valid beside the others. `advice` deserves a second look."""

    kind: Kind
    data: Any
    document: Document
    books: Books
    advice: Sequence[Fault]


def read_data(kind: Kind, data: object, beside: Books, secrets: Collection[str]) -> Read:
    """Return the document that `data` says, checked beside the others in force.

    `secrets`: the names of those that are set.
    Raises: RulebookFaults with every fault.
    """
    document = parse(MODELS[kind], data)
    books = beside.having(kind, document)
    faults = [*check(document), *check_references(kind, books, secrets)]
    faults = faults or list(check_reach(kind, books))
    if faults:
        raise RulebookFaults(faults)
    return Read(kind=kind, data=data, document=document, books=books, advice=advise(kind, books))


def read_text(text: str) -> Any:
    """Return the data that a text says.

    Raises: RulebookFaults when it is too long, or no YAML.
    """
    if len(text) > LONGEST:
        message = f"this is longer than {LONGEST:,} characters; make it shorter"
        raise RulebookFaults([Fault(path=(), message=message)])
    try:
        return read_yaml(text)[0]
    except yaml.YAMLError as error:
        raise RulebookFaults([Fault(path=(), message=f"this is not YAML: {error}")]) from None


def as_json(data: Any) -> Any:
    """Return data as JSON has it: YAML knows dates, and dates as names."""
    return orjson.loads(orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS))
