"""An answer: what counts as one, and what it changes."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from heardback.errors import Invalid
from heardback.vocabulary import Category, category_of

LONGEST_COMMENT: Final = 10_000
_SCORE: Final = re.compile(r"10|[0-9]", re.ASCII)
# Controls and lone surrogates can't be stored or shown; tabs and line ends stay.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class ScoreMissing(Invalid):
    """Please choose a number from 0 to 10."""


class CommentTooLong(Invalid):
    """The comment is longer than we can take."""

    excess: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a customer says: a score from 0 to 10, and perhaps why."""

    score: int
    comment: str | None = None

    @property
    def category(self) -> Category:
        """The group of the score."""
        return category_of(self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer that we hold for an invitation. `alert_id` is set once somebody was alerted."""

    response_id: str
    revision: int
    answer: Answer
    alert_id: str | None
    answered_at: datetime


class Change(StrEnum):
    """What an answer does to what we hold."""

    RECORDED = "recorded"
    REVISED = "revised"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with an answer."""

    change: Change
    revision: int
    alert: bool


def decide(held: Response | None, answer: Answer) -> Decision:
    """Return what `answer` changes. Owners are alerted once per invitation, however it goes on."""
    if held is None:
        alert = answer.category is Category.DETRACTOR
        return Decision(change=Change.RECORDED, revision=1, alert=alert)
    if held.answer == answer:
        return Decision(change=Change.NONE, revision=held.revision, alert=False)
    alert = answer.category is Category.DETRACTOR and held.alert_id is None
    return Decision(change=Change.REVISED, revision=held.revision + 1, alert=alert)


def read_score(text: str | None) -> int:
    """Return the score that a form or a link says.

    Raises: ScoreMissing; ask again.
    """
    if text is None or not _SCORE.fullmatch(text):
        raise ScoreMissing
    return int(text)


def read_comment(text: str) -> str | None:
    """Return the comment, cleaned; None when there is none.

    Raises: CommentTooLong; ask to shorten it.
    """
    comment = clean_text(text).strip()
    if len(comment) > LONGEST_COMMENT:
        raise CommentTooLong(excess=len(comment) - LONGEST_COMMENT)
    return comment or None


def clean_text(text: str) -> str:
    """Return `text` with plain line ends and without what can't be shown."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
