"""A draft: the text of a survey as somebody types it, and what is wrong with it, line by line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from heardback.console.editing import LineFault, read_typed
from heardback.faults import NO_FIELDS
from heardback.surveys import Fault, Survey, SurveyFaults, advice, parse

LONGEST: Final = 100_000
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text, and the survey that it says; None: it has faults. `advice` is none."""

    text: str
    survey: Survey | None
    faults: Sequence[LineFault] = ()
    advice: Sequence[LineFault] = ()


def read_draft(text: str, *, survey_id: str | None) -> Draft:
    """Read a text as a survey; `survey_id`: the one that it is to be a version of."""
    typed = read_typed(text, longest=LONGEST)
    if typed.fault is not None:
        return Draft(text=typed.text, survey=None, faults=[typed.fault])
    try:
        survey = _survey(typed.data, survey_id)
    except SurveyFaults as refused:
        return Draft(text=typed.text, survey=None, faults=typed.locate(refused.faults))
    return Draft(text=typed.text, survey=survey, advice=typed.locate(advice(survey)))


def refused(draft: Draft, fault: Fault) -> Draft:
    """Return the draft with a fault that only showed when it was to be published."""
    typed = read_typed(draft.text, longest=LONGEST)
    return Draft(text=draft.text, survey=None, faults=typed.locate([fault]))


def _survey(data: Any, survey_id: str | None) -> Survey:
    if not isinstance(data, Mapping):
        raise SurveyFaults([NO_FIELDS])
    survey = parse(data, version=1)
    if survey_id is not None and survey.survey_id != survey_id:
        message = f"the id never changes: write {survey_id}, or make a new survey"
        raise SurveyFaults([Fault(path=("id",), message=message)])
    return survey
