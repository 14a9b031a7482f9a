"""What is asked: the texts of a survey. `{company}` stands for who asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from heardback.vocabulary import Category


@dataclass(frozen=True, slots=True, kw_only=True)
class Thanks:
    """What we say after an answer."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The texts of one survey. `follow_up` is for browsers that can't choose by score."""

    survey_id: str
    question: str
    lowest: str
    highest: str
    follow_up: str
    follow_ups: Mapping[Category, str]
    thanks: Mapping[Category, Thanks]


NPS: Final = Survey(
    survey_id="nps",
    question="How likely are you to recommend {company} to a friend or colleague?",
    lowest="Not at all likely",
    highest="Extremely likely",
    follow_up="What is the main reason for your score?",
    follow_ups={
        Category.DETRACTOR: "What happened?",
        Category.PASSIVE: "What is the one thing that we should improve?",
        Category.PROMOTER: "What is the main reason for your score?",
    },
    thanks={
        Category.DETRACTOR: Thanks(
            title="Thank you for telling us. We are sorry.",
            text="Somebody at {company} has been asked to look into this and to get back to you.",
        ),
        Category.PASSIVE: Thanks(
            title="Thank you. We want to do better.",
            text="The people at {company} who can change it will read what you wrote.",
        ),
        Category.PROMOTER: Thanks(
            title="Thank you. We are glad to hear it.",
            text="The people at {company} who earned this will read it.",
        ),
    },
)

_SURVEYS: Final = {NPS.survey_id: NPS}


def survey_of(survey_id: str) -> Survey:
    """Return the survey under this id; one that we don't know asks the question that all do."""
    return _SURVEYS.get(survey_id, NPS)


def interaction(touchpoint: str) -> str:
    """Return words for what the question is about."""
    known = {
        "purchase": "your recent purchase",
        "ticket-closed": "your support request",
        "onboarding-complete": "getting set up",
    }
    return known.get(touchpoint) or f"your {touchpoint.replace('-', ' ')}"
