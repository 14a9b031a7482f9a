"""The words that more than one service uses, once. Standard library only."""

from enum import StrEnum
from functools import cache
from typing import Final


class Category(StrEnum):
    """The three groups of the Net Promoter Score (Reichheld 2003)."""

    DETRACTOR = "detractor"
    PASSIVE = "passive"
    PROMOTER = "promoter"


class Scale(StrEnum):
    """What a score is on: NPS from 0 to 10, CSAT from 1 to 5, CES from 1 (hard) to 7 (easy)."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"

    @property
    def scores(self) -> range:
        """Every score, the lowest first."""
        return _SCORES[self]


_SCORES: Final = {Scale.NPS: range(11), Scale.CSAT: range(1, 6), Scale.CES: range(1, 8)}
_LOWEST: Final = {
    Scale.NPS: ((9, Category.PROMOTER), (7, Category.PASSIVE)),
    Scale.CSAT: ((4, Category.PROMOTER), (3, Category.PASSIVE)),
    Scale.CES: ((5, Category.PROMOTER), (4, Category.PASSIVE)),
}


@cache
def category_of(score: int, scale: Scale = Scale.NPS) -> Category:
    """Return the group of a score.

    NPS: 0–6 detractor, 7–8 passive, 9–10 promoter (Reichheld 2003). CSAT counts its top two of five
    and CES its top three of seven as content; the middle is passive, and what is below calls for
    the same help as a detractor.
    Raises: ValueError when the scale has no such score.
    """
    if score not in scale.scores:
        low, high = scale.scores[0], scale.scores[-1]
        msg = f"a score on the scale {scale} is from {low} to {high}, not {score}"
        raise ValueError(msg)
    return next((group for lowest, group in _LOWEST[scale] if score >= lowest), Category.DETRACTOR)


class Channel(StrEnum):
    """The way by which a customer is reached, or, for `direct`, answers without being reached."""

    EMAIL = "email"
    SMS = "sms"
    IN_APP = "in_app"
    WEBHOOK = "webhook"
    DIRECT = "direct"


class ProgramType(StrEnum):
    """Why a program asks: something happened, it is time, or what was wrong was put right."""

    TRANSACTIONAL = "transactional"
    RELATIONAL = "relational"
    RECOVERY = "recovery"


TASK_RESOLVED: Final = "task-resolved"
"""The touchpoint that a resolved owner task is; its subject is `task:<task id>`."""


class SlaClock(StrEnum):
    """The clocks of an owner task. The next response is awaited after a customer wrote back."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    RESOLUTION = "resolution"


class Outcome(StrEnum):
    """What came of a customer who was unhappy: by their next answer, or by their leaving."""

    RECOVERED = "recovered"
    UNCHANGED = "unchanged"
    LOST = "lost"
    UNANSWERED = "unanswered"


class Scope(StrEnum):
    """What a suppression covers."""

    ALL = "all"
    TYPE = "type"
    PROGRAM = "program"
    CHANNEL = "channel"
