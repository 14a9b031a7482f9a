"""What is wrong with a survey that somebody wrote: where, and what to do."""

from collections.abc import Sequence

from heardback.errors import Invalid
from heardback.faults import Fault as Fault
from heardback.faults import Path as Path


class SurveyFaults(Invalid):
    """This survey is not valid; correct the fields and send it again."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        errors = [{"field": fault.field, "message": fault.message} for fault in faults]
        super().__init__(errors=errors)
        self.faults = tuple(faults)
