"""The words that more than one service uses, once. Standard library only."""

from enum import StrEnum


class Category(StrEnum):
    """The three groups of the Net Promoter Score (Reichheld 2003)."""

    DETRACTOR = "detractor"
    PASSIVE = "passive"
    PROMOTER = "promoter"


def category_of(score: int) -> Category:
    """Return the group of an NPS score: 0–6 detractor, 7–8 passive, 9–10 promoter.

    Raises: ValueError when the score is not from 0 to 10.
    """
    if not 0 <= score <= 10:
        msg = f"an NPS score is from 0 to 10, not {score}"
        raise ValueError(msg)
    if score <= 6:
        return Category.DETRACTOR
    return Category.PASSIVE if score <= 8 else Category.PROMOTER


class Channel(StrEnum):
    """The way by which an invitation reaches a customer."""

    EMAIL = "email"
    SMS = "sms"
    IN_APP = "in_app"
    WEBHOOK = "webhook"


class ProgramType(StrEnum):
    """Why a program asks: because something happened, or because it is time."""

    TRANSACTIONAL = "transactional"
    RELATIONAL = "relational"


class SlaClock(StrEnum):
    """The two clocks of an owner task."""

    FIRST_RESPONSE = "first_response"
    RESOLUTION = "resolution"
