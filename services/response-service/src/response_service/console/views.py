"""Documents of surveys as the console shows them."""

from collections.abc import Mapping
from typing import Any, Final

from babel import Locale, UnknownLocaleError

from heardback.surveys import FILTERS, VARIABLES, SurveyDocument
from heardback.vocabulary import Category, Scale
from heardback.yaml_text import to_yaml

SCALES: Final = {
    Scale.NPS: "0 to 10, recommendation",
    Scale.CSAT: "1 to 5, satisfaction",
    Scale.CES: "1 to 7, effort",
}


def ordered(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document in the order in which people write one; the database has its own."""
    read = SurveyDocument.model_validate(dict(document))
    written = read.model_dump(mode="json", exclude_unset=True)
    texts = written["texts"]
    locales = sorted(texts, key=lambda name: (name != read.default_locale, name))
    written["texts"] = {name: _in_order(texts[name]) for name in locales}
    return written


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return a document as people write it."""
    return to_yaml(ordered(document)).rstrip("\n")


def written(value: Any) -> str:
    """Return a part of a document as it is written."""
    return value if isinstance(value, str) else to_yaml(value).removesuffix("...\n").rstrip("\n")


def template_help() -> dict[str, Any]:
    """Return what texts can use."""
    return {"variables": VARIABLES, "filters": sorted(FILTERS)}


def language(locale: str) -> str:
    """Return what a locale is called: German (de)."""
    try:
        name = Locale.parse(locale, sep="-").get_display_name("en")
    except (UnknownLocaleError, ValueError):
        name = None
    return f"{name} ({locale})" if name else locale


def _in_order(texts: dict[str, Any]) -> dict[str, Any]:
    """Return texts with those of the lowest scores first."""
    for name in ("follow_ups", "thanks"):
        if name in texts:
            said = texts[name]
            texts[name] = {group.value: said[group] for group in Category if group in said}
    return texts
