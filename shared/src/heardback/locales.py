"""Locales as customers' profiles name them: from the most specific one to its language."""

import re
from functools import lru_cache
from typing import Final, Literal

Direction = Literal["ltr", "rtl"]

_LONGEST: Final = 35
_SUBTAG: Final = re.compile(r"[A-Za-z0-9]{1,8}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_RIGHT_TO_LEFT: Final = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "nqo", "ps", "sd", "ug", "ur", "yi"}
)
_SCRIPTS: Final = {
    **dict.fromkeys(("Adlm", "Arab", "Hebr", "Nkoo", "Rohg", "Syrc", "Thaa"), "rtl"),
    **dict.fromkeys(("Latn", "Cyrl"), "ltr"),
}
_SCRIPT_LENGTH: Final = 4


@lru_cache(maxsize=1024)
def chain(locale: str | None) -> tuple[str, ...]:
    """Return a locale and what it belongs to, its language last; nothing for what is no locale.

    Shapes: `de_at.UTF-8` gives `("de-AT", "de")`; `zh-hant-tw` gives `zh-Hant-TW`, `zh-Hant`, `zh`.
    Source: RFC 4647, section 3.4 (lookup); RFC 5646, section 2.1.1 (case).
    """
    parts = (
        (locale or "")[:_LONGEST].split(".")[0].split("@")[0].strip().replace("_", "-").split("-")
    )
    language = parts[0].lower()
    if not _LANGUAGE.fullmatch(language):
        return ()
    found = [language]
    for part in parts[1:]:
        if not _SUBTAG.fullmatch(part):
            break
        found.append(f"{found[-1]}-{_cased(part)}")
    return tuple(reversed(found))


def direction_of(locale: str) -> Direction:
    """Return the direction in which a locale is written."""
    subtags = locale.split("-")
    for subtag in subtags[1:]:
        if subtag in _SCRIPTS:
            return "rtl" if _SCRIPTS[subtag] == "rtl" else "ltr"
    return "rtl" if subtags[0] in _RIGHT_TO_LEFT else "ltr"


def _cased(subtag: str) -> str:
    """Return a subtag as it is usually written: a script `Hant`, a region `AT`."""
    if len(subtag) == _SCRIPT_LENGTH and subtag.isalpha():
        return subtag.capitalize()
    return subtag.upper() if len(subtag) < _SCRIPT_LENGTH else subtag.lower()
