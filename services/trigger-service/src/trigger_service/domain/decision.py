"""The decision: ask this customer because of this touchpoint, or why not."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from heardback.contracts.payloads import Profile
from heardback.vocabulary import Channel
from heardback.zones import zone_of
from trigger_service.domain.cooldown import clashes, free_at, sure_clashes
from trigger_service.domain.customer import Customer
from trigger_service.domain.expression import Failed, Predicate
from trigger_service.domain.fields import Reader
from trigger_service.domain.invitation import InvitationState, Slot
from trigger_service.domain.program import (
    Governance,
    Listeners,
    Program,
    ProgramState,
    Throttle,
)
from trigger_service.domain.reach import Missing, first_channel, missing_of, reasons_to_leave_alone
from trigger_service.domain.reason import Against, Reason, minute
from trigger_service.domain.timetable import LONGEST_WAIT, Timetable
from trigger_service.domain.touchpoint import Revocation, Touchpoint

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a product system's clock may be."""

_LONG_AGO: Final = timedelta(days=30 * 365)
_CLOSED_BY_AUTOMATION: Final = frozenset({"automation", "spam", "merge"})


class State(Struct, frozen=True, kw_only=True):
    """What a decision on a customer rests upon: who they are, their slots, and what was undone."""

    customer: Customer
    slots: tuple[Slot, ...] = ()
    revocations: Mapping[str, Revocation] = {}

    def informed(self, profile: Profile | None, at: datetime) -> "State":
        """Return the state after `profile`, which held at `at`, became known."""
        customer = self.customer.informed(profile, at)
        if customer is self.customer:
            return self
        return State(customer=customer, slots=self.slots, revocations=self.revocations)

    def revoked(self, revocation: Revocation, *, now: datetime) -> "State":
        """Return the state after something was undone; the latest time of a subject counts.

        What claims to be from the future undoes nothing that is still to happen.
        """
        if revocation.revoked_at > now + CLOCK_SKEW:
            revocation = replace(revocation, revoked_at=now + CLOCK_SKEW)
        known = self.revocations.get(revocation.subject)
        if known is not None and known.revoked_at >= revocation.revoked_at:
            return self
        return replace(self, revocations={**self.revocations, revocation.subject: revocation})

    def revocation_of(self, subject: str | None, occurred_at: datetime) -> Revocation | None:
        """Return what undid `subject`, if anything did after `occurred_at`."""
        revocation = self.revocations.get(subject) if subject else None
        return revocation if revocation and revocation.revokes(subject, occurred_at) else None

    def after(self, decision: "Decision") -> "State":
        """Return the state with the use that `decision` counts and the slot that it takes."""
        customer, slots = self.customer, self.slots
        if decision.is_use and decision.program is not None:
            customer = customer.used(decision.program.program_id)
        if decision.slot is not None:
            slots = (*slots, decision.slot)
        elif customer is self.customer:
            return self
        return State(customer=customer, slots=slots, revocations=self.revocations)


class Decision(Struct, frozen=True, kw_only=True):
    """One program's answer to one touchpoint: every reason against asking; none means ask.

    No program: none listens to the touchpoint. `is_use`: the program counts the touchpoint.
    `slot`: the one that this takes, if it takes one.
    """

    program: Program | None
    against: Against
    send_at: datetime
    expires_at: datetime
    segment: str | None = None
    is_use: bool = False
    slot: Slot | None = None


class Case(Struct, frozen=True, kw_only=True):
    """A touchpoint at the moment of deciding: what is the same for every program that listens.

    `holds`: what each of their expressions says. `happened_at`: when it happened, as far as that
    can be believed. `zone`: the clock on the customer's wall. `missing`: what does not reach them.
    `against`: what stands against asking, whatever the program.
    """

    touchpoint: Touchpoint
    governance: Governance
    holds: Mapping[Predicate | None, bool | Failed]
    segment: str | None
    happened_at: datetime
    is_in_future: bool
    zone: ZoneInfo
    missing: Missing
    against: Against
    now: datetime

    @classmethod
    def of(
        cls,
        touchpoint: Touchpoint,
        state: State,
        listeners: Listeners,
        *,
        governance: Governance,
        now: datetime,
    ) -> "Case":
        """Return the case of `touchpoint` for `listeners`."""
        customer = state.customer
        values = _values(listeners.reader, customer, touchpoint) if listeners.reader else {}
        holds: dict[Predicate | None, bool | Failed] = {None: True}
        for expression in listeners.expressions:
            holds[expression] = expression(values)
        return cls(
            touchpoint=touchpoint,
            governance=governance,
            holds=holds,
            segment=governance.segment_of(values, customer.segment),
            happened_at=_believable(touchpoint.occurred_at, now),
            is_in_future=touchpoint.occurred_at > now + CLOCK_SKEW,
            zone=zone_of(customer.timezone, governance.zone),
            missing=missing_of(customer),
            against=_on_touchpoint(state, touchpoint) | reasons_to_leave_alone(customer),
            now=now,
        )


