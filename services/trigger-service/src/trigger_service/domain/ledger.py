"""Deciding on a batch: each decision sees the slots that the ones before it took."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from trigger_service.domain.customer import Customer
from trigger_service.domain.decision import (
    Case,
    Decision,
    State,
    decide,
    decide_without_program,
)
from trigger_service.domain.invitation import Invitation
from trigger_service.domain.program import Catalogue, Program
from trigger_service.domain.reason import Reason
from trigger_service.domain.touchpoint import Touchpoint

SCHEDULED: Final = "scheduled"


class Outcome(Struct, frozen=True, kw_only=True):
    """What one program made of a touchpoint, and the invitation that came of it."""

    decision: Decision
    invitation: Invitation | None

    @property
    def program_id(self) -> str | None:
        """The program that decided; None when none listens."""
        return self.decision.program.program_id if self.decision.program else None

    @property
    def verdict(self) -> str:
        """What came of it, in one word: `scheduled`, or the first reason against."""
        return next(iter(self.decision.against), SCHEDULED)


class Entry(Struct, frozen=True, kw_only=True):
    """A touchpoint, and what each program made of it."""

    touchpoint: Touchpoint
    customer: Customer
    outcomes: Sequence[Outcome]

    @property
    def verdict(self) -> str:
        """What became of the touchpoint: `scheduled` if any program asks, else the first reason.

        What a shadow would do counts only where no other program listens.
        """
        verdicts = [o.verdict for o in self.outcomes if Reason.SHADOW not in o.decision.against]
        if SCHEDULED in verdicts:
            return SCHEDULED
        return verdicts[0] if verdicts else self.outcomes[0].verdict


class Ledger(Struct, frozen=True, kw_only=True):
    """What a batch of touchpoints led to: the customers after it, and every decision in order."""

    states: Mapping[str, State]
    entries: Sequence[Entry]

    def verdicts(self) -> Counter[tuple[str, str]]:
        """Count what each program decided, by its id; the empty one: none listens."""
        return Counter((o.program_id or "", o.verdict) for e in self.entries for o in e.outcomes)


def decide_all(
    states: Mapping[str, State],
    touchpoints: Iterable[Touchpoint],
    *,
    catalogue: Catalogue,
    now: datetime,
    new_id: Callable[[], str],
) -> Ledger:
    """Decide on `touchpoints` in order, each by the programs that listen to it."""
    current, entries = dict(states), list[Entry]()
    for touchpoint in touchpoints:
        state = current[touchpoint.customer_id]
        state = state.informed(touchpoint.profile, min(touchpoint.occurred_at, now))
        listeners = catalogue.listeners(touchpoint.name)
        case = Case.of(touchpoint, state, listeners, governance=catalogue.governance, now=now)
        outcomes = []
        for program in listeners.programs:
            decision = decide(state, case, program)
            state = state.after(decision)
            invitation = _invitation(touchpoint, program, decision, new_id)
            outcomes.append(Outcome(decision=decision, invitation=invitation))
        if not listeners.programs:
            outcomes.append(Outcome(decision=decide_without_program(case), invitation=None))
        current[touchpoint.customer_id] = state
        entries.append(Entry(touchpoint=touchpoint, customer=state.customer, outcomes=outcomes))
    return Ledger(states=current, entries=entries)


def _invitation(
    touchpoint: Touchpoint, program: Program, decision: Decision, new_id: Callable[[], str]
) -> Invitation | None:
    if decision.slot is None:
        return None
    return Invitation(
        invitation_id=new_id(),
        customer_id=touchpoint.customer_id,
        program_id=program.program_id,
        program_version=program.version,
        type=program.type,
        touchpoint=touchpoint.name,
        touchpoint_id=touchpoint.touchpoint_id,
        subject=touchpoint.subject,
        survey_id=program.survey_id,
        variant=program.variant_of(touchpoint.customer_id),
        locale=program.locale,
        segment=decision.segment,
        channels=program.channels,
        occurred_at=touchpoint.occurred_at,
        send_at=decision.send_at,
        expires_at=decision.expires_at,
        state=decision.slot.state,
    )
