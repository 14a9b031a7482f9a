"""An answer: what counts as one, what it changes, and what is left when one is taken back."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from heardback.errors import Invalid
from heardback.vocabulary import Category, Channel, Scale, category_of

LONGEST_COMMENT: Final = 10_000
DRIVER_SCORES: Final = range(1, 6)
_SCORE: Final = re.compile(r"10|[0-9]", re.ASCII)
# Controls and lone surrogates can't be stored or shown; tabs and line ends stay.
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class ScoreMissing(Invalid):
    """There is no score, or none that is on the scale."""


class CommentTooLong(Invalid):
    """The comment is longer than we can take."""

    excess: int


class Answer(Struct, frozen=True, kw_only=True):
    """What a customer says: a score, perhaps why, and perhaps ratings of what drives it."""

    scale: Scale = Scale.NPS
    score: int
    comment: str | None = None
    drivers: Mapping[str, int] = {}

    @property
    def category(self) -> Category:
        """The group of the score."""
        return category_of(self.score, self.scale)


class Response(Struct, frozen=True, kw_only=True):
    """The answer that we hold for an invitation.

    `alert_id` is set once somebody was alerted. `client`: a hash of what sent it; None: a person or
    a system that we trust. `taken_back_at`: it does not count any more, and no other one does.
    """

    response_id: str
    revision: int
    answer: Answer
    alert_id: str | None
    answered_at: datetime
    client: bytes | None = None
    taken_back_at: datetime | None = None

    @property
    def counts(self) -> bool:
        """Whether this is what the customer says, as far as we know."""
        return self.taken_back_at is None


class Change(StrEnum):
    """What an answer does to what we hold.

    `confirmed`: the same was said from somewhere else. Nothing changes but the history, which says
    who else said so, in case that the first turns out to be no person.
    """

    RECORDED = "recorded"
    REVISED = "revised"
    CONFIRMED = "confirmed"
    NONE = "none"


class Decision(Struct, frozen=True, kw_only=True):
    """What to do with an answer."""

    change: Change
    revision: int
    alert: bool


def decide(held: Response | None, answer: Answer, client: bytes | None = None) -> Decision:
    """Return what `answer` changes. Owners are alerted once, however it goes on from there."""
    if held is None:
        alert = answer.category is Category.DETRACTOR
        return Decision(change=Change.RECORDED, revision=1, alert=alert)
    if held.counts and held.answer == answer:
        if held.client in (None, client):
            return Decision(change=Change.NONE, revision=held.revision, alert=False)
        return Decision(change=Change.CONFIRMED, revision=held.revision + 1, alert=False)
    alert = answer.category is Category.DETRACTOR and held.alert_id is None
    change = Change.REVISED if held.counts else Change.RECORDED
    return Decision(change=change, revision=held.revision + 1, alert=alert)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """An answer that counted at some time. `taken_back`: it turned out to be no person's.

    `channel`: it came by this one; None: nobody wrote it down.
    """

    revision: int
    answer: Answer
    client: bytes | None
    answered_at: datetime
    taken_back: bool
    channel: Channel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingBack:
    """What goes when clients turn out to be scanners, and what stands then; None: nothing does."""

    gone: tuple[int, ...]
    restored: Revision | None


def take_back(
    history: Sequence[Revision], scanners: Collection[bytes], *, since: datetime
) -> TakingBack:
    """Return which revisions of `history` (the oldest first) were scanners', from `since` on.

    What stands is the last answer that was nobody's of them.
    """
    gone = tuple(
        r.revision
        for r in history
        if r.client in scanners and r.answered_at >= since and not r.taken_back
    )
    left = [r for r in history if not r.taken_back and r.revision not in gone]
    return TakingBack(gone=gone, restored=left[-1] if left else None)


def read_score(text: str | None, scale: Scale = Scale.NPS) -> int:
    """Return the score that a form or a link says.

    Raises: ScoreMissing; ask again.
    """
    if text is None or not _SCORE.fullmatch(text) or int(text) not in scale.scores:
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


def read_drivers(ratings: Mapping[str, object], asked: Collection[str]) -> dict[str, int]:
    """Return the ratings that a form gives of what the survey asks for; others are passed over.

    They are optional: one that can't be read is as good as none.
    """
    drivers = {}
    for driver in asked:
        rating = str(ratings.get(driver, ""))
        if _SCORE.fullmatch(rating) and int(rating) in DRIVER_SCORES:
            drivers[driver] = int(rating)
    return drivers


def clean_text(text: str) -> str:
    """Return `text` with plain line ends and without what can't be shown."""
    if text.isprintable():  # as most are, which takes a fraction of the time
        return text
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
