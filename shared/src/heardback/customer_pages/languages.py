"""The language in which to speak to somebody of whom only the request is known."""

from typing import Final

from fastapi import Request

from heardback.locales import chain
from heardback.words import LOCALES

_LONGEST: Final = 200


def preferred_locale(request: Request) -> str | None:
    """Return what the browser likes best of what we speak; None: it says nothing that we speak.

    Source: RFC 9110, section 12.5.4.
    """
    header = request.headers.get("accept-language", "")[:_LONGEST]
    liked: list[tuple[float, str]] = []
    for choice in header.split(","):
        locale, _, weight = choice.partition(";q=")
        languages = chain(locale.strip())
        if languages and languages[-1] in LOCALES and (liking := _weight(weight)):
            liked.append((liking, languages[0]))
    return max(liked, key=lambda choice: choice[0])[1] if liked else None


def _weight(text: str) -> float:
    """Return how much a choice is liked: 1 where it is not said, 0 where that is not understood."""
    try:
        return min(max(float(text or 1), 0.0), 1.0)
    except ValueError:
        return 0.0
