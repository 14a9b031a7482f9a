"""What a text message says that answers a survey: "9 great service"."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from heardback.vocabulary import Scale
from response_service.domain.answer import read_comment

_KEYCAPS: Final = {"\N{KEYCAP TEN}": "10 "}
_UNITS: Final = """
    of|out\\s+of|x|times?|a\\.?m\\b|p\\.?m\\b|o'?clock|percent|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?
    |months?|years?|people|persons?|customers?|items?|calls?|e?-?mails?|dollars?|euros?|pounds?
    |sekunden?|minuten?|std|stunden?|tage?n?|wochen?|monate?n?|jahre?n?|mal|uhr|prozent|leute|personen
    |anrufe?n?|stück|secondes?|heures?|jours?|semaines?|mois|ans|années?|fois|personnes?|appels?
    |دقيقة|دقائق|ساعة|ساعات|يوم|يوما|أيام|ايام|أسبوع|اسبوع|أسابيع|شهر|أشهر|سنة|سنوات|مرة|مرات
"""
"""What makes a number an amount, in the languages that we speak: "10 minutes waiting"."""

_SCORE: Final = re.compile(
    rf"""^[\s"'“”„«»(\[*#]*          # what people put before a number
    (?:score|note|punkte?|rating|answer|antwort|réponse)?[\s:=#.]*
    (?P<score>\d{{1,3}})
    (?:\s*(?:/|of|out\s+of|von|sur|من)\s*(?P<highest>\d{{1,2}})(?!\d)
      |\s*(?P<stars>(?:stars?|sterne?|étoiles?|نجوم)\b|[⭐★]+))?
    (?!\w|[.,:]?\d|\s*[-–—]\s*\d|\s*[/%€$£°])  # 1st, 10x, 9.5, 9:30, 7-8 and 90% are no scores
    (?!\s*-?\s*(?:{_UNITS})(?!\w))
    [\s"'“”„«»)\]*.!,;:–—-]*        # what people put after it
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MOST_STARS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a reply says: a score, a comment, both or nothing."""

    score: int | None
    comment: str | None


def read_reply(text: str, scale: Scale, *, answered: bool = False) -> Reply:
    """Return the score at the beginning of `text`, and the rest as the comment.

    A number that is not on the scale is no score, and stays a part of the comment. Once a customer
    has `answered`, a number counts if nothing follows, or if it names its scale (9/10): what they
    add otherwise is words, which may well begin with one.
    """
    plain = _plain(text)
    found = _SCORE.match(plain)
    if found and _fits(found, scale):
        comment = _comment(plain[found.end() :])
        if not answered or comment is None or found["highest"]:
            return Reply(score=int(found["score"]), comment=comment)
    return Reply(score=None, comment=_comment(text))


def _fits(found: re.Match[str], scale: Scale) -> bool:
    highest = int(found["highest"] or (found["stars"] and _MOST_STARS) or scale.scores[-1])
    return int(found["score"]) in scale.scores and highest == scale.scores[-1]


def _comment(text: str) -> str | None:
    return read_comment(text[:10_000])


def _plain(text: str) -> str:
    """Return `text` with every kind of digit (9️⃣, ９, ٩) as a plain one."""
    for cap, digits in _KEYCAPS.items():
        text = text.replace(cap, digits)
    return "".join(_digit(character) for character in text if character not in "\ufe0f\u20e3")


def _digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
