"""The words by which a text message asks to stop, to start again, or for help; pure."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Keyword(StrEnum):
    """What a text message asks for when it says nothing else."""

    STOP = "stop"
    START = "start"
    HELP = "help"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a text asks for, and in which language it does."""

    keyword: Keyword
    locale: str


_SPELLINGS: Final[Mapping[str, Mapping[Keyword, str]]] = {
    "en": {
        Keyword.STOP: "stop, stopall, unsubscribe, cancel, end, quit, revoke, optout",
        Keyword.START: "start, unstop, optin",
        Keyword.HELP: "help, info",
    },
    "de": {
        Keyword.STOP: "stopp, abmelden, abbestellen, beenden, ende",
        Keyword.START: "starten, anmelden",
        Keyword.HELP: "hilfe",
    },
    "fr": {
        Keyword.STOP: "arrêt, arrêter, arrêtez, désabonner, désinscrire, désinscription, fin",
        Keyword.START: "démarrer, reprendre, réabonner",
        Keyword.HELP: "aide",
    },
    "ar": {
        Keyword.STOP: "توقف, إيقاف, أوقف, قف, إلغاء, إلغاء الاشتراك",
        Keyword.START: "ابدأ, بدء, اشتراك",
        Keyword.HELP: "مساعدة, معلومات",
    },
}
"""Source: what carriers in the US ask for (CTIA, Messaging Principles), and the same in the
languages that we write in. `yes` is none: it may be an answer."""


def keyword_of(text: str) -> Asked | None:
    """Return what a text asks for; only when there is nothing else in it ("please stop" is not)."""
    return _MEANING.get(_letters(text[:_LONGEST])) if len(text) <= _LONGEST else None


def _letters(text: str) -> str:
    """Return the letters and digits of a text: no case, accents, spaces, punctuation or emoji."""
    plain = unicodedata.normalize("NFKD", text).casefold().replace("ة", "ه")
    return "".join(char for char in plain if char.isalnum())


_LONGEST: Final = 40
_MEANING: Final = {
    _letters(word): Asked(keyword=keyword, locale=locale)
    for locale, keywords in _SPELLINGS.items()
    for keyword, words in keywords.items()
    for word in words.split(",")
}
