"""A version of a survey: its texts for a customer's locale and variant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from heardback.locales import Direction, chain, direction_of
from heardback.surveys.template import compile_template
from heardback.templating import Template
from heardback.vocabulary import Category, Scale

TextsByPath = Mapping[str, Template]
"""Templates by the path of their text: `thanks.detractor.title`."""

_NOTHING: Final = compile_template("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thanks:
    """What is said after an answer."""

    title: Template
    text: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a survey says to one customer. `locale`: the one that most texts are in.

    `follow_up` is for where the score is not known; `drivers` are in the survey's order.
    """

    locale: str
    direction: Direction
    subject: Template
    reminder_subject: Template
    about: Template
    question: Template
    lowest: Template
    highest: Template
    follow_up: Template
    follow_ups: Mapping[Category, Template]
    thanks: Mapping[Category, Thanks]
    purpose: Template
    reminder: Template
    sms: Template
    drivers: Mapping[str, Template]
    review_label: Template


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survey:
    """A version of a survey. It never changes; `document` is as it was published."""

    survey_id: str
    version: int
    name: str
    scale: Scale
    default_locale: str
    drivers: tuple[str, ...]
    review_url: str | None
    document: Mapping[str, Any] = field(repr=False)
    _texts: Mapping[str, TextsByPath] = field(repr=False)
    _variants: Mapping[str, Mapping[str, TextsByPath]] = field(repr=False)
    _made: dict[tuple[str, str | None], Texts] = field(default_factory=dict, repr=False)

    @property
    def locales(self) -> tuple[str, ...]:
        """The locales that it has texts in, the default one first."""
        others = sorted(self._texts.keys() - {self.default_locale})
        return (self.default_locale, *others)

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of its variants."""
        return tuple(self._variants)

    def written_in(self, locale: str) -> frozenset[str]:
        """Return the paths of the texts that stand in this very locale."""
        return frozenset(self._texts.get(locale, {}))

    def texts(self, locale: str | None = None, variant: str | None = None) -> Texts:
        """Return the texts for a customer.

        Each text is the one of the locale (de-AT), else of its language (de), else of the default
        locale; at each of these the variant's, where it has one. What is unknown falls back.
        """
        nearest = next((name for name in chain(locale) if name in self._texts), None)
        key = (nearest or self.default_locale, variant if variant in self._variants else None)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._make(*key)
        return made

    def _make(self, locale: str, variant: str | None) -> Texts:
        by_path: dict[str, Template] = {}
        for name in (self.default_locale, *reversed(chain(locale))):
            by_path |= self._texts.get(name, {})
            by_path |= self._variants.get(variant or "", {}).get(name, {})
        return _texts_of(by_path, locale, self.drivers)


def flatten(texts: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text with its path: `thanks.detractor.title`."""
    for name, value in texts.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _texts_of(by_path: TextsByPath, locale: str, drivers: tuple[str, ...]) -> Texts:
    def text(path: str) -> Template:
        return by_path.get(path, _NOTHING)

    return Texts(
        locale=locale,
        direction=direction_of(locale),
        subject=text("subject"),
        reminder_subject=text("reminder_subject"),
        about=text("about"),
        question=text("question"),
        lowest=text("lowest"),
        highest=text("highest"),
        follow_up=text("follow_up"),
        follow_ups={group: text(f"follow_ups.{group}") for group in Category},
        thanks={
            group: Thanks(title=text(f"thanks.{group}.title"), text=text(f"thanks.{group}.text"))
            for group in Category
        },
        purpose=text("purpose"),
        reminder=text("reminder"),
        sms=text("sms"),
        drivers={driver: text(f"drivers.{driver}") for driver in drivers},
        review_label=text("review_label"),
    )
