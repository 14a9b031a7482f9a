"""Surveys: what is asked, in every language, checked before anybody sees it.

A document becomes a `Survey` by `parse`; `survey.texts(locale, variant)` are the `Template`s for a
customer, and `template.render(words)` is what that customer reads.
"""

from heardback.surveys.advice import advice
from heardback.surveys.checks import SAMPLE, parse
from heardback.surveys.documents import SurveyDocument
from heardback.surveys.faults import Fault, SurveyFaults
from heardback.surveys.ready import DEFAULT, newest_ready_made, ready_made
from heardback.surveys.survey import Survey, Texts, Thanks
from heardback.surveys.template import VARIABLES
from heardback.templating import FILTERS, Template

__all__ = [
    "DEFAULT",
    "FILTERS",
    "SAMPLE",
    "VARIABLES",
    "Fault",
    "Survey",
    "SurveyDocument",
    "SurveyFaults",
    "Template",
    "Texts",
    "Thanks",
    "advice",
    "newest_ready_made",
    "parse",
    "ready_made",
]
