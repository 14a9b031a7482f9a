"""Improvements: what is to be mended because of a theme, and the one table of their moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final

from closeloop_service.domain.alerting import OpsAlert
from closeloop_service.domain.errors import ImprovementMoveNotAllowed
from closeloop_service.domain.history import Entry
from heardback.contracts.payloads import Payload, Quote, ThemeThresholdReached
from heardback.contracts.registry import EventType


class ImprovementState(StrEnum):
    """Where an improvement stands. `planned`: somebody works on it."""

    OPEN = "open"
    PLANNED = "planned"
    SHIPPED = "shipped"
    DECLINED = "declined"


ACTIVE: Final = (ImprovementState.OPEN, ImprovementState.PLANNED)
"""The states in which it is still to be mended."""


class ImprovementMove(StrEnum):
    """What can be done with an improvement."""

    HEAR = "hear"
    PLAN = "plan"
    PUT_BACK = "put_back"
    SHIP = "ship"
    DECLINE = "decline"
    REOPEN = "reopen"
    ASSIGN = "assign"
    OVERRUN = "overrun"
    NOTE = "note"


_STATE, _MOVE = ImprovementState, ImprovementMove
_BY_ITSELF: Final = (_MOVE.HEAR, _MOVE.OVERRUN)

# What has shipped was told to customers, so nothing undoes it: what comes up again opens anew.
TRANSITIONS: Final[Mapping[tuple[ImprovementState, ImprovementMove], ImprovementState]] = {
    (_STATE.OPEN, _MOVE.PLAN): _STATE.PLANNED,
    (_STATE.OPEN, _MOVE.SHIP): _STATE.SHIPPED,
    (_STATE.OPEN, _MOVE.DECLINE): _STATE.DECLINED,
    (_STATE.PLANNED, _MOVE.PUT_BACK): _STATE.OPEN,
    (_STATE.PLANNED, _MOVE.SHIP): _STATE.SHIPPED,
    (_STATE.PLANNED, _MOVE.DECLINE): _STATE.DECLINED,
    (_STATE.DECLINED, _MOVE.SHIP): _STATE.SHIPPED,
    (_STATE.DECLINED, _MOVE.REOPEN): _STATE.OPEN,
    **{(state, move): state for state in ACTIVE for move in (_MOVE.ASSIGN, _MOVE.OVERRUN)},
    **{(state, move): state for state in _STATE for move in (_MOVE.HEAR, _MOVE.NOTE)},
}


class TicketStatus(StrEnum):
    """What the tracker says of the ticket."""

    OPEN = "open"
    PLANNED = "planned"
    DONE = "done"
    DECLINED = "declined"


# What a ticket's status does to the improvement; what is not listed changes nothing.
BY_TICKET: Final[Mapping[tuple[ImprovementState, TicketStatus], ImprovementMove]] = {
    (_STATE.OPEN, TicketStatus.PLANNED): _MOVE.PLAN,
    (_STATE.OPEN, TicketStatus.DONE): _MOVE.SHIP,
    (_STATE.OPEN, TicketStatus.DECLINED): _MOVE.DECLINE,
    (_STATE.PLANNED, TicketStatus.OPEN): _MOVE.PUT_BACK,
    (_STATE.PLANNED, TicketStatus.DONE): _MOVE.SHIP,
    (_STATE.PLANNED, TicketStatus.DECLINED): _MOVE.DECLINE,
    (_STATE.DECLINED, TicketStatus.OPEN): _MOVE.REOPEN,
    (_STATE.DECLINED, TicketStatus.PLANNED): _MOVE.REOPEN,
    (_STATE.DECLINED, TicketStatus.DONE): _MOVE.SHIP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """Something to mend. `version` counts its changes.

    `reporters` counts the customers who are told when it ships; `responses`, `detractors` and
    `customers` are the theme's own counts as of `heard_at`.
    Units: `revenue_at_risk` in `currency` a year.
    """

    improvement_id: str
    theme_id: str
    title: str
    state: ImprovementState
    owner: str | None
    responses: int
    detractors: int
    customers: int
    reporters: int
    revenue_at_risk: float | None
    currency: str | None
    quotes: tuple[Quote, ...]
    since: datetime
    heard_at: datetime
    opened_at: datetime
    due_at: datetime
    overdue_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 1
    traceparent: str | None = None

    @property
    def active(self) -> bool:
        """Whether it is still to be mended."""
        return self.state in ACTIVE


# Commands. No actor: the ticket in the tracker says so.


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Moves an improvement to another state; `note` says why."""

    move: ImprovementMove
    actor: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assign:
    """Somebody is to see to it."""

    move: ClassVar[ImprovementMove] = ImprovementMove.ASSIGN
    actor: str | None
    owner: str | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """The theme was spoken of again, by so many who had not spoken of it before."""

    move: ClassVar[ImprovementMove] = ImprovementMove.HEAR
    theme: ThemeThresholdReached
    new_reporters: int
    actor: str | None = None
    note: str = ""


Command = Change | Assign | Hear


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An improvement as it is now, and what follows. `tell`: reporters wait to be told."""

    improvement: Improvement
    entries: tuple[Entry, ...] = ()
    events: tuple[tuple[EventType, Payload], ...] = ()
    alerts: tuple[OpsAlert, ...] = ()
    opens: bool = False
    tell: bool = False


def allowed_moves(state: ImprovementState) -> list[ImprovementMove]:
    """Return the moves by which somebody may change what is in `state`."""
    return [
        move for move in ImprovementMove if move not in _BY_ITSELF and (state, move) in TRANSITIONS
    ]


def takes_in(improvement: Improvement, theme: ThemeThresholdReached) -> bool:
    """Tell whether what was heard belongs to `improvement`, or to one that is opened after it.

    What had been counted before it was closed still belongs to it, however late it comes.
    """
    return improvement.closed_at is None or theme.reached_at <= improvement.closed_at


def next_state(improvement: Improvement, move: ImprovementMove) -> ImprovementState:
    """Return the state that `move` leads to.

    Raises: ImprovementMoveNotAllowed; show it as it is and what it allows.
    """
    try:
        return TRANSITIONS[improvement.state, move]
    except KeyError:
        raise ImprovementMoveNotAllowed(
            improvement_id=improvement.improvement_id,
            state=str(improvement.state),
            move=str(move),
            allowed=[str(allowed) for allowed in allowed_moves(improvement.state)],
        ) from None
