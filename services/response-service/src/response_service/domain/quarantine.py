"""The quarantine: suspect answers, until a person says what they are."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from heardback.errors import Conflict, NotFound
from heardback.vocabulary import Channel
from response_service.domain.answer import Answer, Response
from response_service.domain.judging import Reason


class State(StrEnum):
    """Where a suspect answer stands."""

    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"


class SuspectUnknown(NotFound):
    """There is no suspect answer under this id."""

    quarantine_id: str


class AlreadyDecided(Conflict):
    """Somebody has decided about this answer already."""

    state: State


class NewerAnswerCounts(Conflict):
    """The customer has answered since; the newer answer counts, and this one can't replace it."""

    answered_at: str


_MOVES: Final = {
    (State.HELD, State.RELEASED),
    (State.HELD, State.DISCARDED),
    (State.DISCARDED, State.RELEASED),
}
"""A discarded answer may still be released; a released one counts, and goes by no button."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """An answer in the quarantine. `channel`: it came by this one; None: nobody wrote it down."""

    quarantine_id: str
    invitation_id: str
    customer_id: str
    answer: Answer
    reasons: tuple[Reason, ...]
    answered_at: datetime
    quarantined_at: datetime
    client: bytes | None
    channel: Channel | None = None
    state: State = State.HELD
    decided_at: datetime | None = None
    decided_by: str | None = None


def move(suspect: Suspect, to: State) -> None:
    """See that `suspect` may go to this state.

    Raises: AlreadyDecided.
    """
    if (suspect.state, to) not in _MOVES:
        raise AlreadyDecided(state=suspect.state)


def may_release(suspect: Suspect, held: Response | None) -> None:
    """See that no newer answer counts.

    Raises: NewerAnswerCounts.
    """
    if held is not None and held.counts and held.answered_at > suspect.answered_at:
        raise NewerAnswerCounts(answered_at=held.answered_at.isoformat())
