"""Every language says the same things, with the same placeholders, in its own script."""

import string
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from heardback.words import LOCALES, Words, words_of

DAY = date(2026, 3, 5)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("locale", LOCALES)
def test_language_says_what_english_says(locale: str) -> None:
    english, words = words_of("en"), words_of(locale)
    assert words.locale == locale
    assert set(words) == set(english)
    for key in english:
        assert words[key].strip() == words[key] != "", key
        assert placeholders(words[key]) == placeholders(english[key]), key
        assert all(name.isidentifier() for name in placeholders(words[key])), key


def test_languages_differ() -> None:
    english = words_of("en")
    for locale in LOCALES[1:]:
        same = [key for key, text in words_of(locale).items() if text == english[key]]
        assert [key for key in same if " " in english[key]] == []


@pytest.mark.parametrize(
    ("asked", "locale", "direction", "day"),
    [
        ("de-AT", "de", "ltr", "5. März 2026"),
        ("fr_CA.UTF-8", "fr", "ltr", "5 mars 2026"),
        ("en-US", "en", "ltr", "March 5, 2026"),
        ("en", "en", "ltr", "5 March 2026"),
        ("ar-EG", "ar", "rtl", "5 مارس 2026"),
        ("ar-Arab-ZZ", "ar", "rtl", "5 مارس 2026"),
        ("pt-BR", "en", "ltr", "5 March 2026"),
        ("de-nonsense", "de", "ltr", "5. März 2026"),
        ("../../etc", "en", "ltr", "5 March 2026"),
        ("", "en", "ltr", "5 March 2026"),
        (None, "en", "ltr", "5 March 2026"),
    ],
)
def test_locale_falls_back_to_its_language_and_then_to_english(
    asked: str | None, locale: str, direction: str, day: str
) -> None:
    words = words_of(asked)
    assert (words.locale, words.direction, words.date(DAY)) == (locale, direction, day)


def test_instant_is_a_day_of_its_own_time_zone() -> None:
    late = datetime(2026, 3, 5, 23, 30, tzinfo=UTC)
    assert words_of("en").date(late.astimezone(timezone(timedelta(hours=2)))) == "6 March 2026"


def test_placeholders_are_filled_and_values_are_not_read() -> None:
    words: Words = words_of("en")
    assert words.say("page.saved", score=9, highest=10) == "Your answer is saved: 9 out of 10."
    assert "{company}" in words.say("page.promise", company="{company}")


def test_numbers_are_written_as_in_the_country() -> None:
    assert [words_of(locale).number(12345) for locale in ("en", "de")] == ["12,345", "12.345"]
