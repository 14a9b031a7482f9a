"""What Heardback itself says to customers, in every language that it speaks.

The texts of a survey are not here: who asks writes those (`heardback.surveys`). A file for each
language; all say the same keys with the same placeholders.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache, lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

import yaml
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_decimal

from heardback.locales import Direction, chain, direction_of

LOCALES: Final = ("en", "de", "fr", "ar")
"""The languages that there are words in; the first one is for everybody else."""

_WORLD: Final = "en_001"
"""English that belongs to no country writes the day first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Words(Mapping[str, str]):
    """The words of one language. `words["page.send"]` is the text as it stands in the file."""

    locale: str
    direction: Direction
    _texts: Mapping[str, str] = field(repr=False)
    _region: Locale = field(repr=False)

    def __getitem__(self, key: str) -> str:
        return self._texts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def say(self, key: str, /, **values: object) -> str:
        """Return a text with its placeholders filled."""
        return self._texts[key].format_map(values)

    def date(self, at: date | datetime) -> str:
        """Return a day in words, such as 5 March 2026; of an instant, in its own time zone."""
        return format_date(at, "long", locale=self._region)

    def number(self, number: int) -> str:
        """Return a number as it is written here."""
        return format_decimal(number, locale=self._region)


@lru_cache(maxsize=256)
def words_of(locale: str | None) -> Words:
    """Return the words for a locale; English where there are none. It never raises."""
    asked = chain(locale)
    language = asked[-1] if asked and asked[-1] in LOCALES else LOCALES[0]
    return Words(
        locale=language,
        direction=direction_of(language),
        _texts=_load(language),
        _region=_region(asked, language),
    )


def _region(asked: tuple[str, ...], language: str) -> Locale:
    """Return how dates and numbers are written: as in the customer's country where it is known."""
    for name in asked:
        if name != language and name.startswith(f"{language}-"):
            try:
                return Locale.parse(name, sep="-")
            except (UnknownLocaleError, ValueError):
                continue
    return Locale.parse(_WORLD if language == LOCALES[0] else language)


@cache
def _load(language: str) -> Mapping[str, str]:
    text = (resources.files("heardback.words") / f"{language}.yaml").read_text("utf-8")
    return MappingProxyType(dict(_flat("", yaml.safe_load(text))))


def _flat(prefix: str, tree: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text under its path: `page.send`."""
    for name, value in tree.items():
        if isinstance(value, str):
            yield f"{prefix}{name}", value
        elif value is not None:
            yield from _flat(f"{prefix}{name}.", value)