def _values(reader: Reader, customer: Customer, touchpoint: Touchpoint) -> Mapping[str, object]:
    return reader.values(
        customer={
            **customer.attributes,
            "segment": customer.segment,
            "locale": customer.locale,
            "timezone": customer.timezone,
        },
        event={**touchpoint.facts, "touchpoint": touchpoint.name, "source": touchpoint.source},
        occurred_at=touchpoint.occurred_at,
    )


def decide_without_program(case: Case) -> Decision:
    """Return what becomes of a touchpoint that no program listens to."""
    return Decision(
        program=None,
        against={Reason.NO_PROGRAM: ""},
        send_at=case.now,
        expires_at=case.now,
        segment=case.segment,
    )


def decide(state: State, case: Case, program: Program) -> Decision:
    """Decide whether and when `program` asks the customer because of what has happened.

    The reasons are gathered in the order of the rules. Times are exact where the program asks; what
    is in a cooldown whenever it might be asked has the first time that it might have been.
    """
    against: Against = {}
    if program.state is not ProgramState.ACTIVE and program.state is not ProgramState.SHADOW:
        against[Reason(program.state)] = ""
    against |= case.against
    fits = _look_at_expression(case.holds[program.when], against)
    is_use = program.after_uses is not None and fits and state.customer.erased_at is None
    _look_at_turn(state.customer, case, program, against, is_use=is_use)
    send_at, expires_at = _look_at_time(state, case, program, against)
    slot = None if against else _slot(program, send_at)
    if program.state is ProgramState.SHADOW:
        against[Reason.SHADOW] = ""
    return Decision(
        program=program,
        against=against,
        send_at=send_at,
        expires_at=expires_at,
        segment=case.segment,
        is_use=is_use,
        slot=slot,
    )


def _slot(program: Program, send_at: datetime) -> Slot:
    is_shadow = program.state is ProgramState.SHADOW
    return Slot(
        program_id=program.program_id,
        type=program.type,
        send_at=send_at,
        state=InvitationState.SHADOW if is_shadow else InvitationState.PENDING,
    )


def _on_touchpoint(state: State, touchpoint: Touchpoint) -> Against:
    against: Against = {}
    if touchpoint.closed_by in _CLOSED_BY_AUTOMATION:
        against[Reason.TICKET_CLOSED_BY_AUTOMATION] = touchpoint.closed_by
    revocation = state.revocation_of(touchpoint.subject, touchpoint.occurred_at)
    if revocation is not None:
        against[Reason(revocation.reason)] = minute(revocation.revoked_at)
    return against


# Each looks at one side of the matter, and adds what speaks against asking.


def _look_at_expression(holds: bool | Failed, against: Against) -> bool:
    if isinstance(holds, Failed):
        against[Reason.EXPRESSION_FAILED] = holds.detail
        return False
    if not holds:
        against[Reason.NOT_ELIGIBLE] = ""
    return holds


def _look_at_turn(
    customer: Customer, case: Case, program: Program, against: Against, *, is_use: bool
) -> None:
    if program.after_uses is not None:
        uses = customer.uses.get(program.program_id, 0) + is_use
        if uses < program.after_uses:
            against[Reason.NOT_ENOUGH_USES] = f"{uses} of {program.after_uses}"
    if not program.includes(customer.customer_id, case.happened_at, case.governance.zone):
        against[Reason.NOT_SAMPLED] = ""


def _look_at_time(
    state: State, case: Case, program: Program, against: Against
) -> tuple[datetime, datetime]:
    """Return when to ask, and until when that makes sense."""
    channel, unreachable = first_channel(case.missing, program.channels)
    against |= unreachable
    if case.is_in_future:
        against[Reason.IN_FUTURE] = ""
    first, last = program.window(case.happened_at)
    if first >= case.now and program.on_throttle is Throttle.DROP:
        # Most touchpoints end here: their exact time would change nothing.
        cooldowns = sure_clashes(state.slots, program, first, last + LONGEST_WAIT)
        if cooldowns:
            against |= cooldowns
            return first, first + program.expires_after
    timetable = _timetable(case, program, channel)
    planned_at = timetable.inside(first, last)
    expires_at, send_at = planned_at + program.expires_after, planned_at
    if planned_at < case.now:
        send_at = timetable.inside(case.now, max(case.now, last))
    if send_at >= expires_at:
        against[Reason.STALE] = ""
    cooldowns = clashes(state.slots, program, send_at)
    if cooldowns and program.on_throttle is Throttle.DEFER:
        later = free_at(state.slots, program, send_at, permitted=timetable.next_at)
        if later < expires_at:
            return later, expires_at
    against |= cooldowns
    return send_at, expires_at


def _timetable(case: Case, program: Program, channel: Channel | None) -> Timetable:
    share = case.touchpoint.share
    if share is None:
        share = program.share_of(case.touchpoint.touchpoint_id)
    return Timetable(hours=program.hours_of(channel), zone=case.zone, share=share)


def _believable(occurred_at: datetime, now: datetime) -> datetime:
    """Return a time to reckon with; what claims to be far away is refused, without overflowing.

    In UTC: two times of one zone are told apart by the clock on its wall, which is moved by hand.
    """
    return min(max(occurred_at, now - _LONG_AGO), now + CLOCK_SKEW).astimezone(UTC)
