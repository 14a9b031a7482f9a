"""The decision: ask this customer because of this touchpoint, or why not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from heardback.contracts.payloads import Profile
from heardback.vocabulary import Channel
from trigger_service.domain.cooldown import clashes, free_at
from trigger_service.domain.customer import Customer
from trigger_service.domain.expression import Failed
from trigger_service.domain.hours import zone_of
from trigger_service.domain.invitation import InvitationState, Slot
from trigger_service.domain.program import (
    Governance,
    Program,
    ProgramState,
    Throttle,
)
from trigger_service.domain.reach import first_channel, reasons_to_leave_alone
from trigger_service.domain.reason import Against, Reason, in_order
from trigger_service.domain.timetable import Timetable
from trigger_service.domain.touchpoint import Revocation, Touchpoint

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a product system's clock may be."""

_LONG_AGO: Final = timedelta(days=30 * 365)
_CLOSED_BY_AUTOMATION: Final = frozenset({"automation", "spam", "merge"})


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a decision on a customer rests upon: who they are, their slots, and what was undone."""

    customer: Customer
    slots: tuple[Slot, ...] = ()
    revocations: Mapping[str, Revocation] = field(default_factory=dict)

    def informed(self, profile: Profile | None, at: datetime) -> "State":
        """Return the state after `profile`, which held at `at`, became known."""
        customer = self.customer.informed(profile, at)
        return self if customer is self.customer else replace(self, customer=customer)

    def revoked(self, revocation: Revocation) -> "State":
        """Return the state after something was undone; the latest time of a subject counts."""
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
        program, state = decision.program, self
        if program is not None and decision.is_use:
            state = replace(state, customer=self.customer.used(program.program_id))
        slot = decision.slot
        return state if slot is None else replace(state, slots=(*self.slots, slot))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One program's answer to one touchpoint: every reason against asking; none means ask.

    No program: none listens to the touchpoint. `is_use`: the program counts the touchpoint.
    """

    program: Program | None
    against: Against
    send_at: datetime
    expires_at: datetime
    segment: str | None = None
    is_use: bool = False

    @property
    def slot(self) -> Slot | None:
        """The slot that this takes; None: it takes none."""
        if self.program is None or (self.against and self.against.keys() != {Reason.SHADOW}):
            return None
        return Slot(
            program_id=self.program.program_id,
            type=self.program.type,
            send_at=self.send_at,
            state=InvitationState.SHADOW if self.against else InvitationState.PENDING,
        )


def decide(
    state: State,
    touchpoint: Touchpoint,
    *,
    program: Program | None,
    governance: Governance,
    values: Mapping[str, object],
    now: datetime,
) -> Decision:
    """Decide whether and when `program` asks the customer because of `touchpoint`.

    `values`: what expressions can look at, as `governance.fields` makes them.
    """
    segment = governance.segment_of(values, state.customer.segment)
    if program is None:
        nobody: Against = {Reason.NO_PROGRAM: ""}
        return Decision(program=None, against=nobody, send_at=now, expires_at=now, segment=segment)
    happened = replace(touchpoint, occurred_at=_believable(touchpoint.occurred_at, now))
    against = _on_touchpoint(state, touchpoint, now)
    against |= reasons_to_leave_alone(state.customer)
    against |= (expression := _on_expression(program, values))
    against |= _on_turn(state.customer, happened, program, governance, is_use=not expression)
    send_at, expires_at, timing = _on_time(state, happened, program, governance, now)
    against |= timing
    if program.state is not ProgramState.ACTIVE:
        against[Reason(program.state)] = ""
    return Decision(
        program=program,
        against=in_order(against),
        send_at=send_at,
        expires_at=expires_at,
        segment=segment,
        is_use=program.after_uses is not None and not expression,
    )


def _on_touchpoint(state: State, touchpoint: Touchpoint, now: datetime) -> Against:
    against: Against = {}
    if touchpoint.closed_by in _CLOSED_BY_AUTOMATION:
        against[Reason.TICKET_CLOSED_BY_AUTOMATION] = touchpoint.closed_by
    if touchpoint.occurred_at > now + CLOCK_SKEW:
        against[Reason.IN_FUTURE] = ""
    revocation = state.revocation_of(touchpoint.subject, touchpoint.occurred_at)
    if revocation is not None:
        against[Reason(revocation.reason)] = f"{revocation.revoked_at:%Y-%m-%dT%H:%MZ}"
    return against


def _on_expression(program: Program, values: Mapping[str, object]) -> Against:
    holds = True if program.when is None else program.when(values)
    if isinstance(holds, Failed):
        return {Reason.EXPRESSION_FAILED: holds.detail}
    return {} if holds else {Reason.NOT_ELIGIBLE: ""}


def _on_turn(
    customer: Customer,
    touchpoint: Touchpoint,
    program: Program,
    governance: Governance,
    *,
    is_use: bool,
) -> Against:
    against: Against = {}
    if program.after_uses is not None:
        uses = customer.uses.get(program.program_id, 0) + is_use
        if uses < program.after_uses:
            against[Reason.NOT_ENOUGH_USES] = f"{uses} of {program.after_uses}"
    if not program.includes(customer.bucket, touchpoint.occurred_at, governance.zone):
        against[Reason.NOT_SAMPLED] = ""
    return against


def _on_time(
    state: State, touchpoint: Touchpoint, program: Program, governance: Governance, now: datetime
) -> tuple[datetime, datetime, Against]:
    """Return when to ask, until when that makes sense, and what there is against it."""
    channel, against = first_channel(state.customer, program.channels)
    share = touchpoint.share
    if share is None:
        share = program.share_of(touchpoint.touchpoint_id)
    timetable = timetable_of(state.customer, channel, program, governance, share=share)
    planned_at = program.planned_at(touchpoint.occurred_at, timetable)
    expires_at = planned_at + program.expires_after
    send_at = program.late_at(planned_at, touchpoint.occurred_at, timetable, now=now)
    if send_at >= expires_at:
        against[Reason.STALE] = ""
    cooldowns = clashes(state.slots, program, send_at)
    if cooldowns and program.on_throttle is Throttle.DEFER:
        later = free_at(state.slots, program, send_at, permitted=timetable.next_at)
        if later < expires_at:
            return later, expires_at, against
    return send_at, expires_at, against | cooldowns


def timetable_of(
    customer: Customer,
    channel: Channel | None,
    program: Program,
    governance: Governance,
    *,
    share: float,
) -> Timetable:
    """Return when the customer may be reached over `channel`, by their own clock."""
    return Timetable(
        hours=program.hours_of(channel),
        zone=zone_of(customer.timezone, governance.zone),
        share=share,
    )


def _believable(occurred_at: datetime, now: datetime) -> datetime:
    """Return a time to reckon with; what claims to be far away is refused, without overflowing."""
    return min(max(occurred_at, now - _LONG_AGO), now + CLOCK_SKEW)
