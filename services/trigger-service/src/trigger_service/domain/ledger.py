"""Deciding on a batch: each decision sees the slots that the ones before it took."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import Decision, State, decide
from trigger_service.domain.invitation import Invitation
from trigger_service.domain.program import Program
from trigger_service.domain.touchpoint import Touchpoint

SCHEDULED: Final = "scheduled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A decision as it is kept.

    `is_decisive` marks the one entry of a touchpoint that says what became of it: the first that
    led to an invitation, else the first.
    """

    decision_id: str
    touchpoint: Touchpoint
    customer: Customer
    decision: Decision
    invitation: Invitation | None
    is_decisive: bool

    @property
    def program_id(self) -> str | None:
        """The program that decided; None when none listens."""
        return self.decision.program.program_id if self.decision.program else None

    @property
    def verdict(self) -> str:
        """What came of it, in one word: `scheduled`, or the first reason against."""
        return str(self.decision.reasons[0]) if self.decision.reasons else SCHEDULED


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What a batch of touchpoints led to: the customers after it, and every decision in order."""

    customers: Sequence[Customer]
    entries: Sequence[Entry]


def decide_all(
    states: Mapping[str, State],
    touchpoints: Iterable[Touchpoint],
    *,
    programs: Mapping[str, Sequence[Program]],
    now: datetime,
    new_id: Callable[[], str],
) -> Ledger:
    """Decide on `touchpoints` in order. `programs`: who listens to each touchpoint, by its name."""
    current, entries = dict(states), list[Entry]()
    for touchpoint in touchpoints:
        state = current[touchpoint.customer_id]
        known_at = min(touchpoint.occurred_at, now)
        state = state.informed(touchpoint.profile, known_at)
        made: list[Decision] = []
        for program in programs.get(touchpoint.name) or (None,):
            decision = decide(state, touchpoint, program=program, now=now)
            state = state.after(decision)
            made.append(decision)
        current[touchpoint.customer_id] = state
        entries.extend(_entries(touchpoint, state.customer, made, new_id))
    changed = [s.customer for key, s in current.items() if s.customer is not states[key].customer]
    return Ledger(customers=changed, entries=entries)


def _entries(
    touchpoint: Touchpoint,
    customer: Customer,
    made: Sequence[Decision],
    new_id: Callable[[], str],
) -> Iterable[Entry]:
    decisive = next((decision for decision in made if not decision.reasons), made[0])
    for decision in made:
        yield Entry(
            decision_id=new_id(),
            touchpoint=touchpoint,
            customer=customer,
            decision=decision,
            invitation=_invitation(touchpoint, customer, decision, new_id),
            is_decisive=decision is decisive,
        )


def _invitation(
    touchpoint: Touchpoint, customer: Customer, decision: Decision, new_id: Callable[[], str]
) -> Invitation | None:
    program = decision.program
    if program is None or decision.reasons:
        return None
    return Invitation(
        invitation_id=new_id(),
        customer_id=customer.customer_id,
        program_id=program.program_id,
        type=program.type,
        touchpoint=touchpoint.name,
        survey_id=program.survey_id,
        segment=customer.segment,
        channel=program.channel,
        occurred_at=touchpoint.occurred_at,
        send_at=decision.send_at,
        expires_at=decision.expires_at,
    )
