"""What is wrong with a rulebook."""

from collections.abc import Sequence
from typing import TypeVar

from pydantic import ValidationError

from closeloop_service.rulebook.documents.fields import PATTERN_WORDS, Document
from heardback.errors import Conflict, Invalid, NotFound, Retryable
from heardback.faults import NO_FIELDS, Fault, plain_faults

DocumentT = TypeVar("DocumentT", bound=Document)


class RulebookFaults(Invalid):
    """This rulebook is not valid; correct the fields and send it again."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        errors = [{"field": fault.field, "message": fault.message} for fault in faults]
        super().__init__(errors=errors)
        self.faults = tuple(faults)


class RulebookChanged(Conflict):
    """Somebody has saved another version meanwhile; look at it and send yours again."""

    rulebook: str
    version: int


class UnknownVersion(NotFound):
    """There is no such version; GET /rulebooks/{kind}/versions lists those that there are."""

    rulebook: str
    version: int


class RulesUnreadable(Retryable):
    """A newer release has saved rules that this one cannot read; update this process as well."""

    version: int


def parse(model: type[DocumentT], data: object) -> DocumentT:
    """Return the document that `data` says, each field checked by itself.

    Raises: RulebookFaults.
    """
    if not isinstance(data, dict):
        raise RulebookFaults([NO_FIELDS])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise RulebookFaults(list(plain_faults(error.errors(), PATTERN_WORDS))) from None
