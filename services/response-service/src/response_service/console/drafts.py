"""A draft: the text of a survey as somebody types it, and what is wrong with it, line by line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from heardback.console.editing import LineFault, yaml_fault
from heardback.surveys import Fault, Survey, SurveyFaults, advice, parse
from heardback.yaml_text import line_of, read_yaml

LONGEST: Final = 100_000
"""Characters."""

_NOT_FIELDS: Final = Fault(path=(), message="write one 'field: value' on each line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text, and the survey that it says; None: it has faults. `advice` is none."""

    text: str
    survey: Survey | None
    faults: Sequence[LineFault] = ()
    advice: Sequence[LineFault] = ()


def read_draft(text: str, *, survey_id: str | None) -> Draft:
    """Read a text as a survey; `survey_id`: the one that it is to be a version of."""
    text = text.replace("\r\n", "\n")
    if len(text) > LONGEST:
        most = f"this is longer than {LONGEST:,} characters; make it shorter"
        return Draft(text=text, survey=None, faults=[LineFault(line=1, field="", message=most)])
    try:
        data, node = read_yaml(text)
    except yaml.YAMLError as error:
        return Draft(text=text, survey=None, faults=[yaml_fault(text, error)])
    try:
        survey = _survey(data, survey_id)
    except SurveyFaults as refused:
        return Draft(text=text, survey=None, faults=_locate(refused.faults, node))
    return Draft(text=text, survey=survey, advice=_locate(advice(survey), node))


def refused(draft: Draft, fault: Fault) -> Draft:
    """Return the draft with a fault that only showed when it was to be published."""
    faults = _locate([fault], read_yaml(draft.text)[1])
    return Draft(text=draft.text, survey=None, faults=faults)


def _survey(data: Any, survey_id: str | None) -> Survey:
    if not isinstance(data, Mapping):
        raise SurveyFaults([_NOT_FIELDS])
    survey = parse(data, version=1)
    if survey_id is not None and survey.survey_id != survey_id:
        message = f"the id never changes: write {survey_id}, or make a new survey"
        raise SurveyFaults([Fault(path=("id",), message=message)])
    return survey


def _locate(faults: Sequence[Fault], node: yaml.Node | None) -> list[LineFault]:
    """Return the faults with their lines, from the first line on."""
    found = [
        LineFault(line=line_of(node, fault.path), field=fault.field, message=fault.message)
        for fault in faults
    ]
    return sorted(found, key=lambda fault: fault.line)
