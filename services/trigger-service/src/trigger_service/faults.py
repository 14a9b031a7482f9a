"""What is wrong with a document, field by field, in words that say what to write instead."""

from collections.abc import Sequence
from typing import Final, TypeVar

from pydantic import ValidationError

from heardback.errors import Invalid
from heardback.faults import NO_SUCH_FIELD, plain_faults
from heardback.faults import Fault as Fault
from trigger_service.documents import PATTERN_WORDS, Document

DocumentT = TypeVar("DocumentT", bound=Document)

_STATE: Final = "only a file says this; over HTTP it starts paused: POST /programs/{id}/activate"


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
        found = plain_faults(error.errors(), PATTERN_WORDS)
        raise InvalidDocument([_of_a_file(fault) for fault in found]) from None


def _of_a_file(fault: Fault) -> Fault:
    is_unknown = fault.path == ("state",) and fault.message == NO_SUCH_FIELD
    return Fault(path=fault.path, message=_STATE) if is_unknown else fault
