"""What a survey says, text by text, to whoever looks it over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from heardback.locales import Direction
from heardback.surveys import Survey, Template, Texts
from heardback.vocabulary import Category

_ABOUT: Final = {
    "subject": "Subject of the mail",
    "reminder_subject": "Subject of the reminder",
    "about": "Above the question",
    "question": "Question",
    "lowest": "Lowest score",
    "highest": "Highest score",
    "follow_up": "Asked when the score is not known",
    "purpose": "Why we ask, and how long it takes",
    "reminder": "In a reminder",
    "sms": "Text message",
    "review_label": "Link for promoters",
}
_GROUPS: Final = {
    Category.DETRACTOR: "after a low score",
    Category.PASSIVE: "after a middling score",
    Category.PROMOTER: "after a high score",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One text of a survey. `about`: what it is for."""

    about: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What a survey says in one language; with a `variant`, only what that changes."""

    locale: str
    direction: Direction
    variant: str | None
    lines: Sequence[Line]


def read_aloud(survey: Survey, words: Mapping[str, Mapping[str, Any]]) -> list[Spoken]:
    """Return what a survey says in every language; `words`: what to fill its texts with there."""
    said = []
    for locale in survey.locales:
        plain = _lines(survey.texts(locale), words[locale])
        said.append(_spoken(survey.texts(locale), None, plain))
        for variant in survey.variants:
            texts = survey.texts(locale, variant)
            other = [line for line in _lines(texts, words[locale]) if line not in plain]
            if other:
                said.append(_spoken(texts, variant, other))
    return said


def _lines(texts: Texts, words: Mapping[str, Any]) -> list[Line]:
    found: list[tuple[str, Template]] = [
        (about, getattr(texts, name)) for name, about in _ABOUT.items()
    ]
    for group, after in _GROUPS.items():
        thanks = texts.thanks[group]
        found.append((f"Asked {after}", texts.follow_ups[group]))
        found.append((f"Thanks {after}", thanks.title))
        found.append((f"Said {after}", thanks.text))
    found += [(f"Rating: {driver}", label) for driver, label in texts.drivers.items()]
    return [
        Line(about=about, text=template.render(words))
        for about, template in found
        if template.source
    ]


def _spoken(texts: Texts, variant: str | None, lines: Sequence[Line]) -> Spoken:
    return Spoken(locale=texts.locale, direction=texts.direction, variant=variant, lines=lines)
