"""From a document to a survey: what its texts have to say, checked before anybody is asked."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from heardback.locales import chain
from heardback.surveys.documents import SurveyDocument, TextsDocument, read_document
from heardback.surveys.faults import Fault, Path, SurveyFaults
from heardback.surveys.survey import Survey, TextsByPath, flatten
from heardback.surveys.template import compile_template
from heardback.templating import BadTemplate, Template
from heardback.vocabulary import Category

SAMPLE: Final[Mapping[str, Any]] = {
    "company": "Northwind",
    "customer": {"name": "Ada"},
    "touchpoint": "purchase",
    "occurred_on": "5 March 2026",
    "minutes": "1",
    "link": "https://example.com/c/2Fh8kQxZ9m",
}
"""A customer to show texts for."""

_NAMELESS: Final = {**SAMPLE, "customer": {"name": ""}}
_LONG: Final = {
    **SAMPLE,
    "company": "N" * 30,
    "customer": {"name": "A" * 60},
    "occurred_on": "0" * 30,
    "touchpoint": "t" * 63,
}
_ALWAYS: Final = (
    "subject",
    "reminder_subject",
    "about",
    "question",
    "lowest",
    "highest",
    "follow_up",
    *(f"follow_ups.{group}" for group in Category),
    *(f"thanks.{group}.{part}" for group in Category for part in ("title", "text")),
    "purpose",
    "reminder",
    "sms",
)
_LONGEST: Final = {
    "subject": 150,
    "reminder_subject": 150,
    "about": 300,
    "question": 300,
    "lowest": 60,
    "highest": 60,
    "follow_up": 300,
    "follow_ups": 300,
    "reminder": 300,
    "sms": 600,
    "drivers": 60,
    "review_label": 60,
}
"""Characters with long names filled in, so that it still fits where it stands."""


def parse(document: Mapping[str, Any], *, version: int) -> Survey:
    """Return the survey that a document says.

    Raises: SurveyFaults with every fault.
    """
    read = read_document(document)
    faults: list[Fault] = []
    texts = {
        locale: _compile(part, ("texts", locale), faults) for locale, part in read.texts.items()
    }
    variants = {
        name: {
            locale: _compile(part, ("variants", name, locale), faults)
            for locale, part in parts.items()
        }
        for name, parts in read.variants.items()
    }
    faults.extend(_faults(read))
    if faults:
        raise SurveyFaults(faults)
    return Survey(
        survey_id=read.id,
        version=version,
        name=read.name,
        scale=read.scale,
        default_locale=read.default_locale,
        drivers=read.drivers,
        review_url=read.review_url,
        document=document,
        _texts=texts,
        _variants=variants,
    )


def _compile(texts: TextsDocument, path: Path, faults: list[Fault]) -> TextsByPath:
    compiled = {}
    for name, source in flatten(texts.model_dump(mode="json", exclude_none=True)):
        try:
            template = compile_template(source)
            _check_text(name, template)
        except BadTemplate as error:
            faults.append(Fault(path=(*path, *name.split(".")), message=str(error)))
        else:
            compiled[name] = template
    return compiled


def _check_text(name: str, template: Template) -> None:
    """Refuse what would not do where it stands.

    Raises: BadTemplate.
    """
    if name == "sms" and "link" not in template.variables:
        msg = "write {{ link }} where the customer is to tap"
        raise BadTemplate(msg)
    if name != "sms" and "link" in template.variables:
        msg = "{{ link }} is for the text message; here the link is made for you"
        raise BadTemplate(msg)
    if not (template.render(SAMPLE) and template.render(_NAMELESS)):
        msg = "this says nothing to a customer without a name; write something for them too"
        raise BadTemplate(msg)
    most = _LONGEST.get(name.split(".")[0])
    if most is not None and (length := len(template.render(_LONG))) > most:
        msg = f"with long names this has {length} characters; make it {most} at most"
        raise BadTemplate(msg)


def _faults(document: SurveyDocument) -> Iterator[Fault]:
    """What the fields do not mean together."""
    for locale in document.texts:
        if (named := chain(locale)) == () or named[0] != locale:
            message = f"write a language such as en, de or pt-BR, not {locale!r}"
            yield Fault(path=("texts", locale), message=message)
    if document.default_locale not in document.texts:
        message = f"there are no texts in {document.default_locale!r}; write them under texts"
        yield Fault(path=("default_locale",), message=message)
    else:
        yield from _missing(document)
    if len(set(document.drivers)) < len(document.drivers):
        yield Fault(path=("drivers",), message="name each driver once")
    yield from _unknown(document)


def _missing(document: SurveyDocument) -> Iterator[Fault]:
    default = document.default_locale
    there = dict(flatten(document.texts[default].model_dump(mode="json", exclude_none=True)))
    needed = [*_ALWAYS, *(f"drivers.{driver}" for driver in document.drivers)]
    if document.review_url is not None:
        needed.append("review_label")
    for name in needed:
        if name not in there:
            path = ("texts", default, *name.split("."))
            yield Fault(path=path, message=f"is missing; {default} is the default and has them all")


def _unknown(document: SurveyDocument) -> Iterator[Fault]:
    """Texts that nothing would ever show."""
    places: list[tuple[Path, TextsDocument]] = [
        (("texts", locale), part) for locale, part in document.texts.items()
    ]
    for name, parts in document.variants.items():
        places += [(("variants", name, locale), part) for locale, part in parts.items()]
        for locale in parts.keys() - document.texts.keys():
            message = f"there are no texts in {locale!r} to vary; write them under texts first"
            yield Fault(path=("variants", name, locale), message=message)
    for path, part in places:
        for driver in part.drivers.keys() - set(document.drivers):
            message = "there is no such driver; name it under drivers, or leave this out"
            yield Fault(path=(*path, "drivers", driver), message=message)
