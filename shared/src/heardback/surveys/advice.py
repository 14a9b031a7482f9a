"""What is allowed and still deserves a second look, before a version is published."""

from collections.abc import Iterator
from typing import Final

from heardback.gsm import measure
from heardback.surveys.checks import SAMPLE
from heardback.surveys.faults import Fault
from heardback.surveys.survey import Survey

_MOST_SEGMENTS: Final = 2


def advice(survey: Survey) -> list[Fault]:
    """Return what deserves a second look, with what to do."""
    return [*_long_messages(survey), *_untranslated(survey)]


def _long_messages(survey: Survey) -> Iterator[Fault]:
    for locale in survey.locales:
        count = measure(survey.texts(locale).sms.render(SAMPLE)).segments
        if count > _MOST_SEGMENTS:
            message = f"this is {count} text messages long, and each is paid for; make it shorter"
            yield Fault(path=("texts", locale, "sms"), message=message)


def _untranslated(survey: Survey) -> Iterator[Fault]:
    for locale in survey.locales[1:]:
        own = survey.written_in(locale)
        missing = sorted(survey.written_in(survey.default_locale) - own)
        if missing and "-" not in locale:
            names = ", ".join(missing)
            message = f"these are shown in {survey.default_locale}: {names}"
            yield Fault(path=("texts", locale), message=message)
