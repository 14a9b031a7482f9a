"""The decision: ask this customer because of this touchpoint, or why not."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from heardback.contracts.payloads import Profile
from trigger_service.domain.customer import Customer
from trigger_service.domain.invitation import Invitation, Slot
from trigger_service.domain.program import Program, ProgramState
from trigger_service.domain.touchpoint import Touchpoint

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a product system's clock may be."""

# What is surely no address; the provider has the last word on the rest.
_EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_CLOSED_BY_AUTOMATION: Final = frozenset({"automation", "spam", "merge"})


class Reason(StrEnum):
    """Why a customer is not asked, in the order in which reasons are listed."""

    NO_PROGRAM = "no_program"
    PAUSED = "paused"
    TICKET_CLOSED_BY_AUTOMATION = "ticket_closed_by_automation"
    ERASED = "erased"
    CHURNED = "churned"
    UNSUBSCRIBED = "unsubscribed"
    NO_EMAIL = "no_email"
    INVALID_EMAIL = "invalid_email"
    IN_FUTURE = "in_future"
    STALE = "stale"
    COOLDOWN_ANY = "cooldown_any"
    COOLDOWN_TYPE = "cooldown_type"
    COOLDOWN_PROGRAM = "cooldown_program"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a decision on a customer rests upon: who they are, and the slots that they hold."""

    customer: Customer
    slots: tuple[Slot, ...] = ()

    def informed(self, profile: Profile | None, at: datetime) -> "State":
        """Return the state after `profile`, which held at `at`, became known."""
        customer = self.customer.informed(profile, at)
        return self if customer is self.customer else replace(self, customer=customer)

    def after(self, decision: "Decision") -> "State":
        """Return the state with the slot that `decision` takes, if it takes one."""
        if decision.program is None or decision.reasons:
            return self
        program = decision.program
        slot = Slot(program_id=program.program_id, type=program.type, send_at=decision.send_at)
        return replace(self, slots=(*self.slots, slot))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One program's answer to one touchpoint: every reason against asking; none means ask.

    No program: none listens to the touchpoint.
    """

    program: Program | None
    reasons: tuple[Reason, ...]
    send_at: datetime
    expires_at: datetime


def decide(
    state: State, touchpoint: Touchpoint, *, program: Program | None, now: datetime
) -> Decision:
    """Decide whether and when `program` asks the customer because of `touchpoint`."""
    if program is None:
        return Decision(program=None, reasons=(Reason.NO_PROGRAM,), send_at=now, expires_at=now)
    # What claims to come from the far future is refused; its date must not overflow on the way.
    occurred_at = min(touchpoint.occurred_at, now + CLOCK_SKEW)
    planned_at = program.planned_at(touchpoint.touchpoint_id, occurred_at)
    send_at, expires_at = max(planned_at, now), planned_at + program.expires_after
    holds = {
        Reason.PAUSED: program.state is not ProgramState.ACTIVE,
        Reason.TICKET_CLOSED_BY_AUTOMATION: touchpoint.closed_by in _CLOSED_BY_AUTOMATION,
        **_on_customer(state.customer),
        Reason.IN_FUTURE: touchpoint.occurred_at > now + CLOCK_SKEW,
        Reason.STALE: send_at >= expires_at,
        **_on_cooldowns(state.slots, program, send_at),
    }
    reasons = tuple(reason for reason, against in holds.items() if against)
    return Decision(program=program, reasons=reasons, send_at=send_at, expires_at=expires_at)


def reason_to_cancel(
    invitation: Invitation, customer: Customer, program: Program, *, now: datetime
) -> str | None:
    """Return what has come up against a due invitation since it was decided; None: send it."""
    if program.state is not ProgramState.ACTIVE:
        return program.state
    holds = {**_on_customer(customer), Reason.STALE: now >= invitation.expires_at}
    return next((reason for reason, against in holds.items() if against), None)


def reason_to_leave_alone(customer: Customer) -> Reason | None:
    """Return why the customer is not asked anything any more, whatever happens to them."""
    holds = _on_customer(customer)
    final = (Reason.ERASED, Reason.CHURNED, Reason.UNSUBSCRIBED)
    return next((reason for reason in final if holds[reason]), None)


def _on_customer(customer: Customer) -> dict[Reason, bool]:
    email = customer.email
    return {
        Reason.ERASED: customer.erased_at is not None,
        Reason.CHURNED: customer.churned_at is not None,
        Reason.UNSUBSCRIBED: customer.unsubscribed_at is not None,
        Reason.NO_EMAIL: not email,
        Reason.INVALID_EMAIL: bool(email) and _EMAIL.fullmatch(email or "") is None,
    }


def _on_cooldowns(slots: Iterable[Slot], program: Program, send_at: datetime) -> dict[Reason, bool]:
    """Exactly one cooldown apart is far enough."""
    apart = [(slot, abs(send_at - slot.send_at)) for slot in slots]
    same_type = [gap for slot, gap in apart if slot.type is program.type]
    same_program = [gap for slot, gap in apart if slot.program_id == program.program_id]
    return {
        Reason.COOLDOWN_ANY: any(gap < program.cooldown_any for _, gap in apart),
        Reason.COOLDOWN_TYPE: any(gap < program.cooldown_type for gap in same_type),
        Reason.COOLDOWN_PROGRAM: any(gap < program.cooldown_program for gap in same_program),
    }
